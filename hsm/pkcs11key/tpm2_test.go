package pkcs11key_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"mooring/hsm/hsmtest"
	"mooring/hsm/key"
	"mooring/hsm/pkcs11key/p11test"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/pki"
)

// startTPM makes a token of tpm2-pkcs11 in a TPM in software.
func startTPM(t *testing.T) (tpm *swtpmtest.TPM, uri string) {
	t.Helper()
	matches, _ := filepath.Glob("/usr/lib/*/libtpm2_pkcs11.so.1")
	tool, err := exec.LookPath("pkcs11-tool")
	if len(matches) == 0 || err != nil {
		if os.Getenv("REQUIRE_HSM") == "1" {
			t.Fatal("libtpm2-pkcs11-1 and opensc are needed")
		}
		t.Skip("libtpm2-pkcs11-1 or opensc is not installed")
	}
	helper := p11test.Helper(t)
	tpm = swtpmtest.Start(t)
	dir := t.TempDir()
	t.Setenv("TPM2_PKCS11_STORE", dir)
	t.Setenv("TPM2_PKCS11_TCTI", "swtpm:path="+tpm.Socket)
	t.Setenv("TSS2_LOG", "all+NONE")
	for _, args := range [][]string{{"--init-token", "--slot-index", "0", "--label", "dev", "--so-pin", p11test.SOPIN},
		{"--init-pin", "--token-label", "dev", "--login", "--login-type", "so", "--so-pin", p11test.SOPIN, "--new-pin", p11test.PIN}} {
		if out, err := exec.Command(tool, append([]string{"--module", matches[0]}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("pkcs11-tool %v: %v: %s", args, err, out)
		}
	}
	pin := filepath.Join(dir, "pin")
	if err := os.WriteFile(pin, []byte(p11test.PIN), 0o600); err != nil {
		t.Fatal(err)
	}
	return tpm, "pkcs11:token=dev?module-path=" + matches[0] + "&pin-source=file:" + pin + "&x-mooring-helper=" + helper
}

// The contract, with a module that is not SoftHSM.
func TestTPM2PKCS11(t *testing.T) {
	tpm, uri := startTPM(t)
	t.Run("contract", func(t *testing.T) {
		hsmtest.Run(t, func(t testing.TB) key.Store { return open(t, uri) })
	})
	t.Run("reset", func(t *testing.T) {
		store := opened(t, uri)
		_, signer := create(t, store, key.Spec{})
		tpm.Reset(t)
		if err := pki.SignVerify(signer); err != nil {
			t.Errorf("after a reset: %v", err)
		}
	})
}
