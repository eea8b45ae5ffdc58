package agent

import (
	"context"
	"crypto"
	"sync"

	"mooring/agent/config"
	"mooring/agent/identity"
	"mooring/hsm/key"
	"mooring/internal/attestation"
	"mooring/internal/est/estclient"
)

// provable is a key in a TPM that the server may ask to prove that.
type provable struct {
	crypto.Signer
	ref    key.Ref
	keys   key.Attester
	known  *tpmKeys
	always bool
}

var _ estclient.Prover = (*provable)(nil)

// tpmKeys are what a TPM has beside the device's own key. They stay the same until it
// is cleared, and to make them takes some TPMs many seconds.
type tpmKeys struct {
	mu     sync.Mutex // guards ek and ak
	ek, ak []byte
}

// provable makes the key of a new identity one that proves where it is, if it can and
// the configuration lets it.
func (a *Agent) provable(id *identity.Identity) crypto.Signer {
	attester, able := a.keys.(key.Attester)
	if !able || a.cfg.Attestation == config.AttestationOff {
		return id.Signer
	}
	return &provable{id.Signer, id.KeyRef, attester, &a.tpm, a.cfg.Attestation == config.AttestationAlways}
}

// Always implements estclient.Prover.
func (p *provable) Always() bool { return p.always }

// Keys implements estclient.Prover.
func (p *provable) Keys(ctx context.Context) (ekPublic, akPublic []byte, err error) {
	p.known.mu.Lock()
	defer p.known.mu.Unlock()
	if p.known.ek == nil {
		found, err := p.keys.Attest(ctx, p.ref, nil)
		if err != nil {
			return nil, nil, err
		}
		p.known.ek, p.known.ak = found.EKPublic, found.AKPublic
	}
	return p.known.ek, p.known.ak, nil
}

// Prove implements estclient.Prover. A TPM that does not open the challenge may be
// another one than before: its keys are asked for again.
func (p *provable) Prove(ctx context.Context, ticket, credential, secret []byte) (*attestation.Evidence, error) {
	nonce, err := p.keys.Activate(ctx, credential, secret)
	if err != nil {
		p.known.mu.Lock()
		p.known.ek = nil
		p.known.mu.Unlock()
		return nil, err
	}
	a, err := p.keys.Attest(ctx, p.ref, nonce)
	if err != nil {
		return nil, err
	}
	e := &attestation.Evidence{Certified: a.Certified, Signature: a.Signature, KeyPublic: a.KeyPublic, EKPublic: a.EKPublic, AKPublic: a.AKPublic, Ticket: ticket}
	if len(a.EKCertificate) > 0 {
		e.Certificates = [][]byte{a.EKCertificate}
	}
	return e, nil
}
