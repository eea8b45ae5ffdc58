# Guards the vendor guide's revocation by serial number: off until switched on, then the live connection, the next handshake and TLS resumption.
. "$LIB"

authority
printf 'ID,AUTH_TYPE,ENROLLMENT_OTP\nrevoked-1,CERTIFICATES,password-number-1\nrevoked-2,CERTIFICATES,password-number-2\n' >devices.csv
register devices.csv
enrol first revoked-1 password-number-1
enrol second revoked-2 password-number-2
report revoked-1 first.pem first.key
report revoked-2 second.pem second.key

crl=/tenant/trusted-certificates/settings/crl

step 'revoked, but the check is off: it connects'
api 204 PUT "$crl" -H 'Content-Type: application/json' -d '{"crls": [{"serialNumberInHex": "'"$(serial first.pem)"'"}]}' >/dev/null
publish revoked-1 first.pem first.key '200,c8y_Temperature,T,26,C'

step 'the list can be read'
api 200 GET "$crl" | openssl crl -inform DER -noout -text >crl.txt
grep -qi "Serial Number: 0*$(serial first.pem)\$" crl.txt || fail "$(<crl.txt)"

step 'a live connection and a TLS session from before'
mkfifo live
mqtt mosquitto_sub revoked-1 first.pem first.key -q 1 -t s/ds -d >live 2>&1 &
live=$!
exec 3<live
while read -r -t "$deadline" line <&3; do
	[[ $line == Subscribed* ]] && break
done
[[ ${line-} == Subscribed* ]] || fail 'no live connection'
# get NAME [ARGUMENT OF openssl s_client...] asks for whoami on a connection of its own.
get() {
	local name=$1
	shift
	printf 'GET /mooring/whoami HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$MOORING_MTLS" |
		timeout "$deadline" openssl s_client -connect "$MOORING_MTLS" -servername localhost -CAfile "$MOORING_ROOT" \
			-cert "$name.pem" -key "$name.key" -ign_eof "$@" 2>&1
}
get first -sess_out first.session >before
grep -q '^HTTP/1.1 200' before || fail "$(<before)"
get first -sess_in first.session >resumed
grep -q '^Reused,' resumed || fail "the session was not resumed: $(<resumed)"

step 'the check is switched on: the live connection ends, and the way back is closed'
api 200 PUT /tenant/options/configuration/crl.offline.check.enabled -H 'Content-Type: application/json' -d '{"value": true}' >/dev/null
cat <&3 >rest &
status=0
wait "$live" || status=$?
same "$status" 5 'end of the live connection, which tries to connect again'
status=0
publish revoked-1 first.pem first.key '200,c8y_Temperature,T,27,C' 2>refusal || status=$?
same "$status" 5 'connection with a revoked certificate'
explained revoked first.pem first.key
get first -sess_in first.session >after
! grep '^HTTP/1.1 200' after || fail "a resumed session outlives the revocation: $(<after)"
grep -q '^New,' after || fail "a revoked certificate was resumed: $(<after)"

step 'the other device is not touched'
publish revoked-2 second.pem second.key '200,c8y_Temperature,T,26,C'

step 'the list as CSV, in upper case with colons and leading zeros'
upper=$(openssl x509 -in second.pem -noout -serial | sed 's/serial=//; s/../&:/g; s/:$//')
printf 'SERIALNO,DATE\n00:%s,2024-01-17T10:48:51.000Z\n' "$upper" >revoked.csv
api 204 PUT "$crl" -F file=@revoked.csv >/dev/null
status=0
publish revoked-2 second.pem second.key '200,c8y_Temperature,T,27,C' 2>refusal || status=$?
same "$status" 5 'connection with a certificate revoked by file'
