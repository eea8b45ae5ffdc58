# Guards the vendor guide's own procedure: a self-signed CA, a device certificate signed by it, the chain file, the upload, a device's life.
. "$LIB"

# The guide asks for passwords and names on the terminal; -passin, -passout,
# -subj and -batch answer. The rest is as printed.
mkdir caCertificate
cd caCertificate
sed "s#/home/user/Desktop/caCertificate#$PWD#" "$GUIDE/caConfig.cnf" >caConfig.cnf
touch database.txt
echo 1000 >serial
mkdir deviceCertificates crl

step 'self-signed CA certificate'
openssl genrsa -aes256 -passout pass:capass -out caKey.pem 4096
openssl req -config caConfig.cnf -key caKey.pem -new -x509 -days 7300 -sha256 -extensions v3_ca -out caCert.pem \
	-passin pass:capass -subj '/C=DE/O=Interop/CN=Guide CA'
openssl x509 -noout -text -in caCert.pem | grep 'CA:TRUE, pathlen:10'

step 'device certificate'
openssl genrsa -aes256 -passout pass:devicepass -out deviceCertificates/deviceKey.pem 4096
openssl req -config caConfig.cnf -new -sha256 -key deviceCertificates/deviceKey.pem -out deviceCertificates/deviceCsr.pem \
	-passin pass:devicepass -subj '/C=DE/O=Interop/CN=guide-0001'
openssl ca -config caConfig.cnf -extensions v3_signed -days 365 -notext -md sha256 -in deviceCertificates/deviceCsr.pem \
	-out deviceCertificates/deviceCert.pem -passin pass:capass -batch
openssl verify -partial_chain -CAfile caCert.pem deviceCertificates/deviceCert.pem

step 'chain and keystore'
cat deviceCertificates/deviceCert.pem caCert.pem >deviceCertificates/deviceCertChain.pem
cd deviceCertificates
openssl pkcs12 -export -name devicekeyentry -inkey deviceKey.pem -in deviceCertChain.pem -out deviceKeystore.pkcs12 \
	-passin pass:devicepass -passout pass:storepass
cd ..

step 'server certificate'
openssl s_client -showcerts -connect "$MOORING_MQTTS" </dev/null 2>/dev/null | openssl x509 -outform PEM >serverCertificate.pem
openssl verify -CAfile "$MOORING_ROOT" serverCertificate.pem

step 'refused before the upload'
# mosquitto asks for a key's password on the terminal, so it gets the key without.
openssl rsa -in deviceCertificates/deviceKey.pem -passin pass:devicepass -out deviceCertificates/deviceKeyPlain.pem
device=(guide-0001 deviceCertificates/deviceCertChain.pem deviceCertificates/deviceKeyPlain.pem)
refused "${device[@]}"

step 'upload the CA certificate'
trust caCert.pem >uploaded.json
same "$(jq -r '.subject + " " + (.autoRegistrationEnabled|tostring)' uploaded.json)" 'CN=Guide CA, O=Interop, C=DE true' 'trusted certificate'
same "$(jq -r .fingerprint uploaded.json)" \
	"$(openssl x509 -in caCert.pem -noout -fingerprint -sha1 | sed 's/.*=//; s/://g' | tr A-F a-f)" fingerprint
api 200 GET "/tenant/tenants/$MOORING_TENANT/trusted-certificates/$(jq -r .fingerprint uploaded.json)" |
	jq -e '.status == "ENABLED" and .name == "certificateName"' >/dev/null

step 'a second upload is a conflict'
api 409 POST "/tenant/tenants/$MOORING_TENANT/trusted-certificates" -H 'Content-Type: application/json' \
	-d "$(jq -n --arg pem "$(<caCert.pem)" '{status: "ENABLED", certInPemFormat: $pem}')" >/dev/null

life "${device[@]}"

step 'only the device certificate: its immediate issuer is uploaded, so it may leave the chain out'
publish guide-0001 deviceCertificates/deviceCert.pem deviceCertificates/deviceKeyPlain.pem '200,c8y_Temperature,T,26,C'

step 'REST with the keystore on the mutual TLS port'
same "$(request 200 GET "https://$MOORING_MTLS/identity/externalIds/c8y_Serial/guide-0001" \
	--cert-type P12 --cert deviceCertificates/deviceKeystore.pkcs12:storepass | jq -r .managedObject.id)" \
	"$(object guide-0001)" 'object read by certificate'

step 'refused once the trusted certificate is gone'
api 204 DELETE "/tenant/tenants/$MOORING_TENANT/trusted-certificates/$(jq -r .fingerprint uploaded.json)" >/dev/null
status=0
publish "${device[@]}" '200,c8y_Temperature,T,27,C' || status=$?
same "$status" 5 'connection without trusted certificate'
