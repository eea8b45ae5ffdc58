# Guards the vendor guide's procedure with an intermediate: root uploaded and full chain sent, then intermediate uploaded and the leaf alone.
. "$LIB"

mkdir caCertificate
cd caCertificate
top=$PWD
sed "s#/home/user/Desktop/caCertificate#$top#" "$GUIDE/caConfig.cnf" >caConfig.cnf
touch database.txt
echo 1000 >serial
mkdir deviceCertificates crl
openssl genrsa -aes256 -passout pass:capass -out caKey.pem 4096
openssl req -config caConfig.cnf -key caKey.pem -new -x509 -days 7300 -sha256 -extensions v3_ca -out caCert.pem \
	-passin pass:capass -subj '/C=DE/O=Interop/CN=Guide Root'

step 'intermediate certificate'
mkdir intermediateCertificate
cd intermediateCertificate
# "Fill in the configuration file as in the CA configuration, but remember to change dir and the ca prefix."
sed "s#/home/user/Desktop/caCertificate#$PWD#; s#/caKey.pem#/intermediateKey.pem#; s#/caCert.pem#/intermediateCert.pem#; s#/caCrl.pem#/intermediateCrl.pem#" \
	"$GUIDE/caConfig.cnf" >intermediateConfig.cnf
touch database.txt
echo 1000 >serial
mkdir deviceCertificates crl
openssl genrsa -aes256 -passout pass:interpass -out intermediateKey.pem 4096
openssl req -config intermediateConfig.cnf -new -sha256 -key intermediateKey.pem -out intermediateCsr.pem \
	-passin pass:interpass -subj '/C=DE/O=Interop/CN=Guide Intermediate'
cd "$top"
openssl ca -config caConfig.cnf -extensions v3_ca -days 3650 -notext -md sha256 -in intermediateCertificate/intermediateCsr.pem \
	-out intermediateCertificate/intermediateCert.pem -passin pass:capass -batch
openssl verify -CAfile caCert.pem intermediateCertificate/intermediateCert.pem

step 'device certificate signed by the intermediate'
cd intermediateCertificate
openssl genrsa -aes256 -passout pass:devicepass -out deviceCertificates/deviceKey.pem 4096
openssl req -config intermediateConfig.cnf -new -sha256 -key deviceCertificates/deviceKey.pem \
	-out deviceCertificates/deviceCsr.pem -passin pass:devicepass -subj '/C=DE/O=Interop/CN=guide-0002'
openssl ca -config intermediateConfig.cnf -extensions v3_signed -days 365 -notext -md sha256 \
	-in deviceCertificates/deviceCsr.pem -out deviceCertificates/deviceCert.pem -passin pass:interpass -batch
openssl verify -partial_chain -CAfile intermediateCert.pem deviceCertificates/deviceCert.pem

step 'chain'
cd "$top"
cat intermediateCertificate/deviceCertificates/deviceCert.pem intermediateCertificate/intermediateCert.pem caCert.pem > \
	intermediateCertificate/deviceCertificates/deviceCertChain.pem
cd intermediateCertificate/deviceCertificates
openssl rsa -in deviceKey.pem -passin pass:devicepass -out key.pem
cat deviceCert.pem ../intermediateCert.pem >withoutAnchor.pem

step 'root uploaded'
trust "$top/caCert.pem" root >root.json
refused guide-0002 deviceCert.pem key.pem # its issuer is not uploaded and it does not show the way
explained unknown-issuer deviceCert.pem key.pem
life guide-0002 deviceCertChain.pem key.pem
publish guide-0002 withoutAnchor.pem key.pem '200,c8y_Temperature,T,26,C'

cat deviceCert.pem "$top/caCert.pem" ../intermediateCert.pem >disordered.pem
disordered() {
	step 'chain in the wrong order: refused'
	local status=0
	publish guide-0002 disordered.pem key.pem '200,c8y_Temperature,T,27,C' >out 2>&1 || status=$?
	same "$status" 5 "chain in the wrong order ($(<out))"
	explained chain-order disordered.pem key.pem
}
disordered

step 'intermediate uploaded, root removed'
trust ../intermediateCert.pem intermediate >intermediate.json
api 204 DELETE "/tenant/tenants/$MOORING_TENANT/trusted-certificates/$(jq -r .fingerprint root.json)" >/dev/null
publish guide-0002 deviceCert.pem key.pem '200,c8y_Temperature,T,28,C'
publish guide-0002 withoutAnchor.pem key.pem '200,c8y_Temperature,T,29,C'
publish guide-0002 deviceCertChain.pem key.pem '200,c8y_Temperature,T,30,C'
disordered # although the leaf alone would do

id=$(object guide-0002)
same "$(api 200 GET "/measurement/measurements?source=$id&pageSize=100" | jq -c '[.measurements[].c8y_Temperature.T.value] | sort')" \
	'[25.5,26,28,29,30]' 'measurements: everything acknowledged, nothing refused'
