package tpmkey

import (
	"crypto/rand"
	"fmt"

	"github.com/google/go-tpm/tpm2"
)

// MakeCredential does what TPM2_MakeCredential does, for a verifier without a TPM:
// it seals secret so that Activate opens it in the one TPM that has the endorsement
// key and the key of that Name. ekPublic is a TPMT_PUBLIC that was checked
// (attestation.CheckKeys); secret has at most key.MaxNonce bytes.
func MakeCredential(ekPublic, name, secret []byte) (credential, encrypted []byte, err error) {
	ek, err := tpm2.Unmarshal[tpm2.TPMTPublic](ekPublic)
	if err != nil {
		return nil, nil, fmt.Errorf("endorsement key: %w", err)
	}
	sealTo, err := tpm2.ImportEncapsulationKey(ek)
	if err != nil {
		return nil, nil, fmt.Errorf("endorsement key: %w", err)
	}
	return tpm2.CreateCredential(rand.Reader, sealTo, name, secret)
}
