# Guards the vendor guide's simple enrolment with curl: tenant CA, bulk registration, enrol, re-enrol, and what is refused on the way.
. "$LIB"

step 'tenant CA, once'
authority
api 409 POST /certificate-authority -H 'Content-Type: application/json' >/dev/null

step 'bulk registration, the sample of the guide'
cat >devices.csv <<'END'
ID;TYPE;NAME;ICCID;IDTYPE;PATH;SHELL;AUTH_TYPE;ENROLLMENT_OTP
006064ce800a;c8y_Device;Sample_Device1;+491555555;c8y_Serial;bulk group/subgroup1;1;CERTIFICATES;somePassword@123
006064ce8077;c8y_Device;Sample_Device2;+491555555;c8y_Serial;bulk group/subgroup2;1;CERTIFICATES;password@345
END
register devices.csv

csr device 006064ce800a
csr other 006064ce800a
csr stranger 006064ce8099

step 'refused: no credentials, wrong password, unknown device, wrong name, no request'
est 401 simpleenroll device.csr >/dev/null
grep -qi '^www-authenticate: basic realm=' headers || fail "no challenge: $(<headers)"
est 401 simpleenroll device.csr -u 006064ce800a:wrong | grep -q 'No newDeviceRequest found for this ID' || fail "$(<answer)"
est 401 simpleenroll stranger.csr -u 006064ce8099:somePassword@123 >/dev/null
est 422 simpleenroll stranger.csr -u 006064ce800a:somePassword@123 >/dev/null
echo 'this is no request' >garbage
est 400 simpleenroll garbage -u 006064ce800a:somePassword@123 >/dev/null
head -c 70000 /dev/zero | tr '\0' A >oversized
est 413 simpleenroll oversized -u 006064ce800a:somePassword@123 >/dev/null

step 'enrol: PKCS#7 by default'
est 200 simpleenroll device.csr -u 006064ce800a:somePassword@123 >device.p7.b64
grep -qi '^content-type: application/pkcs7-mime; *smime-type=certs-only' headers || fail "$(<headers)"
unwrap <device.p7.b64 >device.pem
openssl x509 -in device.pem -noout -subject -dates
same "$(openssl x509 -in device.pem -noout -pubkey)" "$(openssl pkey -in device.key -pubout)" 'key of the certificate'

step 'a lost answer: the same key gets the same certificate, another key gets none'
est 200 simpleenroll device.csr -u 006064ce800a:somePassword@123 | unwrap >again.pem
same "$(<again.pem)" "$(<device.pem)" 'certificate given again'
est 401 simpleenroll other.csr -u 006064ce800a:somePassword@123 | grep -q 'It may already be registered' || fail "$(<answer)"

step 'enrol: the bare certificate on request'
csr second 006064ce8077
est 200 simpleenroll second.csr -u 006064ce8077:password@345 -H 'Accept: application/pkcs10' |
	openssl base64 -d | openssl x509 -inform DER -out second.pem
grep -qi '^content-type: application/pkcs10' headers || fail "$(<headers)"
report 006064ce8077 second.pem second.key

report 006064ce800a device.pem device.key

step 're-enrol with the token and a new key'
est 200 simplereenroll other.csr -H "Authorization: Bearer $(token 006064ce800a device.pem device.key)" |
	unwrap >renewed.pem
same "$(openssl x509 -in renewed.pem -noout -pubkey)" "$(openssl pkey -in other.key -pubout)" 'key of the renewed certificate'
publish 006064ce800a renewed.pem other.key '200,c8y_Temperature,T,26,C'

step 'refused: another name with this token'
est 422 simplereenroll stranger.csr -H "Authorization: Bearer $(token 006064ce800a renewed.pem other.key)" >/dev/null

step 'what the audit log says'
api 200 GET '/audit/auditRecords?type=TenantCertificateAuthority&pageSize=100' >audit.json
# said TEXT CERTIFICATE
said() {
	jq -e --arg activity "$1" --arg text "Certificate serial number hex: '$(serial "$2")'" \
		'.auditRecords | any(.activity == $activity and .text == $text)' audit.json >/dev/null || fail "no record '$1' of $2: $(<audit.json)"
}
said 'Tenant certificate authority(CA) signed certificate for device: 006064ce800a.' device.pem
said 'Tenant certificate authority(CA) re-signed certificate for device: 006064ce800a.' renewed.pem
