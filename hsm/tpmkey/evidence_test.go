package tpmkey_test

import (
	"bytes"
	"crypto"
	"errors"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"mooring/hsm/key"
	"mooring/hsm/tpmkey"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/attestation"
	"mooring/internal/durable"
)

// proof is what a TPM gives for a key, after a challenge.
type proof struct {
	evidence attestation.Evidence
	nonce    []byte
	key      crypto.PublicKey
}

// prove goes through the whole exchange with a TPM.
func prove(t *testing.T, m *swtpmtest.TPM, algorithm key.Algorithm) proof {
	t.Helper()
	store, err := tpmkey.Open(durable.OS, tpmkey.Location{Device: m.Socket, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ref, signer, err := store.Create(t.Context(), key.Spec{Algorithm: algorithm})
	if err != nil {
		t.Fatal(err)
	}
	before, err := store.Attest(t.Context(), ref, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, ak, err := attestation.CheckKeys(before.EKPublic, before.AKPublic)
	if err != nil {
		t.Fatal(err)
	}
	secret := bytes.Repeat([]byte{0xa5}, key.MaxNonce)
	credential, encrypted, err := tpmkey.MakeCredential(before.EKPublic, ak.Name, secret)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := store.Activate(t.Context(), credential, encrypted)
	if err != nil || !bytes.Equal(opened, secret) {
		t.Fatalf("opened %x: %v", opened, err)
	}
	a, err := store.Attest(t.Context(), ref, opened)
	if err != nil {
		t.Fatal(err)
	}
	return proof{nonce: secret, key: signer.Public(), evidence: attestation.Evidence{Certified: a.Certified, Signature: a.Signature,
		KeyPublic: a.KeyPublic, EKPublic: a.EKPublic, AKPublic: a.AKPublic, Ticket: []byte("ticket")}}
}

func (p proof) verify() error {
	_, err := attestation.Verify(&p.evidence, p.key, func(_, _ *attestation.Public, ticket []byte) ([]byte, error) {
		if string(ticket) != "ticket" {
			return nil, attestation.FlawStale
		}
		return p.nonce, nil
	})
	return err
}

// altered is the public part of a key with other attributes.
func altered(t *testing.T, public []byte, change func(*tpm2.TPMAObject)) []byte {
	t.Helper()
	p, err := tpm2.Unmarshal[tpm2.TPMTPublic](public)
	if err != nil {
		t.Fatal(err)
	}
	change(&p.ObjectAttributes)
	return tpm2.Marshal(p)
}

// What a verifier takes from a TPM, and what it does not take from a liar.
func TestEvidence(t *testing.T) {
	mine, others := swtpmtest.Start(t), swtpmtest.Start(t)
	good, foreign, large := prove(t, mine, key.ECDSAP256), prove(t, others, key.ECDSAP256), prove(t, mine, key.RSA2048)
	tests := []struct {
		name   string
		from   proof
		change func(*proof)
		want   error
	}{
		{name: "P-256", from: good},
		{name: "RSA 2048", from: large},
		{name: "of another key", from: good, change: func(p *proof) { p.key = large.key }, want: attestation.FlawOtherKey},
		{name: "of a key in another TPM", from: good, change: func(p *proof) { p.key, p.evidence.KeyPublic = foreign.key, foreign.evidence.KeyPublic }, want: attestation.FlawOtherKey},
		{name: "by the AK of another TPM", from: good, change: func(p *proof) { p.evidence.AKPublic = foreign.evidence.AKPublic }, want: attestation.FlawSignature},
		{name: "replayed", from: good, change: func(p *proof) { p.nonce = []byte("another challenge") }, want: attestation.FlawNonce},
		{name: "with an old ticket", from: good, change: func(p *proof) { p.evidence.Ticket = []byte("old") }, want: attestation.FlawStale},
		{name: "no challenge was set", from: good, change: func(p *proof) { p.nonce = nil }, want: attestation.FlawNonce},
		{name: "without ticket", from: good, change: func(p *proof) { p.evidence.Ticket = nil }, want: attestation.FlawIncomplete},
		{name: "without AK", from: good, change: func(p *proof) { p.evidence.AKPublic = nil }, want: attestation.FlawIncomplete},
		{name: "an AK that signs anything", from: good, change: func(p *proof) {
			p.evidence.AKPublic = altered(t, p.evidence.AKPublic, func(a *tpm2.TPMAObject) { a.Restricted = false })
		}, want: attestation.FlawAK},
		{name: "an AK made outside", from: good, change: func(p *proof) {
			p.evidence.AKPublic = altered(t, p.evidence.AKPublic, func(a *tpm2.TPMAObject) { a.SensitiveDataOrigin = false })
		}, want: attestation.FlawAK},
		{name: "an EK that signs", from: good, change: func(p *proof) { p.evidence.EKPublic = p.evidence.AKPublic }, want: attestation.FlawEK},
		{name: "another public part of the key", from: good, change: func(p *proof) {
			p.evidence.KeyPublic = altered(t, p.evidence.KeyPublic, func(a *tpm2.TPMAObject) { a.NoDA = false })
		}, want: attestation.FlawOtherKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.from
			if tt.change != nil {
				tt.change(&p)
			}
			if err := p.verify(); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	for name, whole := range map[string][]byte{"certified": good.evidence.Certified, "signature": good.evidence.Signature, "EK": good.evidence.EKPublic} {
		for n := range whole {
			p := good
			switch name {
			case "certified":
				p.evidence.Certified = whole[:n]
			case "signature":
				p.evidence.Signature = whole[:n]
			default:
				p.evidence.EKPublic = whole[:n]
			}
			if p.verify() == nil {
				t.Fatalf("%d bytes of %s were taken", n, name)
			}
		}
	}
}
