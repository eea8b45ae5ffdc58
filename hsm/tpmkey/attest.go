package tpmkey

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"mooring/hsm/key"
)

var _ key.Attester = (*Store)(nil)

// endorsement is one of the endorsement keys of the TCG EK Credential Profile
// (§2.2.1.4), and where the certificate of it lies.
type endorsement struct {
	index    tpm2.TPMHandle
	template tpm2.TPMTPublic
}

var endorsements = []endorsement{{0x01C0000A, tpm2.ECCEKTemplate}, {0x01C00002, tpm2.RSAEKTemplate}}

// maxEKCertificate bounds what is read of an index; chunk is what each TPM gives
// at once.
const maxEKCertificate, chunk = 8 << 10, 512

// akTemplate makes the same attestation key each time, until the TPM is cleared.
func akTemplate() tpm2.TPMTPublic {
	t := tpm2.TPMTPublic{NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true,
		SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true, Restricted: true, SignEncrypt: true}, Type: tpm2.TPMAlgECC}
	t.Parameters = tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: tpm2.TPMECCNistP256,
		Scheme: tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256})}})
	return t
}

// withPrimary lends a primary key to do.
func withPrimary(tpm transport.TPM, hierarchy tpm2.TPMHandle, template tpm2.TPMTPublic, do func(handle tpm2.NamedHandle, public tpm2.TPMTPublic) error) error {
	made, err := createPrimary(tpm, hierarchy, template)
	if err != nil {
		return err
	}
	err = do(tpm2.NamedHandle{Handle: made.handle, Name: made.name}, made.public)
	_, flushed := tpm2.FlushContext{FlushHandle: made.handle}.Execute(tpm)
	return errors.Join(err, flushed)
}

// Attest implements key.Attester.
func (s *Store) Attest(ctx context.Context, ref key.Ref, nonce []byte) (*key.Attestation, error) {
	if len(nonce) > key.MaxNonce {
		return nil, fmt.Errorf("a nonce has at most %d bytes", key.MaxNonce)
	}
	opened, err := s.Open(ctx, ref)
	if err != nil {
		return nil, err
	}
	signer := opened.(*Signer)
	a := &key.Attestation{}
	err = s.device.do(ctx, createLimit, func(tpm transport.TPM) error {
		s.device.unloadKey(tpm) // room for an RSA key beside the storage key
		e, certificate := endorsed(tpm)
		a.EKCertificate = certificate
		if err := withPrimary(tpm, tpm2.TPMRHEndorsement, e.template, func(_ tpm2.NamedHandle, public tpm2.TPMTPublic) error {
			a.EKPublic = tpm2.Marshal(public)
			return nil
		}); err != nil {
			return fmt.Errorf("endorsement key: %w", err)
		}
		return signer.certify(tpm, nonce, a)
	})
	if err != nil {
		return nil, fmt.Errorf("attest: %w", err)
	}
	return a, nil
}

// certify runs in the device's turn.
func (s *Signer) certify(tpm transport.TPM, nonce []byte, a *key.Attestation) error {
	srk, err := s.store.storage(tpm)
	if err != nil {
		return err
	}
	loaded, err := s.store.device.load(tpm, srk, s.path, s.file)
	if err != nil {
		return err
	}
	public, err := s.file.Public.Contents()
	if err != nil {
		return err
	}
	a.KeyPublic = tpm2.Marshal(*public)
	return withPrimary(tpm, tpm2.TPMRHOwner, akTemplate(), func(ak tpm2.NamedHandle, public tpm2.TPMTPublic) error {
		a.AKPublic = tpm2.Marshal(public)
		made, err := command{code: tpm2.TPMCCCertify, handles: []tpm2.AuthHandle{
			{Handle: loaded.handle, Name: loaded.name, Auth: srk.session()}, // for which its policy is not asked
			{Handle: ak.Handle, Name: ak.Name, Auth: srk.session()}},
			parameters: parameters(tpm2.TPM2BData{Buffer: nonce}, tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgNull})}.execute(tpm)
		if err != nil {
			return err
		}
		a.Certified, a.Signature = made.buffer(), made.rest
		return made.err
	})
}

