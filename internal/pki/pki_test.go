package pki_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509/pkix"
	"testing"

	"mooring/internal/pki"
)

func TestCSRRoundTrip(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := pki.CreateCSR(rand.Reader, key, pkix.Name{CommonName: "dev1", Organization: []string{"Acme"}})
	if err != nil {
		t.Fatal(err)
	}
	csr, err := pki.CheckCSR(der, "dev1")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := pki.JavaName(csr.RawSubject), "CN=dev1, O=Acme"; got != want {
		t.Errorf("JavaName = %q, want %q", got, want)
	}
}
