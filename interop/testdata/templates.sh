# Guards custom template collections: made by a device or by REST, used with
# mosquitto, seen and removed by curl.
. "$LIB"

say() { mqtt mosquitto_pub d1 d1.pem d1.key -q 1 -t "$1" -m "$2"; }
# ask TOPIC ANSWERS PAYLOAD prints the one answer.
ask() { mqtt mosquitto_rr d1 d1.pem d1.key -V mqttv311 -q 1 -t "$1" -e "$2" -m "$3" -W "$deadline"; }
collection() { mqtt mosquitto_rr d1 d1.pem d1.key -V mqttv311 -q 1 -t "s/ut/$1" -e s/dt -n -W "$deadline"; }

authority
cat >devices.csv <<-'CSV'
	ID;AUTH_TYPE;ENROLLMENT_OTP
	d1;CERTIFICATES;otp-of-d1
CSV
register devices.csv
enrol d1 d1 otp-of-d1
say s/us '100,d1,c8y_Custom'
device=$(object d1)

step 'made by the device'
same "$(collection mine)" '41,mine' 'before'
created=$(ask s/ut/mine s/dt '10,999,POST,MEASUREMENT,,c8y_MyMeasurement,,c8y_MyMeasurement.M.value,NUMBER,
10,998,GET,INVENTORY,,false,c8y_Serial
10,997,PUT,ALARM,,c8y_CustomAlarm,status,ALARMSTATUS
10,996,POST,ALARM,,c8y_CustomAlarm,mytext,ACTIVE,MAJOR,
10,995,PUT,OPERATION,,set_wifi,status,OPERATIONSTATUS,SUCCESSFUL
11,888,,c8y_Custom,name,c8y_Test,c8y_Custom.v
11,111,set_wifi,set_wifi,name,ssid,type')
[[ $created == 20,mine,* ]] || fail "created: $created"
same "$(collection mine)" "$created" 'check'
same "$(ask s/ut/mine s/e '11,1,,,a')" '41,,Cannot create templates for already existing template object' 'made again'
same "$(api 200 GET /identity/externalIds/c8y_SmartRest2DeviceIdentifier/mine | jq -r .managedObject.id)" "${created#20,mine,}" 'external ID'
same "$(api 200 GET '/inventory/managedObjects?type=c8y_SmartRest2Template' |
	jq -c '[.managedObjects[] | [.name, (.com_cumulocity_model_smartrest_csv_CsvSmartRestTemplate.requestTemplates | length)]]')" '[["mine",5]]' 'listed'

step 'used'
say s/uc/mine $'999,2016-06-22T17:03:14.000+02:00,25\n999,,26.5\n996'
say s/uc/mine '997,CLEARED'
same "$(api 200 GET "/measurement/measurements?source=$device" | jq -c '[.measurements[].c8y_MyMeasurement.M.value] | sort')" '[25,26.5]' 'measurements'
same "$(api 200 GET "/alarm/alarms?source=$device" | jq -c '[.alarms[] | [.type, .severity, .status]]')" '[["c8y_CustomAlarm","MAJOR","CLEARED"]]' 'alarms'
say inventory/managedObjects/update/d1 '{"c8y_Custom":{"v":"val1=1\nval2=2"}}'
same "$(ask s/uc/mine s/dc/mine '998,d1')" $'888,d1,,"val1=1\nval2=2"' 'answer'
same "$(ask s/uc/mine s/e '7,x')" '40,7,No template for this message id' 'unknown message'

step 'operation through the collection'
operation=$(api 201 POST /devicecontrol/operations -H 'Content-Type: application/json' -H 'Accept: application/json' \
	-d '{"deviceId": "'"$device"'", "set_wifi": {"name": "factory", "ssid": "factory-onboarding-wifi", "type": "wpa3-personal"}}' | jq -er .id)
same "$(mqtt mosquitto_sub d1 d1.pem d1.key -q 1 -C 1 -v -t 's/dc/#')" 's/dc/mine 111,d1,factory,factory-onboarding-wifi,wpa3-personal' 'line'
say s/uc/mine 995
same "$(api 200 GET "/devicecontrol/operations/$operation" | jq -r .status)" SUCCESSFUL 'operation'

step 'made by REST, as pyagent does'
id=$(api 201 POST /inventory/managedObjects -H 'Content-Type: application/json' -H 'Accept: application/json' -d '{"name": "C8Y Python Agent", "type": "c8y_SmartRest2Template",
	"com_cumulocity_model_smartrest_csv_CsvSmartRestTemplate": {"requestTemplates": [
		{"api": "MEASUREMENT", "byId": true, "method": "POST", "msgId": "M100", "response": false, "name": "CPU Temperature",
		 "customValues": [{"path": "c8y_CPUTemperature.T.value", "type": "NUMBER", "value": null}, {"path": "c8y_CPUTemperature.T.unit", "type": "STRING", "value": "°C"}],
		 "mandatoryValues": [{"path": "$.type", "type": "STRING", "value": "c8y_CPUTemperature"}, {"path": "$.time", "type": "DATE", "value": null}]}],
	"responseTemplates": [{"base": "c8y_Message", "condition": "c8y_Message", "msgId": "MSG", "name": "Message", "pattern": ["text"]}]},
	"__externalId": "pyagent"}' | jq -er .id)
api 201 POST "/identity/globalIds/$id/externalIds" -H 'Content-Type: application/json' -d '{"type": "c8y_SmartRest2DeviceIdentifier", "externalId": "pyagent"}' >/dev/null
same "$(collection pyagent)" "20,pyagent,$id" 'check'
say s/uc/pyagent M100,,51.5
same "$(api 200 GET "/measurement/measurements?source=$device&type=c8y_CPUTemperature" | jq -c '[.measurements[].c8y_CPUTemperature.T]')" '[{"unit":"°C","value":51.5}]' 'measurement'
api 204 DELETE "/inventory/managedObjects/$id"
same "$(collection pyagent)" '41,pyagent' 'removed'

step 'the default collection'
timeout "$deadline" mosquitto_pub -h "$mqtt_host" -p "$mqtt_port" --cafile "$MOORING_ROOT" --cert d1.pem --key d1.key -i d:d1:mine -q 1 -t s/ud -m '999,,27'
same "$(api 200 GET "/measurement/measurements?source=$device&type=c8y_MyMeasurement" | jq -c '[.measurements[].c8y_MyMeasurement.M.value] | sort')" '[25,26.5,27]' 'measurements'
