package attesttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"

	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/attestation"
)

// Maker makes TPMs: a quicker one than swtpmtest.StartEndorsed, which has the tools
// of swtpm do it.
type Maker struct {
	key  *ecdsa.PrivateKey
	Cert *x509.Certificate
}

// NewMaker makes one whose certificate ends in ten years, as those that it issues.
func NewMaker(t testing.TB) *Maker {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	m := &Maker{key: key}
	m.Cert = m.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "TPM maker"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, key.Public())
	return m
}

// PEM is the maker's certificate.
func (m *Maker) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.Cert.Raw})
}

func (m *Maker) issue(t testing.TB, template *x509.Certificate, public any) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(10, 0, 0)
	parent := m.Cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, m.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// Start starts a TPM with a certificate for its endorsement key.
func (m *Maker) Start(t testing.TB) *swtpmtest.TPM {
	t.Helper()
	tpm := swtpmtest.Start(t)
	ek, err := attestation.ParsePublic(New(t, tpm).EKPublic)
	if err != nil {
		t.Fatal(err)
	}
	write(t, tpm, m.Endorse(t, ek.Key).Raw)
	return tpm
}

// Endorse issues the certificate of an endorsement key.
func (m *Maker) Endorse(t testing.TB, ek any) *x509.Certificate {
	t.Helper()
	// The names of a TPM: TCG EK Credential Profile §3.1.2.
	names, err := asn1.Marshal(pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{2, 23, 133, 2, 1}, Value: "id:00001014"},
		{Type: asn1.ObjectIdentifier{2, 23, 133, 2, 2}, Value: "swtpm"},
		{Type: asn1.ObjectIdentifier{2, 23, 133, 2, 3}, Value: "id:20191023"},
	}}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	alt, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: names}})
	if err != nil {
		t.Fatal(err)
	}
	return m.issue(t, &x509.Certificate{BasicConstraintsValid: true, UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 133, 8, 1}},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: alt}}}, ek)
}

// write puts the certificate of the P-256 endorsement key where its maker does (TCG EK
// Credential Profile §2.2.1.4).
func write(t testing.TB, m *swtpmtest.TPM, certificate []byte) {
	t.Helper()
	tpm, err := linuxudstpm.Open(m.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tpm.Close() }() // all was answered
	const index, chunk = tpm2.TPMHandle(0x01C0000A), 512
	owner := tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)}
	if _, err := (tpm2.NVDefineSpace{AuthHandle: owner, PublicInfo: tpm2.New2B(tpm2.TPMSNVPublic{NVIndex: index, NameAlg: tpm2.TPMAlgSHA256, DataSize: uint16(len(certificate)),
		Attributes: tpm2.TPMANV{OwnerWrite: true, OwnerRead: true, AuthRead: true, NoDA: true}})}).Execute(tpm); err != nil {
		t.Fatal(err)
	}
	for offset := 0; offset < len(certificate); offset += chunk {
		about, err := tpm2.NVReadPublic{NVIndex: index}.Execute(tpm) // its name changes when it is written
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (tpm2.NVWrite{AuthHandle: owner, NVIndex: tpm2.NamedHandle{Handle: index, Name: about.NVName},
			Data: tpm2.TPM2BMaxNVBuffer{Buffer: certificate[offset:min(offset+chunk, len(certificate))]}, Offset: uint16(offset)}).Execute(tpm); err != nil {
			t.Fatal(err)
		}
	}
}
