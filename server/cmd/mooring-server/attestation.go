package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"mooring/hsm"
	"mooring/hsm/key"
	"mooring/internal/attestation"
	"mooring/internal/pki"
)

// Bounds of the files of these commands: a proof has some 4 KiB in JSON, and all
// makers of TPMs together have a few hundred certificates.
const (
	maxProofBytes  = 64 << 10
	maxMakersBytes = 4 << 20
)

// readBounded reads a file of at most so many bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s is longer than %d bytes", path, most)
	}
	return text, err
}

// readProof reads what keystore attest of the agent prints.
func readProof(positional []string) (*key.Attestation, error) {
	if len(positional) != 1 {
		return nil, usageError{errors.New("name the file that keystore attest printed")}
	}
	text, err := readBounded(positional[0], maxProofBytes)
	if err != nil {
		return nil, err
	}
	a := &key.Attestation{}
	if err := json.Unmarshal(text, a); err != nil {
		return nil, hinted{fmt.Errorf("%s: %w", positional[0], err), "it is what mooring-agent keystore attest prints"}
	}
	return a, nil
}

func attestationChallenge(_ context.Context, args []string, s streams) error {
	fs := flags("attestation challenge", s)
	file := fs.String("secret-file", "", "`file` to write the new secret to; verify reads it")
	positional, err := parse(fs, args)
	if err != nil {
		return err
	}
	if *file == "" {
		return usageError{errors.New("--secret-file is missing")}
	}
	proof, err := readProof(positional)
	if err != nil {
		return err
	}
	_, ak, err := attestation.CheckKeys(proof.EKPublic, proof.AKPublic)
	if err != nil {
		return err
	}
	secret := make([]byte, key.MaxNonce)
	rand.Read(secret) // never fails, crypto/rand
	credential, encrypted, err := hsm.MakeCredential(proof.EKPublic, ak.Name, secret)
	if err != nil {
		return err
	}
	if err := writeNew(*file, []byte(hex.EncodeToString(secret)+"\n")); err != nil {
		return err
	}
	return json.NewEncoder(s.out).Encode(map[string][]byte{"credential": credential, "secret": encrypted})
}

// writeNew writes a file that must not be there: a secret is good for one
// challenge.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// verifier is one run of attestation verify.
type verifier struct {
	makers, pinned, csr, secret string
	expired                     bool
}

// verified is what it prints.
type verified struct {
	KeySHA256    string `json:"key_sha256"` // of the SubjectPublicKeyInfo, as the next
	EKSHA256     string `json:"ek_sha256"`
	By           string `json:"by"` // "maker" or "pinned"
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	Firmware     string `json:"firmware,omitempty"`
}

func attestationVerify(_ context.Context, args []string, s streams) error {
	fs := flags("attestation verify", s)
	v := verifier{}
	fs.StringVar(&v.makers, "makers", "", "PEM `file` with certificates of makers of TPMs")
	fs.StringVar(&v.pinned, "ek-sha256", "", "SHA-256 in `hex` of the endorsement key that is expected (SubjectPublicKeyInfo)")
	fs.StringVar(&v.csr, "csr", "", "PEM `file` of a certificate request, whose key it must be")
	fs.StringVar(&v.secret, "secret-file", "", "`file` that attestation challenge wrote")
	fs.BoolVar(&v.expired, "expired", false, "take the certificate of an endorsement key, or of its maker, that has expired")
	positional, err := parse(fs, args)
	if err != nil {
		return err
	}
	if v.secret == "" || v.makers == "" && v.pinned == "" {
		return usageError{errors.New("--secret-file is needed, and --makers or --ek-sha256 to say whose TPM is good")}
	}
	proof, err := readProof(positional)
	if err != nil {
		return err
	}
	result, err := v.judge(proof, time.Now())
	if err != nil {
		return err
	}
	return json.NewEncoder(s.out).Encode(result)
}

func (v *verifier) judge(proof *key.Attestation, now time.Time) (*verified, error) {
	secret, err := v.readSecret()
	if err != nil {
		return nil, err
	}
	public, err := v.key(proof)
	if err != nil {
		return nil, err
	}
	// The secret is read from where challenge put it, so the ticket says nothing.
	e := &attestation.Evidence{Certified: proof.Certified, Signature: proof.Signature, KeyPublic: proof.KeyPublic,
		EKPublic: proof.EKPublic, AKPublic: proof.AKPublic, Ticket: []byte{0}}
	ek, err := attestation.Verify(e, public, func(_, _ *attestation.Public, _ []byte) ([]byte, error) { return secret, nil })
	if err != nil {
		return nil, err
	}
	result, err := v.endorsed(proof.EKCertificate, ek, now)
	if err != nil {
		return nil, err
	}
	sum, err := pki.PublicKeyHash(public)
	result.KeySHA256 = hex.EncodeToString(sum[:])
	return result, err
}

func (v *verifier) readSecret() ([]byte, error) {
	text, err := readBounded(v.secret, maxProofBytes)
	if err != nil {
		return nil, err
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != key.MaxNonce {
		return nil, hinted{fmt.Errorf("%s is no secret of a challenge", v.secret), "mooring-server attestation challenge writes it"}
	}
	return secret, nil
}

// key is the key that the proof must be about: that of the request, if one is
// named, else whichever the proof is about.
func (v *verifier) key(proof *key.Attestation) (crypto.PublicKey, error) {
	if v.csr == "" {
		p, err := attestation.ParsePublic(proof.KeyPublic)
		if err != nil {
			return nil, err
		}
		return p.Key, nil
	}
	text, err := readBounded(v.csr, maxProofBytes)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM", v.csr)
	}
	csr, err := pki.ParseCSR(block.Bytes)
	if err != nil {
		return nil, err
	}
	return csr.PublicKey, csr.CheckSignature()
}

// endorsed says whose TPM has the endorsement key.
func (v *verifier) endorsed(certificate []byte, ek *attestation.Public, now time.Time) (*verified, error) {
	sum, err := ek.KeyHash()
	if err != nil {
		return nil, err
	}
	result := &verified{EKSHA256: hex.EncodeToString(sum[:]), By: "maker"}
	pinned := strings.EqualFold(v.pinned, result.EKSHA256)
	if v.pinned != "" && !pinned {
		return nil, fmt.Errorf("the endorsement key is another one: its SHA-256 is %s", result.EKSHA256)
	}
	if len(certificate) == 0 {
		result.By = "pinned"
		if !pinned {
			return nil, attestation.FlawNoEK
		}
		return result, nil
	}
	e, err := attestation.ParseEndorsement(certificate)
	if err == nil {
		err = e.For(ek.Key)
	}
	switch {
	case v.makers != "" && err == nil:
		err = v.checkMaker(e, now)
	case v.makers == "":
		result.By = "pinned"
		if err != nil {
			return result, nil // the certificate is not needed
		}
	}
	if err != nil {
		return nil, err
	}
	result.Manufacturer, result.Model, result.Firmware = e.Manufacturer, e.Model, e.Firmware
	return result, nil
}

func (v *verifier) checkMaker(e *attestation.Endorsement, now time.Time) error {
	text, err := readBounded(v.makers, maxMakersBytes)
	if err != nil {
		return err
	}
	var anchors []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("%s: %w", v.makers, err)
		}
		anchors = append(anchors, c)
	}
	return e.Verify(anchors, nil, now, v.expired)
}
