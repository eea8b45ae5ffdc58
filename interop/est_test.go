package interop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"strings"
	"testing"
)

const (
	enrolPath  = "/.well-known/est/simpleenroll"
	pkcs10Type = "application/pkcs10"
)

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// request makes the body of an enrolment of cn.
func request(t testing.TB, key crypto.Signer, cn string) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: cn}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// est asks for a certificate with whatever body.
func (s *instance) est(t testing.TB, id, otp, body string) answer {
	t.Helper()
	a, err := s.do(t.Context(), "POST", enrolPath, id, otp, pkcs10Type, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return a
}
