# Guards what a device with a bad certificate, packet or protocol version gets: a clear refusal, and nothing of it is kept.
. "$LIB"

cat >ca.cnf <<'END'
[req]
distinguished_name = dn
[dn]
[ca]
default_ca = bench
[bench]
database = database.txt
serial = serial
new_certs_dir = .
default_md = sha256
default_days = 30
policy = any
unique_subject = no
[any]
commonName = supplied
[v3_ca]
basicConstraints = critical, CA:true
keyUsage = keyCertSign
subjectKeyIdentifier = hash
[v3_leaf]
basicConstraints = critical, CA:false
keyUsage = digitalSignature
authorityKeyIdentifier = keyid
[v3_server]
basicConstraints = critical, CA:false
extendedKeyUsage = serverAuth
END
touch database.txt
echo 1000 >serial

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

# root NAME makes a self-signed CA.
root() {
	key "$1"
	openssl req -config ca.cnf -key "$1.key" -new -x509 -days 30 -extensions v3_ca -out "$1.pem" -subj "/CN=$1"
}

# signed NAME CN ISSUER EXTENSIONS [ARGUMENT OF openssl ca...]
signed() {
	local name=$1 cn=$2 issuer=$3 extensions=$4
	shift 4
	key "$name"
	openssl req -config ca.cnf -new -key "$name.key" -out "$name.csr" -subj "/CN=$cn"
	openssl ca -config ca.cnf -batch -notext -cert "$issuer.pem" -keyfile "$issuer.key" -extensions "$extensions" \
		-in "$name.csr" -out "$name.pem" "$@"
}

root trusted
root unknown
trust trusted.pem >trusted.json

step 'expired'
signed expired refused-expired trusted v3_leaf -startdate 20200101000000Z -enddate 20200201000000Z
refused refused-expired expired.pem expired.key
explained expired expired.pem expired.key

step 'not yet valid'
signed early refused-early trusted v3_leaf -startdate 20980101000000Z -enddate 20990101000000Z
refused refused-early early.pem early.key
explained not-yet-valid early.pem early.key

step 'unknown issuer'
signed stranger refused-stranger unknown v3_leaf
refused refused-stranger stranger.pem stranger.key
explained unknown-issuer stranger.pem stranger.key

step 'issuer of the trusted name with another key'
mkdir forged
key forged/trusted
openssl req -config ca.cnf -key forged/trusted.key -new -x509 -days 30 -extensions v3_ca -out forged/trusted.pem -subj /CN=trusted
signed forgery refused-forgery forged/trusted v3_leaf
refused refused-forgery forgery.pem forgery.key
explained unknown-issuer forgery.pem forgery.key

step 'signed by a leaf'
signed leaf refused-leaf trusted v3_leaf
signed under refused-under leaf v3_leaf
cat under.pem leaf.pem trusted.pem >under-chain.pem
refused refused-under under-chain.pem under.key
explained chain-invalid under-chain.pem under.key

step 'certificate for servers only'
signed server refused-server trusted v3_server
refused refused-server server.pem server.key
explained not-for-client-authentication server.pem server.key

step 'common name differs from the client identifier'
signed other refused-other trusted v3_leaf
refused refused-name other.pem other.key
explained client-id-differs-from-common-name other.pem other.key
unknown refused-other

step 'colon in the common name'
signed colon refused:colon trusted v3_leaf
refused d:refused:colon colon.pem colon.key # device refused with template colon: not its name
refused refused-colon colon.pem colon.key
explained bad-common-name colon.pem colon.key
status=0
publish refused:colon colon.pem colon.key 100 >out 2>&1 || status=$?
same "$status" 2 "identifier with a colon ($(<out))"
unknown refused
unknown refused:colon

step 'a good password does not help a bad certificate'
status=0
mqtt mosquitto_pub refused-stranger stranger.pem stranger.key -u "$MOORING_TENANT/$MOORING_USER" -P "$(<"$MOORING_PASSWORD_FILE")" \
	-q 1 -t s/us -m 100 >out 2>&1 || status=$?
same "$status" 5 "bad certificate with a good password ($(<out))"

