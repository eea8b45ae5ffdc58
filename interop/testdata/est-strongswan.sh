# Guards strongSwan's EST client: CA certificates, enrolment, renewal by TLS certificate with a new P-256 key, and what it does with RSA.
. "$LIB"

authority
printf 'ID,AUTH_TYPE,ENROLLMENT_OTP\nstrongswan-1,CERTIFICATES,first-Password:1\nstrongswan-2,CERTIFICATES,second-Password:2\n' >devices.csv
register devices.csv

# quietly COMMAND... keeps strongSwan's list of absent plugins to itself.
quietly() {
	timeout "$deadline" "$@" 2>messages || fail "$*: $(grep -v '^plugin' messages)"
}

step 'CA certificates'
quietly pki --estca --url "https://$MOORING_HTTPS" --cacert "$MOORING_ROOT" --caout authority.pem --outform pem
openssl x509 -in authority.pem -noout -subject -dates
grep -q . authority.pem

# request NAME CN KEY-TYPE SIZE makes NAME.key and NAME.req.
make_request() {
	quietly pki --gen --type "$3" --size "$4" --outform pem >"$1.key"
	quietly pki --req --type priv --in "$1.key" --dn "CN=$2" >"$1.req"
}

step 'enrol'
make_request first strongswan-1 ecdsa 256
quietly pki --est --url "https://$MOORING_HTTPS" --in first.req --cacert "$MOORING_ROOT" --cacert authority.pem \
	--userpass strongswan-1:first-Password:1 --interval 1 --maxpolltime "$deadline" --outform pem >first.pem
openssl verify -CAfile authority.pem first.pem
report strongswan-1 first.pem first.key

step 'renew by the certificate of the TLS connection'
make_request next strongswan-1 ecdsa 256
quietly pki --est --url "https://$MOORING_MTLS" --in next.req --cacert "$MOORING_ROOT" --cacert authority.pem \
	--cert first.pem --key first.key --interval 1 --maxpolltime "$deadline" --outform pem >next.pem
openssl verify -CAfile authority.pem next.pem
same "$(openssl x509 -in next.pem -noout -pubkey)" "$(openssl pkey -in next.key -pubout)" 'key of the renewed certificate'
publish strongswan-1 next.pem next.key '200,c8y_Temperature,T,26,C'

step 'RSA 2048'
make_request rsa strongswan-2 rsa 2048
status=0
timeout "$deadline" pki --est --url "https://$MOORING_HTTPS" --in rsa.req --cacert "$MOORING_ROOT" --cacert authority.pem \
	--userpass strongswan-2:second-Password:2 --interval 1 --maxpolltime "$deadline" --outform pem >rsa.pem 2>messages || status=$?
echo "status $status"
grep -v '^plugin' messages
