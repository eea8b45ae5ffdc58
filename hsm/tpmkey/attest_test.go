package tpmkey_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"math/big"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"

	"mooring/hsm/key"
	"mooring/hsm/tpmkey"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/durable"
)

// What a verifier does: the statement is about the key, signed by the attestation
// key, and that lives beside the endorsement key.
func TestAttest(t *testing.T) {
	m := swtpmtest.Start(t)
	store, err := tpmkey.Open(durable.OS, tpmkey.Location{Device: m.Socket, Dir: t.TempDir(), PCRs: []uint{7}})
	if err != nil {
		t.Fatal(err)
	}
	certificate := bytes.Repeat([]byte("certificate"), 100)
	for _, algorithm := range []key.Algorithm{key.ECDSAP256, key.RSA2048} {
		ref, _, err := store.Create(t.Context(), key.Spec{Algorithm: algorithm})
		if err != nil {
			t.Fatal(err)
		}
		nonce := bytes.Repeat([]byte{7}, key.MaxNonce)
		if _, err := store.Attest(t.Context(), ref, append(nonce, 7)); err == nil {
			t.Error("a nonce of 33 bytes was taken")
		}
		a, err := store.Attest(t.Context(), ref, nonce)
		if err != nil {
			t.Fatal(err)
		}
		ak := checkStatement(t, a, nonce)
		activate(t, store, a, ak)
		if (a.EKCertificate != nil) != (algorithm == key.RSA2048) || a.EKCertificate != nil && !bytes.Equal(a.EKCertificate, certificate) {
			t.Errorf("%d bytes of EK certificate", len(a.EKCertificate))
		}
		if algorithm == key.ECDSAP256 {
			storeEKCertificate(t, m, certificate)
		}
	}
	if _, err := store.Attest(t.Context(), "none", nil); err == nil {
		t.Error("a key that is not there was certified")
	}
}

func checkStatement(t *testing.T, a *key.Attestation, nonce []byte) *tpm2.TPMTPublic {
	t.Helper()
	ak, err := tpm2.Unmarshal[tpm2.TPMTPublic](a.AKPublic)
	if err != nil || !ak.ObjectAttributes.Restricted || !ak.ObjectAttributes.FixedTPM {
		t.Fatalf("attestation key: %v", err)
	}
	parms, _ := ak.Parameters.ECCDetail()
	point, _ := ak.Unique.ECC()
	public, err := tpm2.ECDSAPub(parms, point)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := tpm2.Unmarshal[tpm2.TPMTSignature](a.Signature)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := signature.Signature.ECDSA()
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(a.Certified)
	if !ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(ec.SignatureR.Buffer), new(big.Int).SetBytes(ec.SignatureS.Buffer)) {
		t.Error("the signature is not of the attestation key")
	}
	statement, err := tpm2.Unmarshal[tpm2.TPMSAttest](a.Certified)
	if err != nil {
		t.Fatal(err)
	}
	certified, err := statement.Attested.Certify()
	if err != nil || !bytes.Equal(statement.ExtraData.Buffer, nonce) {
		t.Fatalf("nonce %x: %v", statement.ExtraData.Buffer, err)
	}
	public2, err := tpm2.Unmarshal[tpm2.TPMTPublic](a.KeyPublic)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := tpm2.ObjectName(public2); err != nil || !bytes.Equal(name.Buffer, certified.Name.Buffer) {
		t.Errorf("the statement is about another key (%v)", err)
	}
	return ak
}

func activate(t *testing.T, store *tpmkey.Store, a *key.Attestation, ak *tpm2.TPMTPublic) {
	t.Helper()
	ek, err := tpm2.Unmarshal[tpm2.TPMTPublic](a.EKPublic)
	if err != nil {
		t.Fatal(err)
	}
	sealTo, err := tpm2.ImportEncapsulationKey(ek)
	if err != nil {
		t.Fatal(err)
	}
	name, err := tpm2.ObjectName(ak)
	if err != nil {
		t.Fatal(err)
	}
	credential, secret, err := tpm2.CreateCredential(rand.Reader, sealTo, name.Buffer, []byte("open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := store.Activate(t.Context(), credential, secret); err != nil || string(got) != "open sesame" {
		t.Errorf("%q, %v", got, err)
	}
	name.Buffer[5] ^= 1 // another attestation key
	credential, secret, err = tpm2.CreateCredential(rand.Reader, sealTo, name.Buffer, []byte("open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := store.Activate(t.Context(), credential, secret); err == nil {
		t.Errorf("what is for another key was opened: %q", got)
	}
}

// storeEKCertificate does what the maker of a TPM does.
func storeEKCertificate(t *testing.T, m *swtpmtest.TPM, certificate []byte) {
	t.Helper()
	tpm, err := linuxudstpm.Open(m.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer tpm.Close()
	const index tpm2.TPMHandle = 0x01C00002
	owner := tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)}
	_, err = tpm2.NVDefineSpace{AuthHandle: owner, PublicInfo: tpm2.New2B(tpm2.TPMSNVPublic{NVIndex: index, NameAlg: tpm2.TPMAlgSHA256, DataSize: uint16(len(certificate)),
		Attributes: tpm2.TPMANV{OwnerWrite: true, OwnerRead: true, AuthRead: true, NoDA: true}})}.Execute(tpm)
	if err != nil {
		t.Fatal(err)
	}
	for offset := 0; offset < len(certificate); offset += 512 {
		about, err := tpm2.NVReadPublic{NVIndex: index}.Execute(tpm) // its name changes when it is written
		if err != nil {
			t.Fatal(err)
		}
		_, err = tpm2.NVWrite{AuthHandle: owner, NVIndex: tpm2.NamedHandle{Handle: index, Name: about.NVName},
			Data: tpm2.TPM2BMaxNVBuffer{Buffer: certificate[offset:min(offset+512, len(certificate))]}, Offset: uint16(offset)}.Execute(tpm)
		if err != nil {
			t.Fatal(err)
		}
	}
}
