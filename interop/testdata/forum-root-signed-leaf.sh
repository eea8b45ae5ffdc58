# Guards the set-up of the forum's question: a root uploaded, a leaf signed by it, sent with and without the chain.
. "$LIB"

# The two files of the question were attached and are not printed; these are
# rebuilt from the extensions of the certificates shown further down in it.
cat >root-config.cnf <<'END'
[req]
distinguished_name = dn
[dn]
[v3_req]
basicConstraints = CA:TRUE
keyUsage = nonRepudiation, digitalSignature, keyEncipherment, keyCertSign
END
cat >end-user-config.cnf <<'END'
[v3_req]
basicConstraints = CA:FALSE
keyUsage = nonRepudiation, digitalSignature, keyEncipherment
END

step 'first try of the question: the request is signed with its own key'
openssl genrsa -out autodoser-private-key.pem 2048
openssl req -new -key autodoser-private-key.pem -out autodoser-cert-sign-request.pem -config root-config.cnf -extensions v3_req \
	-subj "/C=US/ST=Delaware/L=Wilmington/O=Solenis/CN=*.solenis.com"
openssl x509 -in autodoser-cert-sign-request.pem -out autodoser-first.pem -req -signkey autodoser-private-key.pem \
	-extensions v3_req -extfile root-config.cnf -days 3650

step 'second try: a self-signed root'
openssl req -config root-config.cnf -key autodoser-private-key.pem -new -x509 -days 7300 -sha256 -extensions v3_req \
	-out autodoser-cert.pem -subj "/C=US/ST=Delaware/L=Wilmington/O=Solenis/CN=*.iot-dev.solenis.com"

# device ID ROOT makes ID-private-key.pem and ID-cert.pem as the question does.
device() {
	openssl genrsa -out "$1-private-key.pem" 2048
	openssl req -new -key "$1-private-key.pem" -out "$1-cert-sign-request.pem" -config root-config.cnf -extensions v3_req \
		-subj "/C=US/ST=Delaware/L=Wilmington/O=device/CN=$1"
	openssl x509 -req -CA "$2" -CAkey autodoser-private-key.pem -in "$1-cert-sign-request.pem" -out "$1-cert.pem" -days 730 \
		-extensions v3_req -extfile "end-user-config.cnf" -CAcreateserial
	openssl verify -CAfile "$2" "$1-cert.pem"
	cat "$1-cert.pem" "$2" >"$1-chain.pem"
}
device S2422700001 autodoser-first.pem
device S2422700003 autodoser-cert.pem

# The question's two roots share one key, so each is uploaded on its own.
for pair in 'S2422700001 autodoser-first.pem' 'S2422700003 autodoser-cert.pem'; do
	read -r id root <<<"$pair"
	step "$root: upload"
	fingerprint=$(trust "$root" | jq -r .fingerprint)
	life "$id" "$id-cert.pem" "$id-private-key.pem"
	publish "$id" "$id-chain.pem" "$id-private-key.pem" '200,c8y_Temperature,T,26,C'
	api 204 DELETE "/tenant/tenants/$MOORING_TENANT/trusted-certificates/$fingerprint" >/dev/null
done

step 'what worked for the asker: the device certificate is its own root'
openssl req -config root-config.cnf -newkey rsa:2048 -nodes -keyout self-key.pem -x509 -days 365 -sha256 -extensions v3_req \
	-out self-cert.pem -subj '/O=Thin Edge/CN=S2422700009'
trust self-cert.pem >/dev/null
life S2422700009 self-cert.pem self-key.pem