step 'MQTT 5'
signed good accepted trusted v3_leaf
status=0
mqtt mosquitto_pub accepted good.pem good.key -V mqttv5 -q 1 -t s/us -m 100,x,y >out 2>&1 || status=$?
[[ $status != 0 ]] || fail 'MQTT 5 was accepted'
grep -i 'protocol version' out || fail "MQTT 5: status $status: $(<out)"
unknown accepted

step 'MQTT 3.1 and 3.1.1'
publish accepted good.pem good.key '100,Device accepted,c8y_MQTTDevice'
mqtt mosquitto_pub accepted good.pem good.key -V mqttv31 -q 1 -t s/us -m '400,c8y_Old,by MQTT 3.1'

step 'the same below an issuer that has been accepted before'
signed expired-2 refused-expired trusted v3_leaf -startdate 20200101000000Z -enddate 20200201000000Z
refused refused-expired expired-2.pem expired-2.key
signed early-2 refused-early trusted v3_leaf -startdate 20980101000000Z -enddate 20990101000000Z
refused refused-early early-2.pem early-2.key
signed server-2 refused-server trusted v3_server
refused refused-server server-2.pem server-2.key

step 'packets of 16,184 and 16,185 bytes'
# A QoS 1 PUBLISH to s/us has 3 + 2+4 + 2 bytes before its payload.
overhead=11
# event SIZE TYPE prints a line that makes a packet of SIZE bytes.
event() {
	local head="400,$2,"
	printf '%s%s' "$head" "$(head -c "$(($1 - overhead - ${#head}))" /dev/zero | tr '\0' x)"
}
event 16184 c8y_Largest >largest
event 16185 c8y_TooLarge >too-large
mqtt mosquitto_pub accepted good.pem good.key -q 1 -t s/us -f largest
status=0
mqtt mosquitto_pub accepted good.pem good.key -q 1 -t s/us -f too-large >out 2>&1 || status=$?
[[ $status != 0 ]] || fail 'a packet of 16,185 bytes was acknowledged'
id=$(object accepted)
same "$(api 200 GET "/event/events?source=$id&pageSize=100" | jq -c '[.events[].type] | sort')" '["c8y_Largest","c8y_Old"]' events

step 'broken lines leave the good ones'
printf '200,c8y_T\n999,nothing\n400,c8y_Good,"an \\"event\\", quoted"\n301\n' >lines
mqtt mosquitto_pub accepted good.pem good.key -q 1 -t s/us -f lines
same "$(api 200 GET "/event/events?source=$id&type=c8y_Good" | jq -r '.events[].text')" 'an "event", quoted' 'event beside broken lines'

step 'rejected subscriptions'
mqtt mosquitto_sub accepted good.pem good.key -q 1 -t '#' -E >out 2>&1
grep -qi denied out || fail "subscription to #: $(<out)"

step 'the administrator sees why, of what his own trusted certificate signed'
api 200 GET '/mooring/refusals?cn=refused-expired' | jq -e '.refusals[0].reason == "expired" and .refusals[0].serial != ""' >/dev/null || fail "$(<answer)"
api 200 GET '/mooring/refusals?cn=refused-stranger' | jq -e '.refusals == []' >/dev/null || fail "$(<answer)"

step 'a certificate that TLS cannot read is refused before its name: the instance keeps the reason under the address'
key negative
openssl req -new -key negative.key -subj /CN=refused-negative |
	openssl x509 -req -CA trusted.pem -CAkey trusted.key -set_serial -5 -days 10 -out negative.pem
status=0
publish refused-negative negative.pem negative.key '100,Intruder,c8y_Intruder' >out 2>&1 || status=$?
[[ $status != 0 && $status != 5 ]] || fail "a negative serial: status $status: $(<out)"
unknown refused-negative
request 200 GET "https://$MOORING_HTTPS/mooring/refusals?cn=127.0.0.1" -u "management/${MOORING_USER#*/}:$(<"$MOORING_PASSWORD_FILE")" |
	jq -e '.refusals[0] | .reason == "broken-certificate" and .door == "mqtts" and (.detail | contains("negative serial"))' >/dev/null || fail "$(<answer)"
