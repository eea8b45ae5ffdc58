# Guards registration by bootstrap credentials over MQTT: a device asks with the
# password that all devices know, an operator accepts it, it gets its own.
. "$LIB"

bootstrap_password=$(curl -sS --max-time "$deadline" --unix-socket "$(dirname "$MOORING_PASSWORD_FILE")/admin.sock" http://admin/mooring/bootstrap | jq -er .password)

# by_password PROGRAM DEVICE USER PASSWORD [ARGUMENT...] runs a mosquitto client
# without a certificate.
by_password() {
	local program=$1 device=$2 user=$3 password=$4
	shift 4
	timeout "$deadline" stdbuf -oL "$program" -h "$mqtt_host" -p "$mqtt_port" --cafile "$MOORING_ROOT" -i "$device" -u "$user" -P "$password" "$@"
}

ask() {
	local program=$1 device=$2
	shift 2
	by_password "$program" "$device" management/devicebootstrap "$bootstrap_password" -q 1 "$@"
}

state() { api 200 GET "/devicecontrol/newDeviceRequests/$1" | jq -er .status; }

step 'registered'
api 201 POST /devicecontrol/newDeviceRequests -H 'Content-Type: application/json' -d '{"id": "boot1"}' >/dev/null
same "$(state boot1)" WAITING_FOR_CONNECTION 'before it asks'

step 'asks'
ask mosquitto_pub boot1 -t s/ucr -n
same "$(state boot1)" PENDING_ACCEPTANCE 'after it asked'
status=0
silence=$(ask mosquitto_rr boot1 -V mqttv311 -t s/ucr -e s/dcr -n -W 2 2>/dev/null) || status=$?
same "$silence/$status" '/27' 'before it is accepted' # 27: it waited and heard nothing

step 'accepted'
api 200 PUT /devicecontrol/newDeviceRequests/boot1 -H 'Content-Type: application/json' -d '{"status": "ACCEPTED"}' >/dev/null
answer=$(ask mosquitto_rr boot1 -V mqttv311 -t s/ucr -e s/dcr -n -W "$deadline")
IFS=, read -r code tenant user password <<<"$answer"
same "$code,$tenant,$user" "70,$MOORING_TENANT,device_boot1" 'credentials'
api 404 GET /devicecontrol/newDeviceRequests/boot1 >/dev/null

step 'connects'
by_password mosquitto_pub boot1 "$tenant/$user" "$password" -q 1 -t s/us -m $'100,boot1,c8y_Booted\n211,21.5'
same "$(api 200 GET "/inventory/managedObjects/$(object boot1)" | jq -r '.type + " " + .owner')" 'c8y_Booted device_boot1' 'managed object'
same "$(by_password mosquitto_rr boot1 "$tenant/$user" "$password" -V mqttv311 -t s/us -e s/ds -m 123 -W "$deadline")" "124,$(object boot1)" 'its own ID'

step 'nothing else'
api 201 POST /devicecontrol/newDeviceRequests -H 'Content-Type: application/json' -d '{"id": "boot2"}' >/dev/null
for topic in s/us s/uc/x event/events/create inventory/managedObjects/create; do
	ask mosquitto_pub boot2 -t "$topic" -m '100,thief'
done
unknown boot2
same "$(state boot2)" WAITING_FOR_CONNECTION 'by other topics'
ask mosquitto_sub boot2 -t s/ds -E >subscription 2>&1 || true # its status is not told apart; what it says is
grep -qi denied subscription || fail "s/ds was granted: $(<subscription)"
status=0
by_password mosquitto_pub boot2 management/devicebootstrap wrong -t s/ucr -n >refusal 2>&1 || status=$?
same "$status" 4 'wrong password'
