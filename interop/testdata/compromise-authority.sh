# Guards the vendor guide's procedure for a compromised CA certificate: revoked on the offline list, deleted with its key, made anew, devices enrolled again.
. "$LIB"

authority
cat >devices.csv <<'END'
ID,AUTH_TYPE,ENROLLMENT_OTP
fleet-1,CERTIFICATES,password-number-1
fleet-2,CERTIFICATES,password-number-2
END
register devices.csv
enrol first fleet-1 password-number-1
enrol second fleet-2 password-number-2
report fleet-1 first.pem first.key
report fleet-2 second.pem second.key

token=$(token fleet-1 first.pem first.key)
bearer 200 "$token"

step 'a device below a CA of the tenant that has nothing to do with it'
openssl ecparam -name prime256v1 -genkey -noout -out own.key
openssl req -new -x509 -key own.key -subj /CN=Own -days 30 -out own.pem
trust own.pem >/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out bystander.key
openssl req -new -key bystander.key -subj /CN=bystander-1 |
	openssl x509 -req -CA own.pem -CAkey own.key -set_serial 77 -days 10 -out bystander.pem
publish bystander-1 bystander.pem bystander.key '100,Bystander,c8y_MQTTDevice'
listen bystander bystander-1 bystander.pem bystander.key

api 200 GET "/tenant/tenants/$MOORING_TENANT/trusted-certificates?certificateAuthority=true" >list.json
jq -er '.certificates | if length == 1 then .[0].certInPemFormat else error("not one") end' list.json | openssl base64 -d -A | openssl x509 -inform DER -out ca.pem
fingerprint=$(jq -er '.certificates[0].fingerprint' list.json)

step 'with the check off, disabling the CA certificate is what stops its devices'
listen disabled fleet-1 first.pem first.key
ca_path=/tenant/tenants/$MOORING_TENANT/trusted-certificates/$fingerprint
api 200 PUT "$ca_path" -H 'Content-Type: application/json' -d '{"status": "DISABLED"}' >/dev/null
ended disabled
bearer 401 "$token"
barred anchor-disabled fleet-1 first.pem first.key
api 200 PUT "$ca_path" -H 'Content-Type: application/json' -d '{"status": "ENABLED"}' >/dev/null
publish fleet-1 first.pem first.key '200,c8y_Temperature,T,26,C'
bearer 200 "$token"

step 'the serial of the CA certificate is put on the list, while the check is off: nothing happens'
ticket first first.pem first.key
listen fleet fleet-1 first.pem first.key
revoke ca.pem
lives fleet
publish fleet-2 second.pem second.key '200,c8y_Temperature,T,26,C'

step 'with the check on every device below it is out: MQTT, tokens, resumption, re-enrolment'
offlineCheck
ended fleet
bearer 401 "$token"
barred revoked fleet-1 first.pem first.key
barred revoked fleet-2 second.pem second.key
ticketDead first first.pem first.key
request 401 POST "https://$MOORING_MTLS/devicecontrol/deviceAccessToken" --cert second.pem --key second.key >/dev/null
csr next fleet-1
request 401 POST "https://$MOORING_MTLS/.well-known/est/simplereenroll" --cert first.pem --key first.key \
	-H 'Content-Type: application/pkcs10' --data-binary @next.csr >/dev/null
cat first.pem ca.pem >first-chain.pem
barred revoked fleet-1 first-chain.pem first.key

step 'the CA certificate itself is still there'
api 200 GET "$ca_path" | jq -e '.tenantCertificateAuthority' >/dev/null || fail "$(<answer)"

step 'it is deleted, and its key with it'
api 204 DELETE "$ca_path" >/dev/null
api 404 GET "$ca_path" >/dev/null
est 401 simpleenroll next.csr -u fleet-1:password-number-1 >/dev/null
printf 'ID,AUTH_TYPE,ENROLLMENT_OTP\nfleet-1,CERTIFICATES,password-number-3\nfleet-2,CERTIFICATES,password-number-4\n' >again.csv
register again.csv
est 404 simpleenroll next.csr -u fleet-1:password-number-3 | grep -q 'Tenant CA certificate is either missing' || fail "$(<answer)"
barred unknown-issuer fleet-1 first.pem first.key

step 'a new one has a new key'
authority
api 200 GET "/tenant/tenants/$MOORING_TENANT/trusted-certificates?certificateAuthority=true" |
	jq -er '.certificates | if length == 1 then .[0].certInPemFormat else error("not one") end' | openssl base64 -d -A | openssl x509 -inform DER -out new-ca.pem
[[ $(openssl x509 -in ca.pem -noout -pubkey) != $(openssl x509 -in new-ca.pem -noout -pubkey) ]] || fail 'the new CA has the old key'
[[ $(serial ca.pem) != $(serial new-ca.pem) ]] || fail 'the new CA has the old serial'
same "$(openssl x509 -in new-ca.pem -noout -subject)" "$(openssl x509 -in ca.pem -noout -subject)" 'subject of the new CA'

step 'a token from before does not get a certificate from the new one'
bearer 401 "$token"
est 401 simplereenroll next.csr -H "Authorization: Bearer $token" >/dev/null

step 'what the old one signed is not trusted any more, alone or with the old CA beside it'
for chain in first.pem first-chain.pem; do
	status=0
	publish fleet-1 "$chain" first.key '200,c8y_Temperature,T,99,C' >refusal 2>&1 || status=$?
	same "$status" 5 "connection with $chain ($(<refusal))"
done
ticketDead first first.pem first.key

step 'the old CA certificate cannot come back by upload while its serial is on the list'
trust ca.pem old >/dev/null
barred revoked fleet-1 first.pem first.key

step 'the devices are enrolled again'
enrol first-new fleet-1 password-number-3
enrol second-new fleet-2 password-number-4
publish fleet-1 first-new.pem first-new.key '200,c8y_Temperature,T,27,C'
publish fleet-2 second-new.pem second-new.key '200,c8y_Temperature,T,27,C'
openssl verify -CAfile new-ca.pem first-new.pem
request 200 GET "https://$MOORING_HTTPS/inventory/managedObjects?pageSize=1" \
	-H "Authorization: Bearer $(token fleet-1 first-new.pem first-new.key)" >/dev/null

step 'the other CA of the tenant and its device never noticed'
lives bystander
publish bystander-1 bystander.pem bystander.key '200,c8y_Temperature,T,26,C'
