// Package attesttest is a device that attests, for tests of who judges it: a TPM in
// software, a key in it and certificate requests that carry the proof.
package attesttest

import (
	"crypto"
	"crypto/rand"
	"crypto/x509/pkix"
	"testing"

	"mooring/hsm/key"
	"mooring/hsm/tpmkey"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/attestation"
	"mooring/internal/durable"
)

// Device has a key in a TPM.
type Device struct {
	t     testing.TB
	store *tpmkey.Store
	ref   key.Ref
	Key   crypto.Signer
	// EKPublic and AKPublic are what it asks a challenge for.
	EKPublic, AKPublic []byte
	ekCertificate      []byte
}

// Challenge is what a verifier answers.
type Challenge struct{ Ticket, Credential, Secret []byte }

// New makes a key in m.
func New(t testing.TB, m *swtpmtest.TPM) *Device {
	t.Helper()
	store, err := tpmkey.Open(durable.OS, tpmkey.Location{Device: m.Socket, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() }) // its TPM is stopped anyway
	d := &Device{t: t, store: store}
	d.Rekey()
	a := d.attest(nil)
	d.EKPublic, d.AKPublic, d.ekCertificate = a.EKPublic, a.AKPublic, a.EKCertificate
	return d
}

// Rekey gives the device another key in the same TPM.
func (d *Device) Rekey() {
	d.t.Helper()
	var err error
	if d.ref, d.Key, err = d.store.Create(d.t.Context(), key.Spec{}); err != nil {
		d.t.Fatal(err)
	}
}

func (d *Device) attest(nonce []byte) *key.Attestation {
	d.t.Helper()
	a, err := d.store.Attest(d.t.Context(), d.ref, nonce)
	if err != nil {
		d.t.Fatal(err)
	}
	return a
}

// Evidence answers a challenge.
func (d *Device) Evidence(c Challenge) *attestation.Evidence {
	d.t.Helper()
	opened, err := d.store.Activate(d.t.Context(), c.Credential, c.Secret)
	if err != nil {
		d.t.Fatal(err)
	}
	a := d.attest(opened)
	e := &attestation.Evidence{Certified: a.Certified, Signature: a.Signature, KeyPublic: a.KeyPublic, EKPublic: a.EKPublic, AKPublic: a.AKPublic, Ticket: c.Ticket}
	if len(d.ekCertificate) > 0 {
		e.Certificates = [][]byte{d.ekCertificate}
	}
	return e
}

// Request is a certificate request with evidence, signed by signer.
func Request(t testing.TB, signer crypto.Signer, cn string, e *attestation.Evidence) []byte {
	t.Helper()
	der, err := e.CreateRequest(rand.Reader, signer, pkix.Name{CommonName: cn})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// Request is the device's own, in answer to a challenge.
func (d *Device) Request(cn string, c Challenge) []byte {
	d.t.Helper()
	return Request(d.t, d.Key, cn, d.Evidence(c))
}
