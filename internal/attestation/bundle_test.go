package attestation_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"testing"

	"mooring/internal/attestation"
	"mooring/internal/pki"
)

// request returns the CertificationRequestInfo of a PEM file.
func request(t testing.TB, path string) *x509.CertificateRequest {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

// info is a CertificationRequestInfo with the attributes given.
func info(attributes ...[]byte) []byte {
	list := element(asn1.ClassContextSpecific, 0, bytes.Join(attributes, nil))
	return element(asn1.ClassUniversal, asn1.TagSequence, append([]byte{0x02, 1, 0, 0x30, 0, 0x30, 0}, list...))
}

func element(class, tag int, content []byte) []byte {
	der, err := asn1.Marshal(asn1.RawValue{Class: class, Tag: tag, IsCompound: true, Bytes: content})
	if err != nil {
		panic(err) // of a test that is wrong
	}
	return der
}

func TestForeignRequest(t *testing.T) {
	csr := request(t, "testdata/tpm-certify-csr.pem")
	e, err := attestation.FromRequest(csr.RawTBSCertificateRequest)
	if err != nil || e == nil || len(e.Certificates) != 2 || e.AKPublic != nil {
		t.Fatalf("%+v, %v", e, err)
	}
	public, err := attestation.ParsePublic(e.KeyPublic)
	if err != nil || !pki.SamePublicKey(public.Key, csr.PublicKey) {
		t.Errorf("the certified key is not that of the request (%v)", err)
	}
}

func TestEncode(t *testing.T) {
	full := attestation.Evidence{Certified: []byte("said"), Signature: bytes.Repeat([]byte{1}, 300), KeyPublic: []byte("key"),
		EKPublic: []byte("ek"), AKPublic: []byte("ak"), Ticket: []byte("ticket"), Certificates: [][]byte{{0x30, 1, 5}, {0x30, 0}}}
	bare := attestation.Evidence{Certified: []byte("said"), Signature: []byte("sig"), KeyPublic: []byte("key")}
	for _, want := range []attestation.Evidence{full, bare} {
		got, err := attestation.FromRequest(info([]byte{0x30, 3, 0x06, 1, 0x2a}, want.Encode()))
		if err != nil || !same(got, &want) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if got, err := attestation.FromRequest(info()); got != nil || err != nil {
		t.Errorf("a request without: %+v, %v", got, err)
	}
	if _, err := attestation.FromRequest(info(full.Encode(), full.Encode())); err != attestation.FlawRepeated {
		t.Errorf("twice: %v", err)
	}
}

func same(a, b *attestation.Evidence) bool {
	return a != nil && bytes.Equal(a.Encode(), b.Encode())
}

func TestBounds(t *testing.T) {
	part := func(n int) attestation.Evidence {
		return attestation.Evidence{Certified: make([]byte, n), Signature: []byte{1}, KeyPublic: []byte{1}}
	}
	ticket := func(n int) attestation.Evidence {
		e := part(1)
		e.EKPublic, e.AKPublic, e.Ticket = []byte{1}, []byte{1}, make([]byte, n)
		return e
	}
	certificates := func(n int) attestation.Evidence {
		e := part(1)
		for range n {
			e.Certificates = append(e.Certificates, []byte{0x30, 0})
		}
		return e
	}
	long := func(n int) attestation.Evidence {
		e := part(1)
		e.Certificates = [][]byte{append([]byte{0x30, 0x82, byte((n - 4) >> 8), byte(n - 4)}, make([]byte, n-4)...)}
		return e
	}
	tests := []struct {
		name string
		make func(n int) attestation.Evidence
		most int
	}{
		{"structure", part, attestation.MaxStructure},
		{"ticket", ticket, attestation.MaxTicket},
		{"certificates", certificates, attestation.MaxCertificates},
		{"certificate", long, attestation.MaxCertificate},
	}
	for _, tt := range tests {
		for n, want := range map[int]error{tt.most - 1: nil, tt.most: nil, tt.most + 1: attestation.FlawMalformed} {
			e := tt.make(n)
			if _, err := attestation.FromRequest(info(e.Encode())); err != want {
				t.Errorf("%s of %d: %v, want %v", tt.name, n, err, want)
			}
		}
	}
}

// Whatever is cut off, it is an error and no crash.
func TestTruncated(t *testing.T) {
	tbs := request(t, "testdata/tpm-certify-csr.pem").RawTBSCertificateRequest
	for n := range tbs {
		if e, err := attestation.FromRequest(tbs[:n]); e != nil || err == nil {
			t.Fatalf("%d of %d bytes: %v, %v", n, len(tbs), e, err)
		}
	}
	e, err := attestation.FromRequest(tbs)
	if err != nil {
		t.Fatal(err)
	}
	for n := range e.KeyPublic {
		if _, err := attestation.ParsePublic(e.KeyPublic[:n]); err == nil {
			t.Fatalf("%d bytes of a public key were taken", n)
		}
	}
}

func FuzzFromRequest(f *testing.F) {
	f.Add(request(f, "testdata/tpm-certify-csr.pem").RawTBSCertificateRequest)
	full := attestation.Evidence{Certified: []byte("said"), Signature: []byte("sig"), KeyPublic: []byte("key"), EKPublic: []byte("ek"), AKPublic: []byte("ak"), Ticket: []byte("t")}
	f.Add(info(full.Encode()))
	f.Fuzz(func(t *testing.T, tbs []byte) {
		e, err := attestation.FromRequest(tbs)
		if err != nil || e == nil || e.Certified == nil {
			return
		}
		again, err := attestation.FromRequest(info(e.Encode()))
		if err != nil || !same(e, again) {
			t.Fatalf("%+v, %v", again, err)
		}
	})
}

func FuzzParsePublic(f *testing.F) {
	e, err := attestation.FromRequest(request(f, "testdata/tpm-certify-csr.pem").RawTBSCertificateRequest)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(e.KeyPublic)
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := attestation.ParsePublic(b); err == nil && (p.Key == nil || len(p.Name) < 34) {
			t.Fatal(p)
		}
	})
}
