package pkcs11key

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key/wire"
	"mooring/internal/pki"
)

// Signer signs with one key. It may be used by several goroutines at once.
type Signer struct {
	supervisor *supervisor
	ref        key.Ref
	public     crypto.PublicKey
}

var _ crypto.Signer = (*Signer)(nil)

func newSigner(s *supervisor, ref key.Ref, public crypto.PublicKey) (*Signer, error) {
	switch public.(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey:
		return &Signer{supervisor: s, ref: ref, public: public}, nil
	}
	return nil, &Error{Kind: Refused, Text: fmt.Sprintf("the key %s is of an unknown kind, %T", ref, public)}
}

// Public implements crypto.Signer.
func (s *Signer) Public() crypto.PublicKey { return s.public }

// Sign implements crypto.Signer. Randomness comes from the token. Each
// signature is verified before it is given out: another key may have got the
// name, and some tokens make PSS salts that TLS 1.3 refuses.
func (s *Signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	h := opts.HashFunc()
	if h != crypto.SHA256 && h != crypto.SHA384 && h != crypto.SHA512 {
		return nil, errors.New("a token key signs digests of SHA-256, SHA-384 and SHA-512")
	}
	if len(digest) != h.Size() {
		return nil, fmt.Errorf("a digest of %v has %d bytes, not %d", h, h.Size(), len(digest))
	}
	r := wire.Request{Op: wire.OpSign, Ref: string(s.ref), Digest: digest, Hash: uint(h)}
	switch public := s.public.(type) {
	case *ecdsa.PublicKey:
		// FIPS 186-5 §6.4.1: the leftmost bits. Not all tokens do that themselves.
		r.Digest = digest[:min(len(digest), (public.Curve.Params().BitSize+7)/8)]
	case *rsa.PublicKey:
		if pss, ok := opts.(*rsa.PSSOptions); ok {
			if r.PSS, r.Salt = true, pss.SaltLength; r.Salt == rsa.PSSSaltLengthAuto || r.Salt == rsa.PSSSaltLengthEqualsHash {
				r.Salt = h.Size()
			}
			if r.Salt < 0 {
				return nil, errors.New("a negative length of salt")
			}
		}
	}
	// A signature has no context: TLS passes none. The limit of a request and the
	// number of tries bound it.
	answer, err := s.supervisor.do(context.Background(), r)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := s.verify(h, digest, answer.Data, r); err != nil {
		return nil, &Error{Kind: Refused, Text: "the token's signature does not fit the key " + string(s.ref),
			Hint: "another key may have got its name; use ecdsa-p256 if this one is RSA", err: err}
	}
	return answer.Data, nil
}

func (s *Signer) verify(h crypto.Hash, digest, signature []byte, r wire.Request) error {
	switch public := s.public.(type) {
	case *rsa.PublicKey:
		if r.PSS {
			return rsa.VerifyPSS(public, h, digest, signature, &rsa.PSSOptions{SaltLength: r.Salt})
		}
		return rsa.VerifyPKCS1v15(public, h, digest, signature)
	case *ecdsa.PublicKey:
		if !ecdsa.VerifyASN1(public, digest, signature) {
			return errors.New("ECDSA verification failed")
		}
	}
	return nil
}

// CheckSignature signs and verifies once.
func (s *Signer) CheckSignature() error { return pki.SignVerify(s) }
