package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"mooring/internal/problem"
)

// Bounds of RSA keys: below 2048 bits they are weak (contract est-interop.md
// §2 item 9), above 8192 bits crypto/tls refuses them and a verification
// costs a server more than it should.
const (
	MinRSABits = 2048
	MaxRSABits = 8192
)

// CheckKeyStrength accepts RSA of MinRSABits to MaxRSABits with an odd exponent
// of at least 3, the curves P-256, P-384 and P-521, and Ed25519. Anything else
// is problem.Unprocessable.
func CheckKeyStrength(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return checkRSA(k)
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return problem.New(problem.Unprocessable, "the curve of the key is none of P-256, P-384 and P-521", nil)
	case ed25519.PublicKey:
		return nil
	}
	return problem.New(problem.Unprocessable, "the key is neither RSA, ECDSA nor Ed25519", nil)
}

func checkRSA(k *rsa.PublicKey) error {
	if k.N == nil || k.N.BitLen() < MinRSABits {
		return problem.New(problem.Unprocessable, "the RSA key is shorter than 2048 bits", nil)
	}
	if k.N.BitLen() > MaxRSABits {
		return problem.New(problem.Unprocessable, "the RSA key is longer than 8192 bits", nil)
	}
	if k.E < 3 || k.E%2 == 0 {
		return problem.New(problem.Unprocessable, "the exponent of the RSA key is even or below 3", nil)
	}
	return nil
}

// SamePublicKey reports whether a and b are the same key of the same type.
func SamePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// KeyMatches reports whether signer claims the public key of c. SignVerify
// proves that it also holds the private one.
func KeyMatches(c *x509.Certificate, signer crypto.Signer) bool {
	return c != nil && signer != nil && SamePublicKey(c.PublicKey, signer.Public())
}

// SignVerify proves that signer holds the private key of its public key: it
// signs random bytes and verifies the result.
func SignVerify(signer crypto.Signer) error {
	message := make([]byte, 32)
	if _, err := rand.Read(message); err != nil {
		return fmt.Errorf("read random bytes: %w", err)
	}
	digest := sha256.Sum256(message)
	if pub, ok := signer.Public().(ed25519.PublicKey); ok {
		sig, err := signer.Sign(rand.Reader, message, crypto.Hash(0))
		if err != nil {
			return fmt.Errorf("sign: %w", err)
		}
		return verdict(ed25519.Verify(pub, message, sig))
	}
	sig, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	switch pub := signer.Public().(type) {
	case *ecdsa.PublicKey:
		return verdict(ecdsa.VerifyASN1(pub, digest[:], sig))
	case *rsa.PublicKey:
		return verdict(rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig) == nil)
	}
	return errors.New("the key is neither RSA, ECDSA nor Ed25519")
}

func verdict(ok bool) error {
	if !ok {
		return errors.New("the key's signature does not verify with its public key")
	}
	return nil
}
