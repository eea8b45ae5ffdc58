//go:build cgo && linux

package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/eclipse-keypont/crypto11"
	"github.com/miekg/pkcs11"

	"mooring/hsm/pkcs11key/wire"
)

const (
	sealingPrefix = "mooring-kek"
	nonceBytes    = 12
	tagBits       = 128
	maxWrapped    = 1024
	kekBits       = 256
	kekRSABits    = 2048
)

// isSealingLabel tells keys of sealers, which are not keys of the store.
func isSealingLabel(label string) bool { return strings.HasPrefix(label, sealingPrefix) }

// sealingKey wraps and unwraps the keys of sealed data.
type sealingKey struct {
	id               []byte
	encrypt, decrypt pkcs11.ObjectHandle
	rsa              bool
}

// sealer finds the sealing key of a label: an AES key, or an RSA pair where the
// token has no AES-GCM. If there is none it makes one, when it may.
func (t *token) sealer(r *wire.Request) ([]byte, error) {
	kek, err := t.findSealer(r.Label)
	if err != nil {
		return nil, err
	}
	if kek == nil {
		if !r.New {
			return nil, &wire.Fault{Kind: wire.KindNotFound}
		}
		if err := t.makeSealer(r.Label); err != nil {
			return nil, err
		}
		if kek, err = t.findSealer(r.Label); err != nil {
			return nil, err
		}
		if kek == nil {
			return nil, refused("the token made a key and does not show it")
		}
	}
	t.kek = kek
	return kek.id, t.tryOut()
}

// useSealer finds the key again after the token was opened anew.
func (t *token) useSealer(r *wire.Request, use func([]byte) ([]byte, error)) (out []byte, err error) {
	if t.kek == nil {
		if t.kek, err = t.findSealer(r.Label); err != nil {
			return nil, err
		}
	}
	if t.kek == nil || !bytes.Equal(t.kek.id, r.ObjectID) {
		t.kek = nil
		return nil, refused("the sealing key " + r.Label + " is gone from the token, or was replaced")
	}
	return use(r.Data)
}

func (t *token) findSealer(label string) (kek *sealingKey, err error) {
	err = t.withSession(func(session pkcs11.SessionHandle) error {
		named := func(class uint) ([]pkcs11.ObjectHandle, error) {
			return t.search(session, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, class),
				pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label)})
		}
		secret, err1 := named(pkcs11.CKO_SECRET_KEY)
		private, err2 := named(pkcs11.CKO_PRIVATE_KEY)
		public, err3 := named(pkcs11.CKO_PUBLIC_KEY)
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		switch {
		case len(secret) == 0 && len(private) == 0:
			return nil
		case len(secret)+len(private) > 1:
			return &wire.Fault{Kind: wire.KindAmbiguous, Text: fmt.Sprintf("%d keys have the label %s", len(secret)+len(private), label)}
		case len(secret) == 1:
			kek = &sealingKey{encrypt: secret[0], decrypt: secret[0]}
		case len(public) != 1:
			return refused("the RSA key " + label + " has no public half")
		default:
			kek = &sealingKey{encrypt: public[0], decrypt: private[0], rsa: true}
		}
		kek.id, _, err = t.nameOf(session, kek.decrypt)
		if err == nil && len(kek.id) == 0 {
			return refused("the key " + label + " has no CKA_ID, by which sealed data name it")
		}
		return err
	})
	return kek, err
}

func (t *token) makeSealer(label string) error {
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	attributes, err := crypto11.NewAttributeSetWithIDAndLabel(id, []byte(label))
	if err != nil {
		return err
	}
	_, noGCM := t.raw.GetMechanismInfo(t.slot, mechanism(pkcs11.CKM_AES_GCM))
	_, noAES := t.raw.GetMechanismInfo(t.slot, mechanism(pkcs11.CKM_AES_KEY_GEN))
	if noGCM == nil && noAES == nil {
		_, err = t.ctx.GenerateSecretKeyWithAttributes(attributes, kekBits, crypto11.CipherAES)
		return err
	}
	public, private := attributes.Copy(), attributes.Copy()
	if err := errors.Join(public.Set(crypto11.CkaVerify, false), private.Set(crypto11.CkaSign, false)); err != nil {
		return err
	}
	_, err = t.ctx.GenerateRSAKeyPairWithAttributes(public, private, kekRSABits)
	return err
}

// mechanismFor gives the parameters of one operation, and what frees them. OAEP
// is with SHA-1, which all tokens do; its strength does not rest on collisions.
func (k *sealingKey) mechanismFor(nonce []byte) ([]*pkcs11.Mechanism, func()) {
	if k.rsa {
		return []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_OAEP,
			pkcs11.NewOAEPParams(pkcs11.CKM_SHA_1, pkcs11.CKG_MGF1_SHA1, pkcs11.CKZ_DATA_SPECIFIED, nil))}, func() {}
	}
	params := pkcs11.NewGCMParams(nonce, nil, tagBits)
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}, params.Free
}

func (k *sealingKey) nonceLength() int {
	if k.rsa {
		return 0
	}
	return nonceBytes
}

// wrap encrypts a key: nonce and ciphertext, or a ciphertext of RSA.
func (t *token) wrap(plain []byte) (wrapped []byte, err error) {
	nonce := make([]byte, t.kek.nonceLength())
	_, _ = rand.Read(nonce)
	m, free := t.kek.mechanismFor(nonce)
	defer free()
	err = t.withSession(func(session pkcs11.SessionHandle) error {
		if err := t.raw.EncryptInit(session, m, t.kek.encrypt); err != nil {
			return fmt.Errorf("encrypt: %w", err)
		}
		out, err := t.raw.Encrypt(session, plain)
		if err != nil {
			return fmt.Errorf("encrypt: %w", err)
		}
		wrapped = append(nonce, out...)
		return nil
	})
	return wrapped, err
}

// unwrap is the inverse. Modules answer damaged data with whatever code: if the
// key works on good data and these fail once more, they are damaged.
func (t *token) unwrap(wrapped []byte) ([]byte, error) {
	plain, err := t.decrypt(wrapped)
	if err == nil || t.tryOut() != nil {
		return plain, err
	}
	if plain, err = t.decrypt(wrapped); err != nil {
		return nil, &wire.Fault{Kind: wire.KindSealed}
	}
	return plain, nil
}

func (t *token) decrypt(wrapped []byte) (plain []byte, err error) {
	n := t.kek.nonceLength()
	if len(wrapped) <= n || len(wrapped) > maxWrapped {
		return nil, &wire.Fault{Kind: wire.KindSealed}
	}
	m, free := t.kek.mechanismFor(wrapped[:n])
	defer free()
	err = t.withSession(func(session pkcs11.SessionHandle) error {
		if err := t.raw.DecryptInit(session, m, t.kek.decrypt); err != nil {
			return fmt.Errorf("decrypt: %w", err)
		}
		plain, err = t.raw.Decrypt(session, wrapped[n:])
		if err != nil {
			return fmt.Errorf("decrypt: %w", err)
		}
		return nil
	})
	return plain, err
}

// tryOut wraps and unwraps something.
func (t *token) tryOut() error {
	want := []byte(hex.EncodeToString(make([]byte, 16)))
	wrapped, err := t.wrap(want)
	if err != nil {
		return err
	}
	got, err := t.decrypt(wrapped)
	if err == nil && !bytes.Equal(got, want) {
		return refused("the sealing key does not decrypt what it encrypted")
	}
	return err
}
