package ca

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"mooring/hsm/key"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// refPrefix begins what is sealed for a key that is in a key store: its Ref
// follows. A key that is sealed itself is DER, which begins with 0x30.
const refPrefix = "ref:"

// labelPrefix begins the labels of issuer keys in a key store.
const labelPrefix = "mooring-ca-"

// newKey makes an issuer key: in the key store, if there is one. undo destroys
// it again, for when no tenant has got it.
func (s *Service) newKey(ctx context.Context, tenant platform.TenantID) (signer crypto.Signer, sealed platform.SealedKey, undo func(), err error) {
	undo = func() {}
	if s.keyStore == nil {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, sealed, undo, fmt.Errorf("generate issuer key: %w", err)
		}
		sealed, err = s.sealKey(ctx, tenant, k)
		return k, sealed, undo, err
	}
	var spec key.Spec
	if chooser, ok := s.keyStore.(key.Chooser); ok {
		all, err := chooser.Algorithms(ctx)
		if err != nil || len(all) == 0 {
			return nil, sealed, undo, unreachable(errors.Join(err, errors.New("what keys it makes is not known")))
		}
		spec.Algorithm = all[0]
	}
	n, err := s.makeNote(ctx, tenant)
	if err != nil {
		return nil, sealed, undo, err
	}
	spec.Label = n.label
	ref, signer, err := s.keyStore.Create(ctx, spec)
	if err != nil { // there may be something of it: the note stays for SweepKeys
		return nil, sealed, undo, unreachable(err)
	}
	undo = func() {
		ctx := context.WithoutCancel(ctx)
		err := s.keyStore.Destroy(ctx, ref)
		if err == nil {
			err = s.dropNote(ctx, n)
		}
		if err != nil {
			s.log.Warn("a key of no issuer is left for the next sweep", "tenant", tenant, "key", ref, "err", err)
		}
	}
	sealed, err = s.vault.Seal(ctx, tenant, purpose, pki.SerialHex(newSerial()), []byte(refPrefix+string(ref)))
	return signer, sealed, undo, err
}

// keyFrom opens what newKey sealed.
func (s *Service) keyFrom(ctx context.Context, plain []byte) (crypto.Signer, error) {
	ref, ok := strings.CutPrefix(string(plain), refPrefix)
	if !ok {
		return parseKey(plain)
	}
	if s.keyStore == nil {
		return nil, unreachable(errors.New("the key of the issuer is in a key store, and keys.authority names none"))
	}
	signer, err := s.keyStore.Open(ctx, key.Ref(ref))
	if err != nil {
		return nil, unreachable(err)
	}
	return signer, nil
}

// unreachable is what a peer hears when the key store does not help.
func unreachable(cause error) error {
	return problem.New(problem.Unavailable, "the certificate authority's key cannot be used now", cause)
}
