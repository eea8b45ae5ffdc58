// Package tpm2test is a TPM in software that is seen as a PKCS#11 token, through
// Debian's tpm2-pkcs11: another module than SoftHSM.
package tpm2test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm/pkcs11key/p11test"
	"mooring/hsm/tpmkey/swtpmtest"
)

// Token is one with a PIN and no keys.
type Token struct {
	TPM *swtpmtest.TPM
	URI string   // for hsm.Open
	Env []string // "NAME=value", for who loads the module
}

// Start makes a token in a new TPM, which ends with the test. Without
// tpm2-pkcs11 the test is skipped, and with REQUIRE_HSM=1 in the environment it
// fails.
func Start(t testing.TB) *Token {
	t.Helper()
	modules, _ := filepath.Glob("/usr/lib/*/libtpm2_pkcs11.so.1") // the pattern is good
	tool, err := exec.LookPath("pkcs11-tool")
	if len(modules) == 0 || err != nil {
		if os.Getenv("REQUIRE_HSM") == "1" {
			t.Fatal("libtpm2-pkcs11-1 and opensc are needed")
		}
		t.Skip("libtpm2-pkcs11-1 or opensc is not installed") // make test installs both and requires them
	}
	helper, tpm, dir := p11test.Helper(t), swtpmtest.Start(t), t.TempDir()
	k := &Token{TPM: tpm, Env: []string{"TPM2_PKCS11_STORE=" + dir, "TPM2_PKCS11_TCTI=swtpm:path=" + tpm.Socket, "TSS2_LOG=all+NONE"}}
	for _, args := range [][]string{{"--init-token", "--slot-index", "0", "--label", "dev", "--so-pin", p11test.SOPIN},
		{"--init-pin", "--token-label", "dev", "--login", "--login-type", "so", "--so-pin", p11test.SOPIN, "--new-pin", p11test.PIN}} {
		cmd := exec.Command(tool, append([]string{"--module", modules[0]}, args...)...)
		cmd.Env = append(os.Environ(), k.Env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("pkcs11-tool %v: %v: %s", args, err, out)
		}
	}
	pin := filepath.Join(dir, "pin")
	if err := os.WriteFile(pin, []byte(p11test.PIN), 0o600); err != nil {
		t.Fatal(err)
	}
	k.URI = "pkcs11:token=dev?module-path=" + modules[0] + "&pin-source=file:" + pin + "&x-mooring-helper=" + helper
	return k
}

// Setenv gives Env to the processes that the test starts.
func (k *Token) Setenv(t *testing.T) {
	t.Helper()
	for _, pair := range k.Env {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

// Empty is a power cut. Without a resource manager, as the kernel has one at
// /dev/tpmrm0, what a process left fills the TPM. tpm2-pkcs11 keeps its PINs in
// objects that are subject to the dictionary attack lockout, so that each power
// cut counts as a wrong try: a reason to prefer tpm: URIs (hsm/tpmkey).
func (k *Token) Empty(t testing.TB) {
	t.Helper()
	k.TPM.Reset(t)
	k.TPM.Forgive(t)
}
