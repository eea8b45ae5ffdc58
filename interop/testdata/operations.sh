# Guards operations: ordered with curl and received with mosquitto, at once, after
# the fact, on both topics and for a child, and reported on to their end.
. "$LIB"

# order DEVICE FRAGMENTS prints the ID of a new operation.
order() {
	local body
	body=$(jq -c --arg device "$(object "$1")" '. + {deviceId: $device}' <<<"$2")
	api 201 POST /devicecontrol/operations -H 'Content-Type: application/json' -H 'Accept: application/json' -d "$body" | jq -er .id
}

# state ID prints what has become of an operation.
state() { api 200 GET "/devicecontrol/operations/$1" | jq -r '.status + " " + (.failureReason // "")'; }

# receive N TOPIC... prints the next messages.
receive() {
	local n=$1 topics=()
	shift
	for t in "$@"; do topics+=(-t "$t"); done
	mqtt mosquitto_sub gw gw.pem gw.key -q 1 -C "$n" "${topics[@]}"
}

say() { mqtt mosquitto_pub gw gw.pem gw.key -q 1 -t "$1" -m "$2"; }

authority
cat >devices.csv <<-'CSV'
	ID;AUTH_TYPE;ENROLLMENT_OTP
	gw;CERTIFICATES;otp-of-gw
CSV
register devices.csv
enrol gw gw otp-of-gw
say s/us $'100,gw,c8y_Gateway\n101,gw:child,child,c8y_Child\n114,c8y_Restart,c8y_Command'

step 'ordered while the device is away'
restart=$(order gw '{"c8y_Restart": {}, "description": "restart"}')
shell=$(order gw:child '{"c8y_Command": {"text": "echo \"hello\"\necho \"world\""}}')
same "$(state "$restart")" 'PENDING ' 'state before'
receive 2 s/ds >got
same "$(<got)" $'510,gw\n511,gw:child,"echo \\"hello\\"\necho \\"world\\""' 'pending operations'

step 'to their end'
say s/us '501,c8y_Restart'
same "$(state "$restart")" 'EXECUTING ' '501'
say s/us '503,c8y_Restart'
same "$(state "$restart")" 'SUCCESSFUL ' '503'
say s/us/gw:child "504,$shell"
say s/us/gw:child "506,$shell,\"hello
world\""
same "$(state "$shell")" 'SUCCESSFUL ' '506'
same "$(api 200 GET "/devicecontrol/operations/$shell" | jq -r .c8y_Command.result)" $'hello\nworld' 'result'

step 'ordered while the device listens'
mkfifo live
mqtt mosquitto_sub gw gw.pem gw.key -q 1 -C 2 -v -d -t s/ds -t devicecontrol/notifications >live 2>&1 &
listener=$!
lines=() software=
while read -r -t "$deadline" line; do
	case $line in
	Subscribed*) software=$(order gw '{"c8y_SoftwareUpdate": [{"name": "a", "version": "1.0", "url": "http://x/a", "action": "install"}, {"name": "b", "version": "2", "url": "", "action": "delete"}]}') ;;
	s/ds\ * | devicecontrol/notifications\ *) lines+=("$line") ;;
	esac
done <live
wait "$listener"
rm live
same "${lines[0]}" 's/ds 528,gw,a,1.0,http://x/a,install,b,2,,delete' 'line on s/ds'
same "$(jq -r '.id + " " + .externalSource.externalId + " " + .status' <<<"${lines[1]#devicecontrol/notifications }")" "$software gw PENDING" 'JSON'
say s/us '501,c8y_SoftwareUpdate'
say s/us '502,c8y_SoftwareUpdate,"no space, none at all"'
same "$(state "$software")" 'FAILED no space, none at all' '502'

step 'asked for'
cancelled=$(order gw '{"c8y_Restart": {}}')
order gw '{"c8y_LogfileRequest": {"logFile": "syslog", "dateFrom": "2021-09-21T11:40:27+0200", "dateTo": "2021-09-22T11:40:27+0200", "searchText": "ERROR", "maximumLines": 1000}}' >/dev/null
api 200 PUT "/devicecontrol/operations/$cancelled" -H 'Content-Type: application/json' -d '{"status": "FAILED", "failureReason": "Operation canceled by user."}'
same "$(receive 1 s/ds)" '522,gw,syslog,2021-09-21T11:40:27+0200,2021-09-22T11:40:27+0200,ERROR,1000' 'what is left'
same "$(mqtt mosquitto_rr gw gw.pem gw.key -V mqttv311 -q 1 -t s/us -e s/ds -m 500 -W "$deadline")" \
	'522,gw,syslog,2021-09-21T11:40:27+0200,2021-09-22T11:40:27+0200,ERROR,1000' '500'

step 'listed'
agent=$(object gw)
same "$(api 200 GET "/devicecontrol/operations?agentId=$agent&status=SUCCESSFUL&pageSize=10" | jq -c '[.operations[] | [.id, .deviceName, .deviceExternalIDs.externalIds[0].externalId]]')" \
	"[[\"$restart\",\"gw\",\"gw\"],[\"$shell\",\"child\",\"gw:child\"]]" 'operations of the agent'
api 204 DELETE "/devicecontrol/operations?agentId=$agent"
same "$(api 200 GET "/devicecontrol/operations?agentId=$agent" | jq '.operations | length')" 0 'operations left'
