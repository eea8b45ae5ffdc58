package pkcs11key_test

import (
	"crypto/tls"
	"testing"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key"
	"mooring/hsm/pkcs11key/tpm2test"
	"mooring/internal/pki"
)

// Another module than SoftHSM. Without a resource manager, as the kernel has one
// at /dev/tpmrm0, a TPM has room for three objects: so one key at a time, and a
// reset before the next.
func TestTPM2PKCS11(t *testing.T) {
	token := tpm2test.Start(t)
	token.Setenv(t)
	for _, a := range []key.Algorithm{key.ECDSAP256, key.ECDSAP384, key.RSA2048} {
		t.Run(a.String(), func(t *testing.T) {
			token.Empty(t)
			store := open(t, token.URI)
			ref, signer := create(t, store, key.Spec{Algorithm: a, Label: "mooring-0001"})
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				// tpm2-pkcs11 1.9 makes no PSS signatures that TLS takes.
				if err := handshake(t, selfSigned(t, signer), version); err != nil && a != key.RSA2048 {
					t.Error(err)
				}
			}
			token.Empty(t)
			if err := pki.SignVerify(signer); err != nil {
				t.Errorf("after a reset: %v", err)
			}
			token.TPM.Stop(t)
			wantKind(t, pki.SignVerify(signer), pkcs11key.Gone, "")
			token.TPM.Run(t)
			token.TPM.Forgive(t)
			if err := pki.SignVerify(signer); err != nil {
				t.Errorf("the TPM is back: %v", err)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
			token.Empty(t)
			store = opened(t, token.URI)
			if signer, err := store.Open(t.Context(), ref); err != nil {
				t.Error(err)
			} else if err := pki.SignVerify(signer); err != nil {
				t.Error(err)
			}
			if err := store.Destroy(t.Context(), ref); err != nil {
				t.Error(err)
			}
			if refs, err := store.List(t.Context()); err != nil || len(refs) != 0 {
				t.Errorf("left in the token: %v, %v", refs, err)
			}
		})
	}
}