// endorsed finds the endorsement key that has a certificate, else the first.
func endorsed(tpm transport.TPM) (endorsement, []byte) {
	for _, e := range endorsements {
		if certificate, err := readIndex(tpm, e.index); err == nil {
			return e, certificate
		}
	}
	return endorsements[0], nil
}

// readIndex reads what anyone may read.
func readIndex(tpm transport.TPM, index tpm2.TPMHandle) ([]byte, error) {
	about, err := command{code: tpm2.TPMCCNVReadPublic, handles: []tpm2.AuthHandle{{Handle: index}}}.execute(tpm)
	if err != nil {
		return nil, err
	}
	public, err := tpm2.Unmarshal[tpm2.TPMSNVPublic](about.buffer())
	name := tpm2.TPM2BName{Buffer: about.buffer()}
	if err = errors.Join(err, about.err); err != nil || public.DataSize > maxEKCertificate {
		return nil, errors.Join(err, errors.New("too long"))
	}
	data := make([]byte, 0, public.DataSize)
	for len(data) < int(public.DataSize) {
		span := binary.BigEndian.AppendUint16(nil, uint16(min(chunk, int(public.DataSize)-len(data))))
		part, err := command{code: tpm2.TPMCCNVRead, handles: []tpm2.AuthHandle{
			{Handle: index, Name: name, Auth: tpm2.PasswordAuth(nil)}, {Handle: index, Name: name}},
			parameters: binary.BigEndian.AppendUint16(span, uint16(len(data)))}.execute(tpm)
		if err != nil {
			return nil, err
		}
		read := part.buffer()
		if len(read) == 0 {
			return nil, errors.New("the TPM gives nothing")
		}
		data = append(data, read...)
	}
	return data, nil
}

// Activate implements key.Attester.
func (s *Store) Activate(ctx context.Context, credential, secret []byte) ([]byte, error) {
	var opened []byte
	err := s.device.do(ctx, createLimit, func(tpm transport.TPM) error {
		s.device.unloadKey(tpm)
		e, _ := endorsed(tpm)
		srk, err := s.storage(tpm)
		if err != nil {
			return err
		}
		return withPrimary(tpm, tpm2.TPMRHOwner, akTemplate(), func(ak tpm2.NamedHandle, _ tpm2.TPMTPublic) error {
			return withPrimary(tpm, tpm2.TPMRHEndorsement, e.template, func(ek tpm2.NamedHandle, _ tpm2.TPMTPublic) error {
				made, err := command{code: tpm2.TPMCCActivateCredential, handles: []tpm2.AuthHandle{
					{Handle: ak.Handle, Name: ak.Name, Auth: srk.session()},
					{Handle: ek.Handle, Name: ek.Name, Auth: tpm2.Policy(tpm2.TPMAlgSHA256, 16, byEndorsement)}},
					parameters: parameters(tpm2.TPM2BIDObject{Buffer: credential}, tpm2.TPM2BEncryptedSecret{Buffer: secret})}.execute(tpm)
				if err != nil {
					return err
				}
				opened = made.buffer()
				return made.err
			})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("activate: %w", err)
	}
	return opened, nil
}

// byEndorsement is the policy of endorsement keys (TCG EK Credential Profile §B.3.3).
func byEndorsement(tpm transport.TPM, session tpm2.TPMISHPolicy, nonce tpm2.TPM2BNonce) error {
	const noExpiry = 0
	none := tpm2.TPM2BDigest{}
	_, err := command{code: tpm2.TPMCCPolicySecret, handles: []tpm2.AuthHandle{
		{Handle: tpm2.TPMRHEndorsement, Auth: tpm2.PasswordAuth(nil)}, {Handle: session}},
		parameters: binary.BigEndian.AppendUint32(parameters(nonce, none, none), noExpiry)}.execute(tpm)
	return err
}
