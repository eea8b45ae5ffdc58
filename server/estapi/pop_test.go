package estapi_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"io"
	"net/http"
	"testing"

	"mooring/server/ca"
)

// TestPoPLinking sends a challengePassword over real connections: up to TLS
// 1.2 it must be the connection's tls-unique, from TLS 1.3 on it says nothing.
func TestPoPLinking(t *testing.T) {
	r := newRig(t, ca.Limits{})
	tests := []struct {
		name    string
		version uint16
		own     bool // the challengePassword is of this connection
		status  int
	}{
		{name: "TLS 1.2, own", version: tls.VersionTLS12, own: true, status: 200},
		{name: "TLS 1.2, another's", version: tls.VersionTLS12, status: 400},
		{name: "TLS 1.3", version: tls.VersionTLS13, status: 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.register(tenant, "dev1", "otp")
			config := r.https.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			config.MaxVersion, config.NextProtos = tt.version, nil
			conn, err := tls.Dial("tcp", r.https.Listener.Addr().String(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			challenge := "of another connection"
			if tt.own {
				challenge = base64.StdEncoding.EncodeToString(conn.ConnectionState().TLSUnique)
			}
			if got := enrolOver(t, conn, challengeCSR(t, "dev1", challenge)); got != tt.status {
				t.Errorf("status %d, want %d", got, tt.status)
			}
		})
	}
}

// challengeCSR builds a request with a challengePassword, which crypto/x509
// cannot.
func challengeCSR(t testing.TB, cn, challenge string) []byte {
	t.Helper()
	k := newKey(t)
	spki, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	type attribute struct {
		ID     asn1.ObjectIdentifier
		Values []string `asn1:"set"`
	}
	type info struct {
		Version    int
		Subject    pkix.RDNSequence
		Key        asn1.RawValue
		Attributes []attribute `asn1:"tag:0,set"`
	}
	tbs, err := asn1.Marshal(info{
		Subject: pkix.Name{CommonName: cn}.ToRDNSequence(), Key: asn1.RawValue{FullBytes: spki},
		Attributes: []attribute{{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}, []string{challenge}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(tbs)
	signature, err := ecdsa.SignASN1(rand.Reader, k, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(struct {
		Info      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}},
		asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	if err != nil {
		t.Fatal(err)
	}
	return []byte(base64.StdEncoding.EncodeToString(der))
}

// enrolOver sends one simpleenroll on a connection and returns the status.
func enrolOver(t testing.TB, conn io.ReadWriter, body []byte) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "https://t1000.example.com/.well-known/est/simpleenroll", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("dev1", "otp")
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
