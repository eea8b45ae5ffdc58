package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"testing"
)

// FuzzChallengePassword reads attributes of requests whose signature nobody
// has checked as far as this function knows.
func FuzzChallengePassword(f *testing.F) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "dev1"}}, k)
	if err != nil {
		f.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(csr.RawTBSCertificateRequest)
	for _, text := range []string{
		"", "3000", "30060201003000", "300802010030003000", "300a02010030003000a000",
		"301d02010030003000a014301206092a864886f70d0109073105130378797a",
	} {
		raw, err := hex.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, tbs []byte) {
		text, found, err := challengePassword(tbs)
		if err != nil && (found || text != "") {
			t.Errorf("an error and a result: %q", text)
		}
	})
}
