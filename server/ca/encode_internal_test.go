package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"
)

func testIssuer(t *testing.T) *issuer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer", Organization: []string{"Größe"}},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{cert: cert, signer: k}
}

// leafTemplate is what Profile.template makes, for other times and serials too.
func leafTemplate(t *testing.T, serial *big.Int, from, until time.Time, crl string) *x509.Certificate {
	t.Helper()
	subject, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "dev-1"}}, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(subject)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewProfile(ProfileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := p.template("t1", csr, from)
	if err != nil {
		t.Fatal(err)
	}
	leaf.SerialNumber, leaf.NotBefore, leaf.NotAfter = serial, from, until
	if crl != "" {
		leaf.CRLDistributionPoints = []string{crl}
	}
	return leaf
}

// Before the signature, a leaf is what crypto/x509 would make of it.
func TestSignFastIsCreateCertificate(t *testing.T) {
	p256, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p521, err2 := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	small, err3 := rsa.GenerateKey(rand.Reader, 2048)
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	year := now.AddDate(1, 0, 0)
	highest := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 127), big.NewInt(1))
	tests := []struct {
		name        string
		pub         crypto.PublicKey
		serial      *big.Int
		from, until time.Time
		crl         string
	}{
		{"plain", p256.Public(), big.NewInt(77), now, year, ""},
		{"with a list", p256.Public(), big.NewInt(77), now, year, "https://example.com/crl/t1.crl"},
		{"with the longest list", p256.Public(), big.NewInt(77), now, year, "https://" + strings.Repeat("a", maxCDPBytes-8)},
		{"serial 127", p256.Public(), big.NewInt(127), now, year, ""},
		{"serial 128", p256.Public(), big.NewInt(128), now, year, ""},
		{"highest serial", p256.Public(), highest, now, year, ""},
		{"P-521", p521.Public(), big.NewInt(77), now, year, ""},
		{"RSA", small.Public(), big.NewInt(77), now, year, "https://example.com/crl/t1.crl"},
		{"last UTCTime", p256.Public(), big.NewInt(77), now, time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), ""},
		{"first GeneralizedTime", p256.Public(), big.NewInt(77), now, time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), ""},
		{"not in UTC", p256.Public(), big.NewInt(77), now.In(time.FixedZone("", 3600)), year.In(time.FixedZone("", -3600)), ""},
	}
	i := testIssuer(t)
	if !i.fast() {
		t.Fatal("an issuer with a P-256 key does not sign fast")
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			template := leafTemplate(t, tt.serial, tt.from, tt.until, tt.crl)
			der, err := i.signFast(template, tt.pub)
			if err != nil {
				t.Fatal(err)
			}
			got, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			if err := got.CheckSignatureFrom(i.cert); err != nil {
				t.Error(err)
			}
			der, err = x509.CreateCertificate(rand.Reader, template, i.cert, tt.pub, i.signer)
			if err != nil {
				t.Fatal(err)
			}
			want, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.RawTBSCertificate, want.RawTBSCertificate) {
				t.Errorf("got  %x\nwant %x", got.RawTBSCertificate, want.RawTBSCertificate)
			}
		})
	}
}

func TestSignFastRefuses(t *testing.T) {
	i := testIssuer(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		template *x509.Certificate
		pub      crypto.PublicKey
	}{
		{"serial 0", leafTemplate(t, new(big.Int), now, now, ""), i.signer.Public()},
		{"negative serial", leafTemplate(t, big.NewInt(-1), now, now, ""), i.signer.Public()},
		{"the year 10000", leafTemplate(t, big.NewInt(1), now, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), ""), i.signer.Public()},
		{"a key of unknown type", leafTemplate(t, big.NewInt(1), now, now, ""), "key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if der, err := i.signFast(tt.template, tt.pub); err == nil {
				t.Errorf("got %x, want an error", der)
			}
		})
	}
}

// The first signature and one of each checkedEvery is verified.
func TestSignFastChecksItsSignatures(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	i := testIssuer(t)
	i.cert = testIssuer(t).cert // of another key: no signature is good
	template := leafTemplate(t, big.NewInt(1), now, now, "")
	for n := range 2*checkedEvery + 1 {
		_, err := i.signFast(template, i.signer.Public())
		if checked := n%checkedEvery == 0; checked != (err != nil) {
			t.Fatalf("leaf %d: got error %v, want checked %v", n, err, checked)
		}
	}
}

// What is not a P-256 key in memory is signed by crypto/x509, which checks.
func TestSlowSigners(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256 := testIssuer(t).signer
	for name, s := range map[string]crypto.Signer{"P-384": p384, "token": struct{ crypto.Signer }{p256}} {
		if (&issuer{signer: s}).fast() {
			t.Errorf("%s signs fast", name)
		}
	}
}
