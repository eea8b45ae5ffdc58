# Guards the vendor guide's proof of possession: the code is signed as printed, and a wrong signature is refused.
. "$LIB"

cat >config.cnf <<'END'
[req]
distinguished_name = dn
[dn]
[v3_ca]
basicConstraints = critical, CA:true
keyUsage = keyCertSign
END
prove() { # prove KEY CERTIFICATE
	local base fingerprint
	fingerprint=$(trust "$2" | jq -r .fingerprint)
	base=/tenant/tenants/$MOORING_TENANT/trusted-certificates-pop/$fingerprint
	api 200 POST "$base/verification-code" | jq -j .proofOfPossessionUnsignedVerificationCode >verification_code.txt
	openssl genrsa -out other.key 2048
	api 400 POST "$base/pop" -H 'Content-Type: application/json' \
		-d '{"proofOfPossessionSignedVerificationCode": "'"$(openssl dgst -sha256 -sign other.key verification_code.txt | openssl base64 -A)"'"}' >/dev/null
	api 200 POST "$base/pop" -H 'Content-Type: application/json' \
		-d '{"proofOfPossessionSignedVerificationCode": "'"$(openssl dgst -sha256 -sign "$1" verification_code.txt | openssl base64 -A)"'"}' |
		jq -e .proofOfPossessionValid >/dev/null
}

step RSA
openssl req -config config.cnf -newkey rsa:2048 -nodes -keyout rsa.key -x509 -days 30 -extensions v3_ca -out rsa.pem -subj '/CN=Proof RSA'
prove rsa.key rsa.pem

step ECDSA
openssl ecparam -name prime256v1 -genkey -noout -out ec.key
openssl req -config config.cnf -key ec.key -new -x509 -days 30 -extensions v3_ca -out ec.pem -subj '/CN=Proof EC'
prove ec.key ec.pem
