package pki_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"math/big"
	"testing"

	"mooring/internal/pki"
	"mooring/internal/problem"
)

func TestCheckKeyStrength(t *testing.T) {
	modulus := func(bits uint) *big.Int {
		return new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), bits-1), big.NewInt(1))
	}
	ec := func(c elliptic.Curve) crypto.PublicKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k.Public()
	}
	ed, _, _ := ed25519.GenerateKey(rand.Reader)
	x, _ := ecdh.X25519().GenerateKey(rand.Reader)
	tests := []struct {
		name string
		pub  crypto.PublicKey
		ok   bool
	}{
		{name: "RSA 2047", pub: &rsa.PublicKey{N: modulus(2047), E: 65537}},
		{name: "RSA 2048", pub: &rsa.PublicKey{N: modulus(2048), E: 65537}, ok: true},
		{name: "RSA 2049", pub: &rsa.PublicKey{N: modulus(2049), E: 65537}, ok: true},
		{name: "RSA 8191", pub: &rsa.PublicKey{N: modulus(8191), E: 65537}, ok: true},
		{name: "RSA 8192", pub: &rsa.PublicKey{N: modulus(8192), E: 65537}, ok: true},
		{name: "RSA 8193", pub: &rsa.PublicKey{N: modulus(8193), E: 65537}},
		{name: "exponent 1", pub: &rsa.PublicKey{N: modulus(2048), E: 1}},
		{name: "exponent 2", pub: &rsa.PublicKey{N: modulus(2048), E: 2}},
		{name: "exponent 3", pub: &rsa.PublicKey{N: modulus(2048), E: 3}, ok: true},
		{name: "exponent 4", pub: &rsa.PublicKey{N: modulus(2048), E: 4}},
		{name: "exponent 65536", pub: &rsa.PublicKey{N: modulus(2048), E: 65536}},
		{name: "RSA without modulus", pub: &rsa.PublicKey{E: 3}},
		{name: "P-224", pub: ec(elliptic.P224())},
		{name: "P-256", pub: ec(elliptic.P256()), ok: true},
		{name: "P-384", pub: ec(elliptic.P384()), ok: true},
		{name: "P-521", pub: ec(elliptic.P521()), ok: true},
		{name: "Ed25519", pub: ed, ok: true},
		{name: "X25519", pub: x.Public()},
		{name: "nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := pki.CheckKeyStrength(tt.pub)
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, problem.Unprocessable) {
				t.Errorf("error = %v, want ok %v", err, tt.ok)
			}
		})
	}
}

// liar claims one public key and signs with another.
type liar struct {
	crypto.Signer
	claims crypto.PublicKey
}

func (l liar) Public() crypto.PublicKey { return l.claims }

// dead is a token that was pulled out.
type dead struct{ crypto.Signer }

func (dead) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("no token in slot")
}

func TestSignVerify(t *testing.T) {
	a, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	b, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	c, _ := rsa.GenerateKey(rand.Reader, 2048)
	d, _ := rsa.GenerateKey(rand.Reader, 2048)
	_, e, _ := ed25519.GenerateKey(rand.Reader)
	_, f, _ := ed25519.GenerateKey(rand.Reader)
	for _, k := range []crypto.Signer{a, b, c, e} {
		if err := pki.SignVerify(k); err != nil {
			t.Errorf("%T: %v", k, err)
		}
	}
	for name, k := range map[string]crypto.Signer{
		"other curve": liar{a, b.Public()}, "other RSA": liar{c, d.Public()}, "other Ed25519": liar{e, f.Public()},
		"RSA for ECDSA": liar{a, c.Public()}, "unknown": liar{a, nil}, "dead": dead{a},
	} {
		if err := pki.SignVerify(k); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
