# Guards the vendor guide's procedure for a compromised device certificate: the user disabled while it is looked into, then the certificate revoked, then a new one.
. "$LIB"

authority
printf 'ID,AUTH_TYPE,ENROLLMENT_OTP\nstolen-1,CERTIFICATES,password-number-1\nother-1,CERTIFICATES,password-number-2\n' >devices.csv
register devices.csv
enrol stolen stolen-1 password-number-1
enrol other other-1 password-number-2
report stolen-1 stolen.pem stolen.key
report other-1 other.pem other.key
token=$(token stolen-1 stolen.pem stolen.key)
bearer 200 "$token"
offlineCheck

step 'what a thief with certificate and key can have: a live session, a TLS ticket, a token'
ticket stolen stolen.pem stolen.key
ticket other other.pem other.key
listen bystander other-1 other.pem other.key
listen thief stolen-1 stolen.pem stolen.key

step 'the device user is disabled: everything of the device ends at once, the certificate is untouched'
deviceUser stolen-1 false
ended thief
barred device-user-disabled stolen-1 stolen.pem stolen.key
ticketDead stolen stolen.pem stolen.key
bearer 401 "$token"
request 403 POST "https://$MOORING_MTLS/devicecontrol/deviceAccessToken" --cert stolen.pem --key stolen.key >/dev/null
csr thief stolen-1
est 401 simplereenroll thief.csr -H "Authorization: Bearer $token" >/dev/null
request 403 POST "https://$MOORING_MTLS/.well-known/est/simplereenroll" --cert stolen.pem --key stolen.key \
	-H 'Content-Type: application/pkcs10' --data-binary @thief.csr >/dev/null
api 200 GET "/user/$MOORING_TENANT/users/device_stolen-1?withCertificates=true" |
	jq -e --arg serial "$(serial stolen.pem)" '.provisionedCertificates | any(.serialNumber == $serial)' >/dev/null || fail "$(<answer)"

step 'not compromised after all: the user is enabled, the device comes back with what it has'
deviceUser stolen-1 true
publish stolen-1 stolen.pem stolen.key '200,c8y_Temperature,T,26,C'
listen again stolen-1 stolen.pem stolen.key
ticket stolen stolen.pem stolen.key

step 'compromised: the certificate is revoked'
token=$(token stolen-1 stolen.pem stolen.key)
bearer 200 "$token"
revoke stolen.pem
ended again
bearer 401 "$token"
est 401 simplereenroll thief.csr -H "Authorization: Bearer $token" >/dev/null
barred revoked stolen-1 stolen.pem stolen.key
ticketDead stolen stolen.pem stolen.key
request 401 POST "https://$MOORING_MTLS/devicecontrol/deviceAccessToken" --cert stolen.pem --key stolen.key >/dev/null
request 401 POST "https://$MOORING_MTLS/.well-known/est/simplereenroll" --cert stolen.pem --key stolen.key \
	-H 'Content-Type: application/pkcs10' --data-binary @thief.csr >/dev/null
deviceUser stolen-1 false
bearer 401 "$token"

step 'its old password is spent'
est 401 simpleenroll thief.csr -u stolen-1:password-number-1 >/dev/null

step 'a new certificate from the same authority: registered again, enrolled with a new key'
printf 'ID,AUTH_TYPE,ENROLLMENT_OTP\nstolen-1,CERTIFICATES,password-number-3\n' >again.csv
before=$(object stolen-1)
register again.csv
deviceUser stolen-1 true
enrol fresh stolen-1 password-number-3
publish stolen-1 fresh.pem fresh.key '200,c8y_Temperature,T,27,C'
same "$(object stolen-1)" "$before" 'managed object of the device'
same "$(openssl x509 -in fresh.pem -noout -issuer)" "$(openssl x509 -in stolen.pem -noout -issuer)" issuer
signed 'Tenant certificate authority(CA) signed certificate for device: stolen-1.' fresh.pem

step 'the thief is as dead as before'
barred revoked stolen-1 stolen.pem stolen.key
ticketDead stolen stolen.pem stolen.key
bearer 401 "$token"
est 401 simplereenroll thief.csr -H "Authorization: Bearer $token" >/dev/null

step 'the other device never noticed'
lives bystander
publish other-1 other.pem other.key '200,c8y_Temperature,T,26,C'
api 200 GET '/mooring/refusals?cn=stolen-1&pageSize=100' |
	jq -e '[.refusals[].reason] | (index("revoked") != null) and (index("device-user-disabled") != null)' >/dev/null || fail "$(<answer)"
