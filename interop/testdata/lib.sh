# Guards nothing itself: what the scripts beside it share. They run in an empty
# folder with these addresses of a fresh server in the environment:
#   MOORING_HTTPS, MOORING_MTLS, MOORING_MQTTS   host:port of the listeners
#   MOORING_ROOT                                 PEM file with the root of the server's certificate
#   MOORING_TENANT, MOORING_USER, MOORING_PASSWORD_FILE   a tenant and its administrator
set -euo pipefail
set -o errtrace

: "${MOORING_HTTPS:?}" "${MOORING_MTLS:?}" "${MOORING_MQTTS:?}" "${MOORING_ROOT:?}"
: "${MOORING_TENANT:?}" "${MOORING_USER:?}" "${MOORING_PASSWORD_FILE:?}"

# deadline bounds every call to the server, in seconds.
deadline=30
mqtt_host=${MOORING_MQTTS%:*}
mqtt_port=${MOORING_MQTTS##*:}

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

# Without this a failing command ends the script without a word.
trap 'echo "FAIL: ${BASH_SOURCE[0]##*/} line $LINENO: $BASH_COMMAND" >&2' ERR

step() { echo "== $*"; }

# same GOT WANT WHAT
same() {
	[[ $1 == "$2" ]] || fail "$3: got '$1', want '$2'"
}

# request STATUS METHOD URL [CURL ARGUMENT...] prints the body of the answer,
# which must have STATUS.
request() {
	local want=$1 method=$2 url=$3 got
	shift 3
	got=$(curl -sS --max-time "$deadline" --cacert "$MOORING_ROOT" -X "$method" -o answer -w '%{http_code}' "$@" "$url")
	[[ $got == "$want" ]] || fail "$method $url: status $got, want $want: $(head -c 2000 answer)"
	cat answer
}

# api STATUS METHOD PATH [CURL ARGUMENT...] is request as the administrator.
api() {
	local want=$1 method=$2 path=$3
	shift 3
	request "$want" "$method" "https://$MOORING_HTTPS$path" -u "$MOORING_USER:$(<"$MOORING_PASSWORD_FILE")" "$@"
}

# trust FILE [NAME] uploads a certificate as the guide does: one line of PEM, and
# "true" as a string.
trust() {
	local pem
	pem=$(openssl x509 -in "$1" | tr -d '\n')
	api 201 POST "/tenant/tenants/$MOORING_TENANT/trusted-certificates" -H 'Content-Type: application/json' -d '{
		"status" :  "ENABLED",
		"name" : "'"${2:-certificateName}"'",
		"autoRegistrationEnabled" : "true",
		"certInPemFormat" : "'"$pem"'"
	}'
}

# mqtt PROGRAM DEVICE CHAIN KEY [ARGUMENT...] runs a mosquitto client with the
# device's certificate.
mqtt() {
	local program=$1 device=$2 chain=$3 key=$4
	shift 4
	timeout "$deadline" stdbuf -oL "$program" -h "$mqtt_host" -p "$mqtt_port" --cafile "$MOORING_ROOT" \
		--cert "$chain" --key "$key" -i "$device" "$@"
}

# publish DEVICE CHAIN KEY LINE sends one SmartREST line and waits for its PUBACK.
publish() {
	mqtt mosquitto_pub "$1" "$2" "$3" -q 1 -t s/us -m "$4"
}

# subscribe DEVICE CHAIN KEY -t TOPIC... must be granted all; mosquitto_sub ends
# with status 0 also when the server denies.
subscribe() {
	mqtt mosquitto_sub "$@" -q 1 -E >subscription 2>&1 || fail "subscribe: $(<subscription)"
	! grep -i denied subscription || fail "subscribe: $*"
}

# refused DEVICE CHAIN KEY: the connection is refused as not authorised (MQTT
# 3.1.1 §3.2.2.3, code 5), which is what mosquitto ends with, and leaves nothing.
refused() {
	local status=0
	publish "$@" '100,Intruder,c8y_Intruder' >refusal 2>&1 || status=$?
	[[ $status == 5 ]] && grep -qi 'not authorised' refusal || fail "$1: status $status, want 5, not authorised: $(<refusal)"
	unknown "$1"
}

# explained REASON CHAIN KEY: the server tells who holds the key why it was
# refused last.
explained() {
	request 200 GET "https://$MOORING_MTLS/mooring/explain" --cert "$2" --key "$3" |
		jq 'if .reason == "accepted" then .last_refusal else . end' >explanation
	same "$(jq -r .reason explanation)" "$1" "explanation for $2"
	jq -e '.detail != ""' explanation >/dev/null || fail "no detail for $2: $(<answer)"
}

