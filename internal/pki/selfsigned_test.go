package pki_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"
	"time"

	"mooring/internal/pki"
)

func TestCreateSelfSigned(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]crypto.Signer{"RSA": rsaKey}
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		if keys[name], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	for name, key := range keys {
		for _, end := range []time.Time{time.Date(2049, 12, 31, 23, 59, 59, 7, time.UTC), time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)} {
			begin := time.Date(2026, 11, 1, 12, 0, 0, 999, time.FixedZone("", 3600))
			c, err := pki.CreateSelfSigned(rand.Reader, key, "dev é", begin, end)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			roots := x509.NewCertPool()
			roots.AddCert(c)
			_, err = c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: begin.Add(time.Hour), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			if err != nil || c.CheckSignatureFrom(c) != nil || !pki.KeyMatches(c, key) {
				t.Errorf("%s: %v", name, err)
			}
			if c.Subject.CommonName != "dev é" || !c.IsCA || c.Version != 3 || c.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign ||
				len(c.SubjectKeyId) != 20 || c.SerialNumber.BitLen() != 127 {
				t.Errorf("%s: got %+v", name, c)
			}
			if !c.NotBefore.Equal(begin.Truncate(time.Second)) || !c.NotAfter.Equal(end.Truncate(time.Second)) {
				t.Errorf("%s: from %v to %v", name, c.NotBefore, c.NotAfter)
			}
		}
	}
}
