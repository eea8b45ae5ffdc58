# Guards JSON via MQTT as mosquitto and the bridge of thin-edge.io send it, read back
# with curl.
. "$LIB"

say() { mqtt mosquitto_pub gw gw.pem gw.key -q "${qos:-1}" -t "$1" -m "$2"; }

# rows PATH COLLECTION FILTER prints what jq makes of a list.
rows() { api 200 GET "$1" | jq -c "$2"; }

authority
cat >devices.csv <<-'CSV'
	ID;AUTH_TYPE;ENROLLMENT_OTP
	gw;CERTIFICATES;otp-of-gw
CSV
register devices.csv
enrol gw gw otp-of-gw
say s/us $'100,gw,thin-edge.io\n101,gw:device:child1,child1,thin-edge.io-child,false\n102,gw:device:main:service:app,service,app,up'
gw=$(object gw) child=$(object gw:device:child1) app=$(object gw:device:main:service:app)

step 'measurements'
say measurement/measurements/create '{"type":"env","time":"2021-09-06T17:35:14.000+02:00","env":{"T":{"value":20.50,"unit":"C"}}}'
say measurement/measurements/create '{"type":"env","time":"2021-09-06T17:35:14.000+02:00","env":{"T":{"value":21}},"externalSource":{"externalId":"gw:device:child1","type":"c8y_Serial"}}'
qos=2 say measurement/measurements/createBulk '{"measurements":[{"type":"a","time":"2021-09-06T15:35:15Z","a":{"x":{"value":1}}},{"type":"b","time":"2021-09-06T15:35:16Z","b":{"x":{"value":2}}}]}'
say t/measurement/measurements/create '{"type":"t","time":"2021-09-06T17:35:14.000+02:00"}'
same "$(rows "/measurement/measurements?source=$gw&pageSize=100" '[.measurements[] | [.type, .time]] | sort')" \
	'[["a","2021-09-06T15:35:15.000Z"],["b","2021-09-06T15:35:16.000Z"],["env","2021-09-06T15:35:14.000Z"]]' 'of the gateway'
same "$(rows "/measurement/measurements?source=$child" '[.measurements[] | [.env.T.value, has("externalSource")]]')" '[[21,false]]' 'of the child'

step 'events and alarms'
say event/events/create '{"type":"E","text":"sensor","time":"2021-09-06T17:35:14.000+02:00","extra":{"a":1},"source":{"id":"1"}}'
say event/events/create '{"type":"E","text":"of a service","time":"2021-09-06T17:35:14.000+02:00","externalSource":{"externalId":"gw:device:main:service:app","type":"c8y_Serial"}}'
say alarm/alarms/create '{"type":"A","text":"hot","severity":"MAJOR","time":"2021-09-06T17:35:14.000+02:00"}'
event=$(rows "/event/events?source=$gw" '.events[0].id' | tr -d '"')
alarm=$(rows "/alarm/alarms?source=$gw" '.alarms[0].id' | tr -d '"')
say "event/events/update/$event" '{"text":"changed","extra":null}'
say "alarm/alarms/update/$alarm" '{"status":"CLEARED"}'
same "$(rows "/event/events/$event" '[.text, has("extra"), .source.id]')" "[\"changed\",false,\"$gw\"]" 'event'
same "$(rows "/alarm/alarms/$alarm" '[.status, .severity]')" '["CLEARED","MAJOR"]' 'alarm'
same "$(rows "/event/events?source=$app" '[.events[].text]')" '["of a service"]' 'event of the service'
say "event/events/delete/$event" ''
api 404 GET "/event/events/$event" >/dev/null

step 'inventory'
say inventory/managedObjects/update/gw:device:child1 '{"c8y_Hardware":{"model":"M","revision":"1"},"twin":1}'
say inventory/managedObjects/update/gw:device:child1 '{"c8y_Hardware":{"model":"N"},"twin":null}'
say inventory/managedObjects/update/gw '{}'
same "$(rows "/inventory/managedObjects/$child" '[.c8y_Hardware, has("twin")]')" '[{"model":"N"},false]' 'twin of the child'
say "inventory/managedObjects/gw/childDevices/create" '{"name":"kid","c8y_IsDevice":{},"externalIds":[{"externalId":"kid","type":"c8y_Serial"}]}'
same "$(rows "/inventory/managedObjects/$gw/childDevices" '[.references[].managedObject.name] | sort')" '["child1","kid"]' 'children'

step 'errors'
same "$(mqtt mosquitto_rr gw gw.pem gw.key -V mqttv311 -q 1 -t alarm/alarms/create -e error -m '{"type":"x"}' -W "$deadline" | jq -c '[.error, .message, has("messageId")]')" \
	'["undefined/validationError","Following mandatory fields should be included: severity,text,time",true]' 'mandatory fields'
same "$(mqtt mosquitto_rr gw gw.pem gw.key -V mqttv311 -q 1 -t alarm/alarms/delete/1 -e error -n -W "$deadline" | jq -r .error)" 'undefined/notSupported' 'not supported'