# unknown DEVICE: the server has no object for this device.
unknown() {
	api 404 GET "/identity/externalIds/c8y_Serial/$1" >/dev/null
}

# object DEVICE prints the ID of the device's managed object.
object() {
	api 200 GET "/identity/externalIds/c8y_Serial/$1" | jq -er .managedObject.id
}

# claims TOKEN prints the claims of a JWT.
claims() {
	local part
	part=$(cut -d. -f2 <<<"$1" | tr '_-' '/+')
	while ((${#part} % 4)); do part+='='; done
	base64 -d <<<"$part"
}

# csr NAME CN makes NAME.key, P-256, and NAME.csr, the request as the guide
# prints it: base64 in lines, without armour.
csr() {
	openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
	openssl req -new -key "$1.key" -subj "/CN=$2" -outform DER | openssl base64 >"$1.csr"
}

# est STATUS OPERATION CSR [CURL ARGUMENT...] leaves the headers of the answer in
# the file headers.
est() {
	local want=$1 operation=$2 file=$3
	shift 3
	request "$want" POST "https://$MOORING_HTTPS/.well-known/est/$operation" -H 'Content-Type: application/pkcs10' \
		-H 'Content-Transfer-Encoding: base64' --data-binary "@$file" -D headers "$@"
}

# enrol NAME DEVICE OTP makes NAME.key and NAME.pem.
enrol() {
	csr "$1" "$2"
	est 200 simpleenroll "$1.csr" -u "$2:$3" | unwrap >"$1.pem"
}

# unwrap turns an EST answer into PEM.
unwrap() { openssl base64 -d | openssl pkcs7 -inform DER -print_certs | openssl x509; }

# serial FILE prints a certificate's serial as the platform shows it.
serial() { openssl x509 -in "$1" -noout -serial | sed 's/serial=0*//' | tr A-F a-f; }

# register CSV uploads a file of bulk registrations, all of which must succeed.
register() {
	api 201 POST /devicecontrol/bulkNewDeviceRequests -F "file=@$1" >registered
	jq -e '.numberOfAll > 0 and .numberOfSuccessful == .numberOfAll' registered >/dev/null || fail "registration: $(<registered)"
}

# authority creates the tenant's certificate authority as the guide does.
authority() {
	api 200 PUT /features/certificate-authority/by-tenant -H 'Content-Type: application/json' -d '{"active": true}' >/dev/null
	api 201 POST /certificate-authority -H 'Content-Type: application/json' |
		jq -e '.tenantCertificateAuthority and .autoRegistrationEnabled and .status == "ENABLED"' >/dev/null
}

# token DEVICE CHAIN KEY prints the device's token, asked for by s/uat, s/dat.
token() {
	local answer
	answer=$(mqtt mosquitto_rr "$@" -V mqttv311 -t s/uat -e s/dat -n -W "$deadline")
	[[ $answer == 71,* ]] || fail "s/dat: got '$answer', want 71,<token>"
	echo "${answer#71,}"
}

# report DEVICE CHAIN KEY: a registered device reports, asks for its token and
# uses it; what it sent can be read back.
report() {
	local device=$1 id jwt
	step "$device: measure"
	publish "$@" '200,c8y_Temperature,T,25.5,C'
	id=$(object "$device")
	same "$(api 200 GET "/measurement/measurements?source=$id" | jq -c '[.measurements[].c8y_Temperature.T]')" \
		'[{"value":25.5,"unit":"C"}]' measurements

	step "$device: subscribe"
	subscribe "$@" -t s/ds -t s/e

	step "$device: token"
	jwt=$(token "$@")
	same "$(claims "$jwt" | jq -r '.ten + "/" + .sub')" "$MOORING_TENANT/device_$device" 'claims of the token'
	same "$(request 200 GET "https://$MOORING_HTTPS/identity/externalIds/c8y_Serial/$device" -H "Authorization: Bearer $jwt" |
		jq -r .managedObject.id)" "$id" 'object read with the token'
}

# life DEVICE CHAIN KEY is report by a device that registers itself first.
life() {
	step "$1: create"
	publish "$@" "100,Device $1,c8y_MQTTDevice"
	same "$(api 200 GET "/inventory/managedObjects/$(object "$1")" | jq -r '.name + " " + .type')" \
		"Device $1 c8y_MQTTDevice" 'managed object'
	report "$@"
}

# listen NAME DEVICE CHAIN KEY holds an MQTT session open in the background, until
# ended NAME.
listen() {
	local name=$1 line=
	shift
	mkfifo "$name.live"
	mqtt mosquitto_sub "$@" -q 1 -t s/ds -d >"$name.live" 2>&1 &
	echo "$!" >"$name.pid"
	exec {opened}<"$name.live"
	echo "$opened" >"$name.fd"
	while read -r -t "$deadline" line <&"$opened"; do
		[[ $line == Subscribed* ]] && break
	done
	[[ $line == Subscribed* ]] || fail "$name: no live session"
}

# ended NAME: the server has ended the session of listen, and refuses the client
# that comes back.
ended() {
	local status=0 pid
	pid=$(<"$1.pid")
	cat <&"$(<"$1.fd")" >"$1.rest" &
	wait "$pid" || status=$?
	same "$status" 5 "end of the live session $1, which tries to connect again ($(<"$1.rest"))"
	rm "$1.live"
}

# lives NAME: the session of listen is open still.
lives() { kill -0 "$(<"$1.pid")" || fail "the live session $1 ended: $(timeout 1 cat <&"$(<"$1.fd")")"; }

# barred REASON DEVICE CHAIN KEY: MQTT refuses the connection, and the server says why.
barred() {
	local reason=$1 status=0
	shift
	publish "$@" '200,c8y_Temperature,T,99,C' >refusal 2>&1 || status=$?
	same "$status" 5 "connection of $1, which must be refused ($(<refusal))"
	explained "$reason" "$2" "$3"
}

# whoami NAME CHAIN KEY [ARGUMENT OF openssl s_client...] asks for whoami in a TLS
# session of its own and leaves the conversation in the file NAME.said, which the
# caller judges: openssl ends with an error, too, when the server closes.
whoami() {
	local name=$1 chain=$2 key=$3
	shift 3
	printf 'GET /mooring/whoami HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$MOORING_MTLS" |
		timeout "$deadline" openssl s_client -connect "$MOORING_MTLS" -servername localhost -CAfile "$MOORING_ROOT" \
			-cert "$chain" -key "$key" -ign_eof "$@" >"$name.said" 2>&1 || true
}

# ticket NAME CHAIN KEY keeps a TLS session ticket in NAME.session and shows that it works.
ticket() {
	whoami "$@" -sess_out "$1.session"
	grep -q '^HTTP/1.1 200' "$1.said" || fail "$(<"$1.said")"
	whoami "$@" -sess_in "$1.session"
	grep -q '^Reused,' "$1.said" || fail "$1: the session was not resumed: $(<"$1.said")"
}

# ticketDead NAME CHAIN KEY: the ticket buys nothing any more.
ticketDead() {
	whoami "$@" -sess_in "$1.session"
	! grep '^HTTP/1.1 200' "$1.said" || fail "$1: the ticket outlives the trust: $(<"$1.said")"
	grep -q '^New,' "$1.said" || fail "$1: the session was resumed: $(<"$1.said")"
}

# bearer STATUS TOKEN asks for something with a device's token.
bearer() {
	request "$1" GET "https://$MOORING_HTTPS/inventory/managedObjects?pageSize=1" -H "Authorization: Bearer $2" >/dev/null
}

# deviceUser DEVICE BOOLEAN enables or disables the device's user.
deviceUser() {
	api 200 PUT "/user/$MOORING_TENANT/users/device_$1" -H 'Content-Type: application/json' -d '{"enabled": '"$2"'}' >/dev/null
}

# offlineCheck switches the tenant's check of its list on.
offlineCheck() {
	api 200 PUT /tenant/options/configuration/crl.offline.check.enabled -H 'Content-Type: application/json' -d '{"value": true}' >/dev/null
}

# revoke FILE puts the certificate's serial on the tenant's list, and finds it there.
revoke() {
	api 204 PUT /tenant/trusted-certificates/settings/crl -H 'Content-Type: application/json' \
		-d '{"crls": [{"serialNumberInHex": "'"$(serial "$1")"'"}]}' >/dev/null
	api 200 GET /tenant/trusted-certificates/settings/crl | openssl crl -inform DER -noout -text >list.txt
	grep -qi "Serial Number: 0*$(serial "$1")\$" list.txt || fail "not on the list: $(<list.txt)"
}

# signed ACTIVITY FILE: the audit log has the signing of this certificate.
signed() {
	api 200 GET '/audit/auditRecords?type=TenantCertificateAuthority&pageSize=200' >audit.json
	jq -e --arg activity "$1" --arg text "Certificate serial number hex: '$(serial "$2")'" \
		'.auditRecords | any(.activity == $activity and .text == $text)' audit.json >/dev/null || fail "no record '$1' of $2: $(<audit.json)"
}
