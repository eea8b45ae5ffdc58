# Guards the vendor guide's procedure for a compromised enrolment process: no new devices by themselves, who used which password, what was not authorised revoked, and on again.
. "$LIB"

authority
printf 'ID,AUTH_TYPE,ENROLLMENT_OTP\nhonest-1,CERTIFICATES,password-number-1\nrobbed-1,CERTIFICATES,otp-robbed-1\n' >devices.csv
register devices.csv
enrol honest honest-1 password-number-1
report honest-1 honest.pem honest.key
listen honest honest-1 honest.pem honest.key
offlineCheck

step 'a password made from the device ID: a thief enrols first'
enrol thief robbed-1 otp-robbed-1
publish robbed-1 thief.pem thief.key '200,c8y_Temperature,T,66,C'
ticket thief thief.pem thief.key
listen thief robbed-1 thief.pem thief.key

step 'the real device is told that its registration is gone'
csr real robbed-1
est 401 simpleenroll real.csr -u robbed-1:otp-robbed-1 |
	grep -q 'No newDeviceRequest found for this ID. It may already be registered, check the audit logs for details.' || fail "$(<answer)"

# autoRegistration BOOLEAN switches it on the tenant's authority.
autoRegistration() {
	local fingerprint
	fingerprint=$(api 200 GET "/tenant/tenants/$MOORING_TENANT/trusted-certificates" |
		jq -er '.certificates[] | select(.tenantCertificateAuthority) | .fingerprint')
	api 200 PUT "/tenant/tenants/$MOORING_TENANT/trusted-certificates/$fingerprint" -H 'Content-Type: application/json' \
		-d '{"autoRegistrationEnabled": '"$1"'}' | jq -e ".autoRegistrationEnabled == $1" >/dev/null || fail "$(<answer)"
}

step 'one more, enrolled but never connected, whose device user is deleted: only auto-registration could bring it back'
printf 'ID,AUTH_TYPE,ENROLLMENT_OTP\nlater-1,CERTIFICATES,password-number-4\n' >later.csv
register later.csv
enrol later later-1 password-number-4
api 204 DELETE "/user/$MOORING_TENANT/users/device_later-1" >/dev/null

step 'auto-registration off: no new device by itself, those registered stay connected'
autoRegistration false
barred device-not-registered later-1 later.pem later.key
lives honest
publish honest-1 honest.pem honest.key '200,c8y_Temperature,T,26,C'

step 'an operator who registered carelessly is disabled'
api 201 POST "/user/$MOORING_TENANT/users" -H 'Content-Type: application/json' \
	-d '{"userName": "careless", "password": "Careless-operator-1", "email": "careless@example.com"}' >/dev/null
api 200 PUT "/user/$MOORING_TENANT/users/careless" -H 'Content-Type: application/json' -d '{"enabled": false}' >/dev/null
request 401 GET "https://$MOORING_HTTPS/user/currentUser" -u "$MOORING_TENANT/careless:Careless-operator-1" >/dev/null

step 'the audit log names the certificate that was signed for the device'
signed 'Tenant certificate authority(CA) signed certificate for device: robbed-1.' thief.pem
[[ $(jq '[.auditRecords[] | select(.activity | endswith("for device: robbed-1."))] | length' audit.json) == 1 ]] || fail "$(<audit.json)"
serial_in_log=$(jq -er '.auditRecords[] | select(.activity | endswith("for device: robbed-1.")) | .text' audit.json | sed "s/.*hex: '\(.*\)'.*/\1/")
same "$serial_in_log" "$(serial thief.pem)" 'serial in the audit log'

step 'that certificate is revoked by the serial from the log'
api 204 PUT /tenant/trusted-certificates/settings/crl -H 'Content-Type: application/json' \
	-d '{"crls": [{"serialNumberInHex": "'"$serial_in_log"'"}]}' >/dev/null
ended thief
barred revoked robbed-1 thief.pem thief.key
ticketDead thief thief.pem thief.key
lives honest

step 'the real device is registered again with a random password'
otp=$(openssl rand -hex 16)
printf 'ID,AUTH_TYPE,ENROLLMENT_OTP\nrobbed-1,CERTIFICATES,%s\n' "$otp" >again.csv
register again.csv
est 401 simpleenroll real.csr -u robbed-1:otp-robbed-1 >/dev/null
est 200 simpleenroll real.csr -u "robbed-1:$otp" | unwrap >real.pem
publish robbed-1 real.pem real.key '200,c8y_Temperature,T,26,C'
barred revoked robbed-1 thief.pem thief.key

step 'the same password for two devices opens one of them only to who knows both'
printf 'ID,AUTH_TYPE,ENROLLMENT_OTP\ntwin-1,CERTIFICATES,the-same-password\ntwin-2,CERTIFICATES,the-same-password\n' >twins.csv
register twins.csv
csr twin twin-1
est 422 simpleenroll twin.csr -u twin-2:the-same-password >/dev/null
est 200 simpleenroll twin.csr -u twin-1:the-same-password >/dev/null
csr second twin-1
est 401 simpleenroll second.csr -u twin-1:the-same-password >/dev/null

step 'auto-registration on again: the new device connects by itself'
autoRegistration true
publish later-1 later.pem later.key '100,Device later-1,c8y_MQTTDevice'
lives honest
