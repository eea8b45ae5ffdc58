package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm"
	"mooring/hsm/key"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/attestation"
	"mooring/internal/pki"
)

// program runs mooring-server and returns what it prints.
func program(args ...string) (status int, out, words string) {
	var stdout, stderr bytes.Buffer
	status = run(context.Background(), args, strings.NewReader(""), &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

// writeJSON writes what a device prints.
func writeJSON(t *testing.T, path string, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// The exchange of operator and device, with a TPM that its maker endorsed.
func TestAttestation(t *testing.T) {
	tpm, makers := swtpmtest.StartEndorsed(t)
	_, strangers := swtpmtest.StartEndorsed(t)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	store, err := hsm.Open(t.Context(), "tpm:"+tpm.Socket+"?dir="+path("keys"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	ref, signer, err := store.Create(t.Context(), key.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	attest := func(nonce []byte) *key.Attestation {
		t.Helper()
		a, err := store.(key.Attester).Attest(t.Context(), ref, nonce)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := writeJSON(t, path("first"), attest(nil))
	status, out, words := program("attestation", "challenge", "--secret-file", path("secret"), first)
	if status != exitDone {
		t.Fatal(words)
	}
	if status, _, _ := program("attestation", "challenge", "--secret-file", path("secret"), first); status != exitFailed {
		t.Error("the secret of a challenge was overwritten")
	}
	var challenge struct{ Credential, Secret []byte }
	if err := json.Unmarshal([]byte(out), &challenge); err != nil {
		t.Fatal(err)
	}
	opened, err := store.(key.Attester).Activate(t.Context(), challenge.Credential, challenge.Secret)
	if err != nil {
		t.Fatal(err)
	}
	good := attest(opened)
	second := writeJSON(t, path("second"), good)
	bare := *good
	bare.EKCertificate = nil
	writeJSON(t, path("bare"), bare)
	broken := *good
	broken.EKCertificate = good.EKCertificate[:50]
	writeJSON(t, path("broken"), broken)

	ek, err := attestation.ParsePublic(good.EKPublic)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := ek.KeyHash()
	if err != nil {
		t.Fatal(err)
	}
	pin := hex.EncodeToString(sum[:])
	csr, err := pki.CreateCSR(rand.Reader, signer, pkix.Name{CommonName: "dev1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path("csr"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path("other"), []byte(strings.Repeat("00", key.MaxNonce)), 0o600); err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name   string
		args   []string
		status int
		want   string // in what it prints, or in the error
	}{
		{"by its maker", []string{"--makers", makers, "--csr", path("csr"), "--secret-file", path("secret"), second}, exitDone, `"by":"maker","manufacturer":"id:`},
		{"by its key", []string{"--ek-sha256", strings.ToUpper(pin), "--secret-file", path("secret"), path("bare")}, exitDone, `"by":"pinned"`},
		{"by its key, with a useless certificate", []string{"--ek-sha256", pin, "--secret-file", path("secret"), path("broken")}, exitDone, `"by":"pinned"`},
		{"by both", []string{"--ek-sha256", pin, "--makers", makers, "--secret-file", path("secret"), second}, exitDone, pin},
		{"another maker", []string{"--makers", strangers, "--secret-file", path("secret"), second}, exitFailed, string(attestation.FlawEKUntrusted)},
		{"another maker, though the key is known", []string{"--ek-sha256", pin, "--makers", strangers, "--secret-file", path("secret"), second}, exitFailed, string(attestation.FlawEKUntrusted)},
		{"a useless certificate", []string{"--makers", makers, "--secret-file", path("secret"), path("broken")}, exitFailed, string(attestation.FlawEKBroken)},
		{"without certificate", []string{"--makers", makers, "--secret-file", path("secret"), path("bare")}, exitFailed, string(attestation.FlawNoEK)},
		{"another key than expected", []string{"--ek-sha256", strings.Repeat("0", 64), "--secret-file", path("secret"), second}, exitFailed, pin},
		{"a proof before the challenge", []string{"--makers", makers, "--secret-file", path("secret"), first}, exitFailed, string(attestation.FlawNonce)},
		{"another challenge", []string{"--makers", makers, "--secret-file", path("other"), second}, exitFailed, string(attestation.FlawNonce)},
		{"no secret", []string{"--makers", makers, "--secret-file", second, second}, exitFailed, "no secret of a challenge"},
		{"nobody trusted", []string{"--secret-file", path("secret"), second}, exitUsage, "--makers or --ek-sha256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, out, words := program(append([]string{"attestation", "verify"}, tt.args...)...)
			if status != tt.status || !strings.Contains(out+words, tt.want) {
				t.Errorf("status %d\n%s%s\nwant %d with %q", status, out, words, tt.status, tt.want)
			}
		})
	}
}
