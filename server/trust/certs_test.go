package trust_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"mooring/internal/pki"
)

// epoch is when every test happens; certificates last from a month before to a
// year after, unless a test says otherwise.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var serial atomic.Int64

// party is a certificate with its key.
type party struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// option changes a certificate before it is signed.
type option func(*x509.Certificate)

func newKey(tb testing.TB) crypto.Signer {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// sign makes a certificate for key, signed by issuer, by itself if that is nil.
func sign(tb testing.TB, issuer *party, key crypto.Signer, cn string, options ...option) *party {
	tb.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1000 + serial.Add(1)), Subject: pkix.Name{CommonName: cn},
		NotBefore: epoch.AddDate(0, -1, 0), NotAfter: epoch.AddDate(1, 0, 0), BasicConstraintsValid: true,
	}
	for _, o := range options {
		o(template)
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return &party{cert: c, key: key}
}

func asCA(c *x509.Certificate) {
	c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
}

func withPathLen(n int) option {
	return func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = n, n == 0 }
}

func valid(from, until time.Time) option {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, until }
}

func withUsage(u ...x509.ExtKeyUsage) option {
	return func(c *x509.Certificate) { c.ExtKeyUsage = u }
}

func withSerial(n int64) option {
	return func(c *x509.Certificate) { c.SerialNumber = big.NewInt(n) }
}

func newRoot(tb testing.TB, cn string, options ...option) *party {
	tb.Helper()
	return sign(tb, nil, newKey(tb), cn, append([]option{asCA}, options...)...)
}

func (p *party) ca(tb testing.TB, cn string, options ...option) *party {
	tb.Helper()
	return sign(tb, p, newKey(tb), cn, append([]option{asCA}, options...)...)
}

func (p *party) leaf(tb testing.TB, cn string, options ...option) *party {
	tb.Helper()
	return sign(tb, p, newKey(tb), cn, options...)
}

// twin is a certificate for the key and subject of p with other dates, as a
// renewed CA has.
func (p *party) twin(tb testing.TB, options ...option) *party {
	tb.Helper()
	return sign(tb, nil, p.key, p.cert.Subject.CommonName, append([]option{asCA}, options...)...)
}

func (p *party) fingerprint() string { return pki.Fingerprint(p.cert) }

func chain(parties ...*party) []*x509.Certificate {
	var c []*x509.Certificate
	for _, p := range parties {
		c = append(c, p.cert)
	}
	return c
}
