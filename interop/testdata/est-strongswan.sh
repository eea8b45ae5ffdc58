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

# strongSwan before 5.9.11 does not read base64 in more than one line, and an
# answer above 1,000 characters has to be broken into lines for other clients.
version=$(pki --help 2>/dev/null | sed -n 's/^strongSwan \([0-9.]*\) .*/\1/p')
[[ $version ]] || fail 'no version of strongSwan'
for size in 2048 3072 4096; do
	step "RSA $size, strongSwan $version"
	printf 'ID,AUTH_TYPE,ENROLLMENT_OTP\nstrongswan-%s,CERTIFICATES,password-%s\n' "$size" "$size" >devices.csv
	register devices.csv
	make_request rsa "strongswan-$size" rsa "$size"
	status=0
	timeout "$deadline" pki --est --url "https://$MOORING_HTTPS" --in rsa.req --cacert "$MOORING_ROOT" --cacert authority.pem \
		--userpass "strongswan-$size:password-$size" --interval 1 --maxpolltime "$deadline" --outform pem >rsa.pem 2>messages || status=$?
	# The same key gets the same answer again, which shows what strongSwan saw.
	openssl base64 -in rsa.req -out rsa.csr
	est 200 simpleenroll rsa.csr -u "strongswan-$size:password-$size" >rsa.answer
	echo "status $status, answer of $(wc -c <rsa.answer) characters in $(wc -l <rsa.answer) lines: $(grep -v '^plugin' messages | tail -n 1)"
	if (($(wc -l <rsa.answer) == 1)); then
		same "$status" 0 'answer in one line'
		same "$(<rsa.pem)" "$(unwrap <rsa.answer)" 'certificate'
	elif [[ $version == 5.9.8 ]]; then
		[[ $status != 0 ]] || fail 'strongSwan 5.9.8 reads wrapped base64: DIVERGENCES.md says it does not'
	fi
done
