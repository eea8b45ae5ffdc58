package attestation_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"mooring/internal/attestation"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// maker issues certificates as makers of TPMs do.
type maker struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newMaker(t testing.TB, name string, end time.Time) *maker {
	t.Helper()
	m := &maker{key: newKey(t)}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.AddDate(-10, 0, 0), NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, m.key.Public(), m.key)
	if err != nil {
		t.Fatal(err)
	}
	if m.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return m
}

// endorse issues a certificate with the critical name that TPMs have, since their
// subject is empty.
func (m *maker) endorse(t testing.TB, change func(*x509.Certificate)) []byte {
	t.Helper()
	name := pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{2, 23, 133, 2, 1}, Value: "id:00001014"},
		{Type: asn1.ObjectIdentifier{2, 23, 133, 2, 2}, Value: "swtpm\x1b"},
		{Type: asn1.ObjectIdentifier{2, 23, 133, 2, 3}, Value: "id:20191023"},
	}}
	rdns, err := asn1.Marshal(name.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	alt, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: rdns}})
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: now.AddDate(-1, 0, 0), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		BasicConstraintsValid: true, UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 133, 8, 1}},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: alt}}}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, m.cert, newKey(t).Public(), m.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestEndorsement(t *testing.T) {
	trusted, other := newMaker(t, "maker", now.AddDate(20, 0, 0)), newMaker(t, "maker", now.AddDate(20, 0, 0))
	gone := newMaker(t, "gone", now.AddDate(0, 0, -1))
	past := func(c *x509.Certificate) { c.NotAfter = now.AddDate(0, 0, -1) }
	unknown := func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
	}
	tests := []struct {
		name    string
		der     []byte
		anchors []*maker
		expired bool
		parse   error
		verify  error
	}{
		{name: "as makers do", der: trusted.endorse(t, nil), anchors: []*maker{other, trusted}},
		{name: "the memory is longer", der: append(trusted.endorse(t, nil), 0xff, 0xff), anchors: []*maker{trusted}},
		{name: "nobody is trusted", der: trusted.endorse(t, nil), verify: attestation.FlawEKUntrusted},
		{name: "another maker of the same name", der: other.endorse(t, nil), anchors: []*maker{trusted}, verify: attestation.FlawEKUntrusted},
		{name: "another critical extension", der: trusted.endorse(t, unknown), anchors: []*maker{trusted}, verify: attestation.FlawEKUntrusted},
		{name: "expired", der: trusted.endorse(t, past), anchors: []*maker{trusted}, verify: attestation.FlawEKExpired},
		{name: "expired, which is allowed", der: trusted.endorse(t, past), anchors: []*maker{trusted}, expired: true},
		{name: "expired and foreign", der: other.endorse(t, past), anchors: []*maker{trusted}, expired: true, verify: attestation.FlawEKUntrusted},
		{name: "expired maker", der: gone.endorse(t, nil), anchors: []*maker{gone}, verify: attestation.FlawEKExpired},
		{name: "expired maker, which is allowed", der: gone.endorse(t, nil), anchors: []*maker{gone}, expired: true},
		{name: "no usage", der: trusted.endorse(t, func(c *x509.Certificate) { c.UnknownExtKeyUsage = nil }), anchors: []*maker{trusted}},
		{name: "of a web server", der: trusted.endorse(t, func(c *x509.Certificate) {
			c.UnknownExtKeyUsage, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), parse: attestation.FlawEKUse},
		{name: "a CA's", der: trusted.cert.Raw, parse: attestation.FlawEKUse},
		{name: "nothing", parse: attestation.FlawEKBroken},
		{name: "cut off", der: trusted.cert.Raw[:100], parse: attestation.FlawEKBroken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := attestation.ParseEndorsement(tt.der)
			if err != tt.parse {
				t.Fatalf("%v, want %v", err, tt.parse)
			}
			if err != nil {
				return
			}
			if e.Manufacturer != "id:00001014" || e.Model != "swtpm" || e.Firmware != "id:20191023" {
				t.Errorf("%+v", e)
			}
			var anchors []*x509.Certificate
			for _, m := range tt.anchors {
				anchors = append(anchors, m.cert)
			}
			if err := e.Verify(anchors, nil, now, tt.expired); err != tt.verify {
				t.Errorf("%v, want %v", err, tt.verify)
			}
			if err := e.For(newKey(t).Public()); err != attestation.FlawEKMismatch {
				t.Errorf("another key: %v", err)
			}
		})
	}
}
