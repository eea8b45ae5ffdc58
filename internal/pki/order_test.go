package pki_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"testing"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
)

var orderSerial int64

// orderCert makes a certificate; without issuer it signs itself.
func orderCert(t *testing.T, cn string, key *ecdsa.PrivateKey, issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey, life time.Duration) *x509.Certificate {
	t.Helper()
	orderSerial++
	template := &x509.Certificate{SerialNumber: big.NewInt(orderSerial), Subject: pkix.Name{CommonName: cn}, NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(1e9, 0).Add(life),
		IsCA: cn != "dev", BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	if issuer == nil {
		issuer, issuerKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOrderChain(t *testing.T) {
	keys := make([]*ecdsa.PrivateKey, 4)
	for i := range keys {
		keys[i], _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // never fails (crypto/rand)
	}
	root := orderCert(t, "root", keys[0], nil, nil, time.Hour)
	middle := orderCert(t, "middle", keys[1], root, keys[0], time.Hour)
	dev := orderCert(t, "dev", keys[2], middle, keys[1], time.Hour)
	longer := orderCert(t, "dev", keys[2], middle, keys[1], 2*time.Hour)
	other := orderCert(t, "other", keys[3], nil, nil, time.Hour)
	forged := orderCert(t, "root", keys[3], nil, nil, time.Hour) // the name alone
	public := keys[2].Public()
	list := func(c ...*x509.Certificate) []*x509.Certificate { return c }
	for _, row := range []struct {
		name        string
		in          []*x509.Certificate
		public      any
		chain, rest []*x509.Certificate
		kind        problem.Kind
	}{
		{name: "in order", in: list(dev, middle, root), chain: list(dev, middle, root)},
		{name: "reversed", in: list(root, middle, dev), chain: list(dev, middle, root)},
		{name: "mixed, without root", in: list(middle, dev), chain: list(dev, middle)},
		{name: "twice", in: list(middle, dev, middle, dev), chain: list(dev, middle)},
		{name: "one that signs itself", in: list(other), chain: list(other)},
		{name: "another root of that name", in: list(forged, root, middle, dev), public: public, chain: list(dev, middle, root), rest: list(forged)},
		{name: "by key, a stranger beside", in: list(other, root, dev, middle), public: public, chain: list(dev, middle, root), rest: list(other)},
		{name: "by key, the older one beside", in: list(dev, longer, middle), public: public, chain: list(longer, middle), rest: list(dev)},
		{name: "a gap", in: list(root, dev), public: public, chain: list(dev), rest: list(root)},
		{name: "two ends", in: list(other, dev, middle), kind: problem.Invalid},
		{name: "no certificate of the key", in: list(root, middle), public: public, kind: problem.Invalid},
		{name: "none", kind: problem.Invalid},
		{name: "16", in: slices.Repeat(list(dev), 16), chain: list(dev)},
		{name: "17", in: slices.Repeat(list(dev), 17), kind: problem.TooLarge},
	} {
		chain, rest, err := pki.OrderChain(row.in, row.public)
		if row.kind != "" {
			if problem.KindOf(err) != row.kind {
				t.Errorf("%s: %v", row.name, err)
			}
			continue
		}
		same := func(a, b []*x509.Certificate) bool { return slices.EqualFunc(a, b, (*x509.Certificate).Equal) }
		if err != nil || !same(chain, row.chain) || !same(rest, row.rest) {
			t.Errorf("%s: %d in the chain, %d beside: %v", row.name, len(chain), len(rest), err)
		}
	}
}
