package tpmkey_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"

	"mooring/hsm/tpmkey/swtpmtest"
)

func sprint(v any) string { return fmt.Sprint(v) }

// extend changes a register.
func extend(t *testing.T, m *swtpmtest.TPM, pcr int) {
	t.Helper()
	tpm, err := linuxudstpm.Open(m.Socket)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("another kernel"))
	_, err = tpm2.PCRExtend{
		PCRHandle: tpm2.AuthHandle{Handle: tpm2.TPMHandle(pcr), Auth: tpm2.PasswordAuth(nil)},
		Digests:   tpm2.TPMLDigestValues{Digests: []tpm2.TPMTHA{{HashAlg: tpm2.TPMAlgSHA256, Digest: sum[:]}}},
	}.Execute(tpm)
	if err != nil {
		t.Fatal(err)
	}
}
