// Package key is the seam between what needs a private key and where it lives.
//
// A Store creates keys and opens them again by their Ref; elsewhere a key is a
// crypto.Signer and nothing more. A Sealer encrypts small secrets under a key
// that never leaves its place. Implementations are in the packages beside this
// one; package hsm opens them by URI, package hsmtest holds them to these
// contracts.
package key

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotFound says that the store has no key of that name.
	ErrNotFound = errors.New("no such key")
	// ErrAway says that the token or TPM that holds the keys cannot be reached now.
	// Trying again later may help.
	ErrAway = errors.New("the key store is away")
	// ErrLost says that the private key cannot be had any more, although its name
	// is known: it was made by another TPM, or that one was cleared.
	ErrLost = errors.New("the key is lost")
	// ErrBarred says that the store does not take the PIN or passphrase. A person
	// must help.
	ErrBarred = errors.New("the key store does not let this program in")
	// ErrSealed says that sealed data cannot be opened: it was sealed by
	// another key or for other associated data, or somebody changed it.
	ErrSealed = errors.New("sealed data cannot be opened with this key")
)

// MaxPlaintext and MaxAAD bound what a Sealer takes: keys and passwords, no
// documents.
const (
	MaxPlaintext = 64 << 10
	MaxAAD       = 4 << 10
)

// MaxLabelBytes bounds Spec.Label. TPM and PKCS#11 backends store it.
const MaxLabelBytes = 64

// Algorithm is a kind of key.
type Algorithm int

// The algorithms. The zero value is what a device uses unless told otherwise.
const (
	ECDSAP256 Algorithm = iota
	ECDSAP384
	RSA2048
	RSA3072
	RSA4096
)

var algorithmNames = [...]string{"ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"}

// String names the algorithm as configuration does.
func (a Algorithm) String() string {
	if a < 0 || int(a) >= len(algorithmNames) {
		return fmt.Sprintf("algorithm %d", int(a))
	}
	return algorithmNames[a]
}

// ParseAlgorithm is the inverse of String. The empty text is the zero value.
func ParseAlgorithm(s string) (Algorithm, error) {
	if s == "" {
		return ECDSAP256, nil
	}
	for i, name := range algorithmNames {
		if s == name {
			return Algorithm(i), nil
		}
	}
	return 0, fmt.Errorf("unknown key algorithm %q; known are %v", s, algorithmNames)
}

// AlgorithmOf says which algorithm a public key is of.
func AlgorithmOf(public crypto.PublicKey) (Algorithm, error) {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return ECDSAP256, nil
		case elliptic.P384():
			return ECDSAP384, nil
		}
	case *rsa.PublicKey:
		switch k.N.BitLen() {
		case 2048:
			return RSA2048, nil
		case 3072:
			return RSA3072, nil
		case 4096:
			return RSA4096, nil
		}
	}
	return 0, errors.New("the key is of an algorithm without a name here")
}

// Spec says what key to create. The zero value is an unlabelled P-256 key.
type Spec struct {
	Algorithm Algorithm
	Label     string // for people and tools; need not be unique
}

// Ref is how a store names one key. It is printable, holds no secret, means
// something to its store alone and stays the same for the life of the key; it
// is kept in the metadata of an identity.
type Ref string

// Store keeps private keys. It may be used by several goroutines at once, and
// so may the signers it returns. Signers work until Close.
type Store interface {
	// Create makes a new key. When it returns, the key survives a power cut.
	Create(ctx context.Context, spec Spec) (Ref, crypto.Signer, error)
	// Open returns an existing key, or ErrNotFound.
	Open(ctx context.Context, ref Ref) (crypto.Signer, error)
	// List returns the keys that Open would find, sorted.
	List(ctx context.Context) ([]Ref, error)
	// Destroy removes a key for good, or returns ErrNotFound.
	Destroy(ctx context.Context, ref Ref) error
	Close() error
}

// Chooser is a Store that knows which keys it makes: some tokens know RSA alone.
type Chooser interface {
	// Algorithms lists them, best first.
	Algorithms(ctx context.Context) ([]Algorithm, error)
}

// Limiter is a Store whose signatures have a time limit: one without answer is
// given up, and what makes it is started anew.
type Limiter interface {
	// SetSignLimit replaces the limit of the store, before it is used.
	SetSignLimit(time.Duration)
}

// Resetter is a Store that knows its chip and makes keys with no other.
type Resetter interface {
	// Reset has the store take the chip that is there for its own. Keys made with
	// another one, or before this one was cleared, are lost.
	Reset(ctx context.Context) error
}

// Rememberer is a Store whose token locks itself after a few wrong PINs. It notes
// in a directory which one the token refused, so that a process that is started
// again and again tries it once.
type Rememberer interface {
	// Remember names the directory, which exists, before the store is used.
	Remember(dir string)
}

// Recovery is one step that a store took to get at its keys again after a fault.
type Recovery struct {
	// Step says what was replaced: "session", "login", "module" or "helper".
	Step  string
	Cause error // the fault
	Took  time.Duration
	Err   error // nil: the step was done. Whether it helped shows the next use.
}

// Recoverer is a Store or Sealer that mends itself and tells of it.
type Recoverer interface {
	// OnRecovery has f called after each step. It must not use the store.
	OnRecovery(f func(Recovery))
}

// Attestation is what a TPM says of a key, for a verifier that knows the makers of
// TPMs. Structures are in the TPM's own encoding (TPM 2.0 Part 2).
//
// Certified, signed by the attestation key, says that the key is in the TPM that
// has the attestation key. That this TPM is the one of the EK certificate shows
// when Activate opens what the verifier has sealed to both (TPM2_MakeCredential).
type Attestation struct {
	EKCertificate []byte `json:"ek_certificate,omitempty"` // X.509, DER; none: the TPM has none
	EKPublic      []byte `json:"ek_public"`                // TPMT_PUBLIC
	AKPublic      []byte `json:"ak_public"`                // TPMT_PUBLIC
	KeyPublic     []byte `json:"key_public"`               // TPMT_PUBLIC
	Certified     []byte `json:"certified"`                // TPMS_ATTEST of TPM2_Certify
	Signature     []byte `json:"signature"`                // TPMT_SIGNATURE, ECDSA with SHA-256
}

// MaxNonce bounds what a verifier has signed along.
const MaxNonce = 32

// Attester is a Store that proves where its keys are.
type Attester interface {
	// Attest has a key certified, and nonce along with it.
	Attest(ctx context.Context, ref Ref, nonce []byte) (*Attestation, error)
	// Activate opens what a verifier has sealed to the endorsement key and the
	// attestation key, which nothing but their TPM can: an ID object and an
	// encrypted seed in the TPM's encoding, without the length in front.
	Activate(ctx context.Context, credential, secret []byte) ([]byte, error)
}

// Importer is a Store that also takes keys that were made elsewhere. Chips do
// not: a key that was outside is no secret of theirs.
type Importer interface {
	// Import keeps the key, which is in memory, under a new name. When it returns,
	// the key survives a power cut.
	Import(ctx context.Context, signer crypto.Signer, label string) (Ref, error)
}

// Sealer encrypts under a key that never leaves its place. Associated data is
// not in the result, but must be the same again. It may be used by several
// goroutines at once.
type Sealer interface {
	// Seal encrypts at most MaxPlaintext bytes. Sealing the same twice gives
	// different results.
	Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error)
	// Unseal is the inverse of Seal, or ErrSealed.
	Unseal(ctx context.Context, sealed, aad []byte) ([]byte, error)
	// SealerID names the key, so that sealed data can say which one it needs.
	SealerID() string
}
