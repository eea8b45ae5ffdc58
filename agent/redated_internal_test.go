package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"mooring/internal/pki"
)

// The issuer of a chain gives way to itself with later dates alone, and only
// once they have begun.
func TestRedated(t *testing.T) {
	now := time.Date(2026, time.October, 2, 0, 0, 0, 0, time.UTC)
	ours, others := newKey(t), newKey(t)
	issuer := func(name string, k *ecdsa.PrivateKey, begin, end time.Time) *x509.Certificate {
		return issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, NotBefore: begin, NotAfter: end, IsCA: true, BasicConstraintsValid: true}, nil, k, k)
	}
	begin, end := now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)
	old := issuer("authority", ours, begin, end)
	leaf := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "dev1"}, NotBefore: begin, NotAfter: end}, old, newKey(t), ours)
	for _, tt := range []struct {
		name    string
		offered *x509.Certificate
		want    bool
	}{
		{"later end", issuer("authority", ours, begin, end.Add(time.Second)), true},
		{"same end", issuer("authority", ours, begin, end), false},
		{"earlier end", issuer("authority", ours, begin, end.Add(-time.Second)), false},
		{"begins now", issuer("authority", ours, now, end.AddDate(1, 0, 0)), true},
		{"begins in a second", issuer("authority", ours, now.Add(time.Second), end.AddDate(1, 0, 0)), false},
		{"another name", issuer("another", ours, begin, end.AddDate(1, 0, 0)), false},
		{"another key", issuer("authority", others, begin, end.AddDate(1, 0, 0)), false},
	} {
		got := redated(pki.Chain{leaf, old}, pki.Chain{tt.offered}, now)
		if (got != nil) != tt.want || got != nil && (len(got) != 2 || got[0] != leaf || got[1] != tt.offered) {
			t.Errorf("%s: got %v, want it taken: %v", tt.name, got, tt.want)
		}
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issue signs with by; a nil parent: by itself.
func issue(t *testing.T, c, parent *x509.Certificate, k, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	if c.SerialNumber = big.NewInt(1); parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, k.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	c, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
