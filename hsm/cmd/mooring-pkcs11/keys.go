//go:build cgo && linux

package main

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/eclipse-keypont/crypto11"

	"mooring/hsm/pkcs11key/wire"
)

// list returns the keys, and what is left of keys of ours that were half made
// or half destroyed, so that somebody destroys the rest.
func (t *token) list(r *wire.Request) ([]string, error) {
	// In some modules the sessions of a token that was pulled see it empty.
	if _, err := t.same(); err != nil {
		return nil, err
	}
	objects, err := t.objects(nil)
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, o := range objects {
		if len(o.id) == 0 || isSealingLabel(o.label) || !o.private && o.label != wire.RefOf(o.label, o.id) {
			continue
		}
		if r.Object != "" && r.Object != o.label || len(r.ObjectID) > 0 && !bytes.Equal(r.ObjectID, o.id) {
			continue
		}
		refs = append(refs, wire.RefOf(o.label, o.id))
	}
	slices.Sort(refs)
	refs = slices.Compact(refs)
	if len(refs) > wire.MaxRefs {
		return nil, refused(fmt.Sprintf("the token holds more than %d keys", wire.MaxRefs))
	}
	return refs, nil
}

// create makes a key named r.Ref, which the asker chose: whatever happens on
// the way, it can find and destroy what there is of it.
func (t *token) create(r *wire.Request) ([]byte, error) {
	id, ok := wire.IDOf(r.Ref)
	if !ok {
		return nil, refused("a key cannot be named so")
	}
	public, err := crypto11.NewAttributeSetWithIDAndLabel(id, []byte(r.Ref))
	if err != nil {
		return nil, err
	}
	private := public.Copy()
	var signer crypto11.Signer
	switch r.Algorithm {
	case "ecdsa-p256":
		signer, err = t.ctx.GenerateECDSAKeyPairWithAttributes(public, private, elliptic.P256())
	case "ecdsa-p384":
		signer, err = t.ctx.GenerateECDSAKeyPairWithAttributes(public, private, elliptic.P384())
	case "rsa-2048", "rsa-3072", "rsa-4096":
		bits := map[string]int{"rsa-2048": 2048, "rsa-3072": 3072, "rsa-4096": 4096}[r.Algorithm]
		// CKA_DECRYPT stays true: tpm2-pkcs11 makes no RSA keys for signing alone.
		signer, err = t.ctx.GenerateRSAKeyPairWithAttributes(public, private, bits)
	default:
		return nil, refused("an unknown algorithm")
	}
	if err != nil {
		return nil, err
	}
	t.keys[r.Ref] = signer
	return x509.MarshalPKIXPublicKey(signer.Public())
}

func (t *token) public(ref string) ([]byte, error) {
	signer, err := t.find(ref)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(signer.Public())
}

// find returns the one key of a name. It is remembered while the token stays
// open: handles mean nothing afterwards.
func (t *token) find(ref string) (crypto11.Signer, error) {
	if signer, ok := t.keys[ref]; ok {
		return signer, nil
	}
	id, ok := wire.IDOf(ref)
	if !ok {
		return nil, &wire.Fault{Kind: wire.KindNotFound}
	}
	objects, err := t.objects(id)
	if err != nil {
		return nil, err
	}
	var label []byte
	matches := 0
	for _, o := range objects {
		if o.private && wire.RefOf(o.label, o.id) == ref {
			matches++
			label = []byte(o.label)
		}
	}
	switch {
	case matches == 0:
		return nil, &wire.Fault{Kind: wire.KindNotFound}
	case matches > 1:
		return nil, &wire.Fault{Kind: wire.KindAmbiguous, Text: fmt.Sprintf("%d private keys have the ID %x and the label %q", matches, id, label)}
	}
	signer, err := t.ctx.FindKeyPair(id, label)
	if err != nil {
		return nil, err
	}
	if signer == nil || signer.Public() == nil {
		return nil, refused("the token holds a private key " + ref + " without its public half or a certificate")
	}
	always, err := t.ctx.GetAttribute(signer, crypto11.CkaAlwaysAuthenticate)
	if err == nil && always != nil && len(always.Value) == 1 && always.Value[0] != 0 {
		return nil, refused("the key " + ref + " wants the PIN for each signature (CKA_ALWAYS_AUTHENTICATE), which is for people, not for devices")
	}
	t.keys[ref] = signer
	return signer, nil
}

func (t *token) sign(r *wire.Request) ([]byte, error) {
	signer, err := t.find(r.Ref)
	if err != nil {
		return nil, err
	}
	opts := crypto.SignerOpts(crypto.Hash(r.Hash))
	if r.PSS {
		opts = &rsa.PSSOptions{SaltLength: r.Salt, Hash: crypto.Hash(r.Hash)}
	}
	return signer.Sign(rand.Reader, r.Digest, opts)
}

// destroy removes all that has the name: the private half first.
func (t *token) destroy(ref string) error {
	id, ok := wire.IDOf(ref)
	if !ok {
		return &wire.Fault{Kind: wire.KindNotFound}
	}
	objects, err := t.objects(id)
	if err != nil {
		return err
	}
	objects = slices.DeleteFunc(objects, func(o object) bool { return wire.RefOf(o.label, o.id) != ref })
	if len(objects) == 0 {
		return &wire.Fault{Kind: wire.KindNotFound}
	}
	delete(t.keys, ref)
	return t.remove(objects)
}
