package tpmkey_test

import (
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"

	"mooring/hsm/key"
	"mooring/hsm/tpmkey"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/pki"
)

// TestFull: programs that were killed leave objects and sessions in a TPM without
// resource manager, until there is room for no other.
func TestFull(t *testing.T) {
	tpm := swtpmtest.Start(t)
	dir := t.TempDir()
	store := open(t, tpmkey.Location{Device: tpm.Socket, Dir: dir})
	ref, _ := create(t, store, key.Spec{})
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := linuxudstpm.Open(tpm.Socket)
	if err != nil {
		t.Fatal(err)
	}
	objects, sessions := 0, 0
	for ; objects < 100; objects++ {
		if _, err := (tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}).Execute(raw); err != nil {
			break
		}
	}
	for ; sessions < 100; sessions++ {
		start := tpm2.StartAuthSession{TPMKey: tpm2.TPMRHNull, Bind: tpm2.TPMRHNull, SessionType: tpm2.TPMSEHMAC, AuthHash: tpm2.TPMAlgSHA256,
			NonceCaller: tpm2.TPM2BNonce{Buffer: make([]byte, 16)}, Symmetric: tpm2.TPMTSymDef{Algorithm: tpm2.TPMAlgNull}}
		if _, err := start.Execute(raw); err != nil {
			break
		}
	}
	if err := raw.Close(); err != nil || objects == 0 || sessions == 0 || objects == 100 || sessions == 100 {
		t.Fatalf("%d objects and %d sessions fill it: %v", objects, sessions, err)
	}
	signer, err := store.Open(t.Context(), ref)
	if err == nil {
		err = pki.SignVerify(signer)
	}
	if err != nil {
		t.Errorf("a TPM with %d objects and %d sessions of nobody: %v", objects, sessions, err)
	}
	create(t, store, key.Spec{})
}
