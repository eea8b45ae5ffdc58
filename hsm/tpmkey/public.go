package tpmkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/google/go-tpm/tpm2"

	"mooring/hsm/key"
	"mooring/internal/pki"
)

// template says what the TPM is to make. The scheme is null, so that one key
// signs with any hash and, if it is RSA, in both paddings.
func template(a key.Algorithm) (tpm2.TPMTPublic, error) {
	t := tpm2.TPMTPublic{
		NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true,
			UserWithAuth: true, NoDA: true, SignEncrypt: true},
	}
	switch a {
	case key.ECDSAP256:
		return ecc(t, tpm2.TPMECCNistP256), nil
	case key.ECDSAP384:
		return ecc(t, tpm2.TPMECCNistP384), nil
	case key.RSA2048:
		return rsaKey(t, 2048), nil
	case key.RSA3072:
		return rsaKey(t, 3072), nil
	case key.RSA4096:
		return rsaKey(t, 4096), nil
	}
	return t, fmt.Errorf("a TPM cannot hold a key of %v", a)
}

func ecc(t tpm2.TPMTPublic, curve tpm2.TPMECCCurve) tpm2.TPMTPublic {
	t.Type = tpm2.TPMAlgECC
	t.Parameters = tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: curve})
	return t
}

func rsaKey(t tpm2.TPMTPublic, bits tpm2.TPMKeyBits) tpm2.TPMTPublic {
	t.Type = tpm2.TPMAlgRSA
	t.Parameters = tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{KeyBits: bits})
	return t
}

// publicKey gives the public part of a key in Go's form; a key that is too weak
// is refused.
func publicKey(file *keyFile) (crypto.PublicKey, error) {
	t, err := file.Public.Contents()
	if err != nil {
		return nil, fmt.Errorf("read the public key: %w", err)
	}
	var public crypto.PublicKey
	switch t.Type {
	case tpm2.TPMAlgECC:
		public, err = ecPublic(t)
	case tpm2.TPMAlgRSA:
		public, err = rsaPublic(t)
	default:
		err = errors.New("it is no key that signs")
	}
	if err != nil {
		return nil, err
	}
	return public, pki.CheckKeyStrength(public)
}

func ecPublic(t *tpm2.TPMTPublic) (crypto.PublicKey, error) {
	parameters, err := t.Parameters.ECCDetail()
	if err != nil {
		return nil, err
	}
	point, err := t.Unique.ECC()
	if err != nil {
		return nil, err
	}
	curve := map[tpm2.TPMECCCurve]elliptic.Curve{tpm2.TPMECCNistP256: elliptic.P256(), tpm2.TPMECCNistP384: elliptic.P384()}[parameters.CurveID]
	if curve == nil {
		return nil, errors.New("its curve is neither P-256 nor P-384")
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(point.X.Buffer) > size || len(point.Y.Buffer) > size {
		return nil, errors.New("its public key is not on its curve")
	}
	uncompressed := make([]byte, 1+2*size)
	uncompressed[0] = 4
	copy(uncompressed[1+size-len(point.X.Buffer):], point.X.Buffer)
	copy(uncompressed[1+2*size-len(point.Y.Buffer):], point.Y.Buffer)
	return ecdsa.ParseUncompressedPublicKey(curve, uncompressed)
}

func rsaPublic(t *tpm2.TPMTPublic) (crypto.PublicKey, error) {
	parameters, err := t.Parameters.RSADetail()
	if err != nil {
		return nil, err
	}
	modulus, err := t.Unique.RSA()
	if err != nil {
		return nil, err
	}
	exponent := int(parameters.Exponent)
	if exponent == 0 {
		exponent = 65537 // TPM 2.0 Part 2 §12.2.3.5
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus.Buffer), E: exponent}, nil
}
