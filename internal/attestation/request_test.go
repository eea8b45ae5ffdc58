package attestation_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"testing"

	"mooring/internal/attestation"
	"mooring/internal/pki"
)

// found reads back what CreateRequest wrote.
func found(t *testing.T, e *attestation.Evidence, key crypto.Signer) *attestation.Evidence {
	t.Helper()
	der, err := e.CreateRequest(rand.Reader, key, pkix.Name{CommonName: "dev1", Organization: []string{"Acme"}})
	if err != nil {
		t.Fatal(err)
	}
	csr, err := pki.CheckCSR(der, "dev1")
	if err != nil || !pki.SamePublicKey(csr.PublicKey, key.Public()) || len(csr.Subject.Organization) != 1 {
		t.Fatalf("%+v, %v", csr, err)
	}
	back, err := attestation.FromRequest(csr.RawTBSCertificateRequest)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func TestCreateRequest(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	long, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// The lengths of DER change at 128, 256 and 65,536.
	for _, n := range []int{1, 127, 128, 255, 256, attestation.MaxStructure} {
		part := make([]byte, n)
		e := &attestation.Evidence{Certified: part, Signature: part, KeyPublic: part, EKPublic: part, AKPublic: part, Ticket: part[:min(n, attestation.MaxTicket)],
			Certificates: [][]byte{{0x30, 0x00}}}
		for name, key := range map[string]crypto.Signer{"P-256": newKey(t), "P-384": long, "RSA": short} {
			if back := found(t, e, key); !same(back, e) {
				t.Errorf("%s, %d: %+v", name, n, back)
			}
		}
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&attestation.Evidence{}).CreateRequest(rand.Reader, other, pkix.Name{CommonName: "dev1"}); err == nil {
		t.Error("a request for a key that no TPM has")
	}
}

func FuzzCreateRequest(f *testing.F) {
	key := newKey(f)
	f.Add([]byte{1}, []byte{2}, []byte{3}, []byte{4}, []byte{5}, []byte{6})
	f.Add(make([]byte, 127), make([]byte, 128), make([]byte, 255), make([]byte, 256), make([]byte, attestation.MaxStructure), make([]byte, attestation.MaxTicket))
	f.Fuzz(func(t *testing.T, certified, signature, keyPublic, ekPublic, akPublic, ticket []byte) {
		for _, part := range [][]byte{certified, signature, keyPublic, ekPublic, akPublic} {
			if len(part) > attestation.MaxStructure || len(part) == 0 {
				return // no TPM gives that
			}
		}
		if len(ticket) > attestation.MaxTicket || len(ticket) == 0 {
			return
		}
		e := &attestation.Evidence{Certified: certified, Signature: signature, KeyPublic: keyPublic, EKPublic: ekPublic, AKPublic: akPublic, Ticket: ticket}
		if back := found(t, e, key); !same(back, e) {
			t.Errorf("%+v became %+v", e, back)
		}
	})
}
