package pkcs11key_test

import (
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key"
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
		t.Skip("libtpm2-pkcs11-1 or opensc is not installed") // on a laptop; make test installs both and requires them
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

// reset is a power cut. tpm2-pkcs11 keeps its PINs in objects that are subject to
// the dictionary attack lockout, so that each power cut counts as a wrong try: a
// reason to prefer tpm: URIs (hsm/tpmkey).
func reset(t *testing.T, tpm *swtpmtest.TPM) {
	t.Helper()
	tpm.Reset(t)
	tpm.Forgive(t)
}

// Another module than SoftHSM. Without a resource manager, as the kernel has one
// at /dev/tpmrm0, a TPM has room for three objects: so one key at a time, and a
// reset before the next.
func TestTPM2PKCS11(t *testing.T) {
	tpm, uri := startTPM(t)
	for _, a := range []key.Algorithm{key.ECDSAP256, key.ECDSAP384, key.RSA2048} {
		t.Run(a.String(), func(t *testing.T) {
			reset(t, tpm)
			store := open(t, uri)
			ref, signer := create(t, store, key.Spec{Algorithm: a, Label: "mooring-0001"})
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				// tpm2-pkcs11 1.9 makes no PSS signatures that TLS takes.
				if err := handshake(t, selfSigned(t, signer), version); err != nil && a != key.RSA2048 {
					t.Error(err)
				}
			}
			reset(t, tpm)
			if err := pki.SignVerify(signer); err != nil {
				t.Errorf("after a reset: %v", err)
			}
			tpm.Stop(t)
			wantKind(t, pki.SignVerify(signer), pkcs11key.Gone, "")
			tpm.Run(t)
			tpm.Forgive(t)
			if err := pki.SignVerify(signer); err != nil {
				t.Errorf("the TPM is back: %v", err)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
			reset(t, tpm)
			store = opened(t, uri)
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
