package server_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	_ "crypto/md5" // a hash of old certificates
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

// maker makes certificates that no honest program makes.
type maker struct {
	*testing.T
	root anchor          // ECDSA
	rsa  *rsa.PrivateKey // of the RSA root
	ca   *x509.Certificate
	next int64
}

func newMaker(t *testing.T) *maker {
	m := &maker{T: t, root: newAnchor(t), next: 0x7f010203}
	m.rsa = m.rsaKey(2048)
	template := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "RSA root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageCertSign}
	m.ca = m.parse(m.create(template, template, m.rsa.Public(), m.rsa))
	return m
}

func (m *maker) rsaKey(bits int) *rsa.PrivateKey {
	m.Helper()
	m.Setenv("GODEBUG", "rsa1024min=0") // to make what is too short
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		m.Fatal(err)
	}
	m.Setenv("GODEBUG", "")
	return key
}

func (m *maker) create(template, parent *x509.Certificate, key crypto.PublicKey, signer crypto.Signer) []byte {
	m.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, signer)
	if err != nil {
		m.Fatal(err)
	}
	return der
}

func (m *maker) parse(der []byte) *x509.Certificate {
	m.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		m.Fatal(err)
	}
	return c
}

// template is a good leaf for device.
func (m *maker) template(device string) *x509.Certificate {
	m.next++
	return &x509.Certificate{SerialNumber: big.NewInt(m.next), Subject: pkix.Name{CommonName: device},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0)}
}

// leaf is a good leaf but for what change does to it.
func (m *maker) leaf(device string, change func(*x509.Certificate)) tls.Certificate {
	m.Helper()
	key := newDeviceKey(m.T)
	template := m.template(device)
	if change != nil {
		change(template)
	}
	return tls.Certificate{Certificate: [][]byte{m.create(template, m.root.cert, key.Public(), m.root.key)}, PrivateKey: key}
}

// keyed is a leaf of the ECDSA root for a key of its own.
func (m *maker) keyed(device string, key crypto.Signer) tls.Certificate {
	m.Helper()
	return tls.Certificate{Certificate: [][]byte{m.create(m.template(device), m.root.cert, key.Public(), m.root.key)}, PrivateKey: key}
}

// byRSA is a leaf of the RSA root with a signature of hash, whose algorithm
// ends in the byte oid (RFC 8017 appendix C: 1.2.840.113549.1.1.oid).
func (m *maker) byRSA(device string, hash crypto.Hash, oid byte) tls.Certificate {
	m.Helper()
	key := newDeviceKey(m.T)
	good := m.create(m.template(device), m.ca, key.Public(), m.rsa)
	return tls.Certificate{Certificate: [][]byte{m.resign(good, func(tbs []byte) []byte {
		return bytes.ReplaceAll(tbs, []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x01"+string(oid)))
	}, m.rsa, hash)}, PrivateKey: key}
}

// tampered is a leaf of the ECDSA root whose signed part was changed before it
// was signed.
func (m *maker) tampered(device string, change func(tbs []byte) []byte) tls.Certificate {
	m.Helper()
	good := m.leaf(device, nil)
	good.Certificate[0] = m.resign(good.Certificate[0], change, m.root.key, crypto.SHA256)
	return good
}

// resign changes the signed part of a certificate and signs it again.
func (m *maker) resign(der []byte, change func(tbs []byte) []byte, signer crypto.Signer, hash crypto.Hash) []byte {
	m.Helper()
	var c struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &c); err != nil {
		m.Fatal(err)
	}
	tbs, algorithm := change(bytes.Clone(c.TBS.FullBytes)), change(bytes.Clone(c.Algorithm.FullBytes))
	h := hash.New()
	h.Write(tbs)
	signature, err := signer.Sign(rand.Reader, h.Sum(nil), hash)
	if err != nil {
		m.Fatal(err)
	}
	c.TBS, c.Algorithm = asn1.RawValue{FullBytes: tbs}, asn1.RawValue{FullBytes: algorithm}
	c.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	out, err := asn1.Marshal(c)
	if err != nil {
		m.Fatal(err)
	}
	return out
}

// serial changes the serial of the leaf made last, of four bytes, into another
// of four bytes.
func (m *maker) serial(to string) func(tbs []byte) []byte {
	return func(tbs []byte) []byte {
		from := big.NewInt(m.next).Bytes()
		return bytes.Replace(tbs, append([]byte{2, 4}, from...), append([]byte{2, 4}, to...), 1)
	}
}

// zeroSerial shortens the serial to one byte of zero.
func (m *maker) zeroSerial(tbs []byte) []byte {
	var seq asn1.RawValue
	if _, err := asn1.Unmarshal(tbs, &seq); err != nil || seq.Tag != asn1.TagSequence {
		return tbs
	}
	from := append([]byte{2, 4}, big.NewInt(m.next).Bytes()...)
	if !bytes.Contains(seq.Bytes, from) {
		return tbs
	}
	out, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: bytes.Replace(seq.Bytes, from, []byte{2, 1, 0}, 1)})
	if err != nil {
		m.Fatal(err)
	}
	return out
}

// chain is a leaf below n-2 intermediates below the root: n certificates with
// the root.
func (m *maker) chain(device string, n int) tls.Certificate {
	m.Helper()
	parent, signer := m.root.cert, m.root.key
	var above [][]byte
	for i := range n - 2 {
		key := newDeviceKey(m.T)
		template := m.template(fmt.Sprint("Issuer ", i))
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		der := m.create(template, parent, key.Public(), signer)
		above = append([][]byte{der}, above...)
		parent, signer = m.parse(der), key
	}
	key := newDeviceKey(m.T)
	leaf := m.create(m.template(device), parent, key.Public(), signer)
	return tls.Certificate{Certificate: append(append([][]byte{leaf}, above...), m.root.cert.Raw), PrivateKey: key}
}

// below is a leaf under an intermediate that change has made.
func (m *maker) below(device string, change func(*x509.Certificate), leaf func(*x509.Certificate)) tls.Certificate {
	m.Helper()
	key := newDeviceKey(m.T)
	template := m.template("Intermediate of " + device)
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	change(template)
	der := m.create(template, m.root.cert, key.Public(), m.root.key)
	leafKey := newDeviceKey(m.T)
	leafTemplate := m.template(device)
	if leaf != nil {
		leaf(leafTemplate)
	}
	return tls.Certificate{Certificate: [][]byte{m.create(leafTemplate, m.parse(der), leafKey.Public(), key), der}, PrivateKey: leafKey}
}

// p224 is a key on a curve that is too short.
func (m *maker) p224() *ecdsa.PrivateKey {
	m.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		m.Fatal(err)
	}
	return key
}

// names are n alternative names.
func names(n int) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		for i := range n {
			c.DNSNames = append(c.DNSNames, fmt.Sprintf("n%d.example.com", i))
		}
	}
}

// longName gives the subject a common name of n bytes.
func longName(n int) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("x", n) }
}
