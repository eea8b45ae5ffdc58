package tpmkey

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"mooring/internal/pki"
)

// Signer signs with one key. It may be used by several goroutines at once.
type Signer struct {
	store  *Store
	path   string
	file   *keyFile
	public crypto.PublicKey
}

var _ crypto.Signer = (*Signer)(nil)

// Public implements crypto.Signer.
func (s *Signer) Public() crypto.PublicKey { return s.public }

var hashes = map[crypto.Hash]tpm2.TPMAlgID{
	crypto.SHA256: tpm2.TPMAlgSHA256, crypto.SHA384: tpm2.TPMAlgSHA384, crypto.SHA512: tpm2.TPMAlgSHA512,
}

// Sign implements crypto.Signer. Randomness comes from the TPM.
func (s *Signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	h := opts.HashFunc()
	alg, ok := hashes[h]
	if !ok {
		return nil, errors.New("a TPM key signs digests of SHA-256, SHA-384 and SHA-512")
	}
	if len(digest) != h.Size() {
		return nil, fmt.Errorf("a digest of %v has %d bytes, not %d", h, h.Size(), len(digest))
	}
	scheme, err := s.scheme(alg, opts)
	if err != nil {
		return nil, err
	}
	// A signature has no context: TLS passes none. The limit of a command and the
	// number of tries bound it.
	var signature *tpm2.TPMTSignature
	err = s.store.device.do(context.Background(), s.store.signLimit, func(tpm transport.TPM) error {
		signature, err = s.sign(tpm, digest, scheme)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return s.encode(signature, h, digest, opts)
}

func (s *Signer) scheme(alg tpm2.TPMAlgID, opts crypto.SignerOpts) (tpm2.TPMTSigScheme, error) {
	hash := &tpm2.TPMSSchemeHash{HashAlg: alg}
	if _, isRSA := s.public.(*rsa.PublicKey); !isRSA {
		return tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUSigScheme(tpm2.TPMAlgECDSA, hash)}, nil
	}
	pss, isPSS := opts.(*rsa.PSSOptions)
	if !isPSS {
		return tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgRSASSA, Details: tpm2.NewTPMUSigScheme(tpm2.TPMAlgRSASSA, hash)}, nil
	}
	if salt := pss.SaltLength; salt != rsa.PSSSaltLengthAuto && salt != rsa.PSSSaltLengthEqualsHash && salt != opts.HashFunc().Size() {
		return tpm2.TPMTSigScheme{}, errors.New("a TPM makes PSS signatures with a salt as long as the hash")
	}
	return tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgRSAPSS, Details: tpm2.NewTPMUSigScheme(tpm2.TPMAlgRSAPSS, hash)}, nil
}

// sign runs in the device's turn.
func (s *Signer) sign(tpm transport.TPM, digest []byte, scheme tpm2.TPMTSigScheme) (*tpm2.TPMTSignature, error) {
	srk, err := s.store.storage(tpm)
	if err != nil {
		return nil, err
	}
	loaded, err := s.store.device.load(tpm, srk, s.path, s.file)
	if err != nil {
		return nil, err
	}
	made, err := command{code: tpm2.TPMCCSign, handles: []tpm2.AuthHandle{
		{Handle: loaded.handle, Name: loaded.name, Auth: s.authorization(srk)}},
		parameters: parameters(tpm2.TPM2BDigest{Buffer: digest}, scheme,
			tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck, Hierarchy: tpm2.TPMRHNull})}.execute(tpm)
	if err != nil {
		return nil, err
	}
	return tpm2.Unmarshal[tpm2.TPMTSignature](made.rest)
}

// authorization is that of the key: none but the session's, or its policy.
// Sessions of a policy are not salted: what they prove is no secret.
func (s *Signer) authorization(srk *storageKey) tpm2.Session {
	public, err := s.file.Public.Contents()
	if err != nil || public.ObjectAttributes.UserWithAuth {
		return srk.session(encryptIn())
	}
	return tpm2.Policy(tpm2.TPMAlgSHA256, 16, func(tpm transport.TPM, session tpm2.TPMISHPolicy, _ tpm2.TPM2BNonce) error {
		pcrs, err := policyOf(s.file)
		if err != nil {
			return err
		}
		return takePCRs(tpm, session, pcrs)
	})
}

// load returns the key in the TPM's memory, which has room for one beside the
// storage key: a second one in use, during a rotation, takes its place.
func (d *device) load(tpm transport.TPM, srk *storageKey, path string, file *keyFile) (loadedKey, error) {
	if d.key.file == path {
		return d.key, nil
	}
	d.unloadKey(tpm)
	handle, name, err := srk.load(tpm, file.Private, file.Public)
	if err != nil {
		return loadedKey{}, err
	}
	d.key = loadedKey{file: path, handle: handle, name: name}
	return d.key, nil
}

// encode gives the signature in the form of crypto.Signer. An RSA-PSS signature
// is checked: older chips make the salt as long as fits, which TLS 1.3 refuses.
func (s *Signer) encode(signature *tpm2.TPMTSignature, h crypto.Hash, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	public, isRSA := s.public.(*rsa.PublicKey)
	if !isRSA {
		ec, err := signature.Signature.ECDSA()
		if err != nil {
			return nil, err
		}
		return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(ec.SignatureR.Buffer), new(big.Int).SetBytes(ec.SignatureS.Buffer)})
	}
	if _, isPSS := opts.(*rsa.PSSOptions); !isPSS {
		made, err := signature.Signature.RSASSA()
		if err != nil {
			return nil, err
		}
		return made.Sig.Buffer, nil
	}
	made, err := signature.Signature.RSAPSS()
	if err != nil {
		return nil, err
	}
	if err := rsa.VerifyPSS(public, h, digest, made.Sig.Buffer, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}); err != nil {
		return nil, &Error{Kind: Refused, Text: "this TPM makes RSA-PSS signatures that TLS 1.3 refuses", Advice: "use ecdsa-p256", err: err}
	}
	return made.Sig.Buffer, nil
}

// CheckSignature signs and verifies once.
func (s *Signer) CheckSignature() error { return pki.SignVerify(s) }
