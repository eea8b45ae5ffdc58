package pkcs11key_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key"
	"mooring/internal/pki"
)

// Flags of CK_TOKEN_INFO.
const (
	loginRequired = 0x4
	finalTry      = 0x20000
	pinLocked     = 0x40000
)

// A wrong PIN is tried once, and again only when its file changes.
func TestWrongPIN(t *testing.T) {
	f, store := faulty(t)
	_, signer := create(t, store, key.Spec{})
	f.SetPIN(t, "wrong")
	f.Spoil(t, "C_Sign 1+ code 0x30") // the token asks for a login
	for range 5 {
		wantKind(t, pki.SignVerify(signer), pkcs11key.PIN, "the PIN is wrong")
	}
	if n := f.Calls(t, "C_Login"); n != 1 {
		t.Errorf("%d tries of a wrong PIN, want 1", n)
	}
	f.Spoil(t)
	f.SetPIN(t, "wrong too")
	for range 5 {
		wantKind(t, pki.SignVerify(signer), pkcs11key.PIN, "the PIN is wrong")
	}
	if n := f.Calls(t, "C_Login"); n != 1 {
		t.Errorf("%d tries of another wrong PIN, want 1", n)
	}
	f.SetPIN(t, "1234")
	if err := pki.SignVerify(signer); err != nil {
		t.Errorf("the PIN is right again: %v", err)
	}
}

// The last try is never used, and a locked PIN is not tried at all.
func TestPINBudget(t *testing.T) {
	f, _ := faulty(t)
	for flag, text := range map[int]string{finalTry: "one more would lock", pinLocked: "locked after wrong tries"} {
		f.Spoil(t, fmt.Sprintf("C_GetTokenInfo 1+ flags %#x", flag))
		store := opened(t, f.URI("dev", ""))
		for range 3 {
			_, err := store.List(t.Context())
			wantKind(t, err, pkcs11key.PIN, text)
		}
		if n := f.Calls(t, "C_Login"); n != 0 {
			t.Errorf("%d logins", n)
		}
		f.Spoil(t)
		if _, err := store.List(t.Context()); err != nil {
			t.Errorf("somebody set the counter back: %v", err)
		}
	}
	for code, text := range map[string]string{"0xa4": "locked after wrong tries", "0xa3": "expired", "0x102": "no user PIN", "0x105": "security officer"} {
		f.Spoil(t, "C_Login 1+ code "+code)
		_, err := opened(t, f.URI("dev", "")).List(t.Context())
		wantKind(t, err, pkcs11key.PIN, text)
	}
}

// A token that wants no login gets none: some do not bear it.
func TestLoginNotRequired(t *testing.T) {
	f, _ := faulty(t)
	f.Spoil(t, fmt.Sprintf("C_GetTokenInfo 1+ noflags %#x", loginRequired))
	if _, err := opened(t, f.URI("dev", "")).List(t.Context()); err != nil {
		t.Error(err)
	}
	if n := f.Calls(t, "C_Login"); n != 0 {
		t.Errorf("%d logins", n)
	}
}

func TestPINFiles(t *testing.T) {
	f, _ := faulty(t)
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(f.PINFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(f.PINFile, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"a line", "1234\n", 0o600, ""}, {"no line feed", "1234", 0o400, ""}, {"DOS", "1234\r\n", 0o640, ""},
		{"empty", "", 0o600, "does not hold one line"}, {"two lines", "1234\n1234\n", 0o600, "does not hold one line"},
		{"255 bytes", strings.Repeat("1", 255) + "\n", 0o600, "the PIN is wrong"}, {"256 bytes", strings.Repeat("1", 256), 0o600, "does not hold one line"},
		{"others read it", "1234\n", 0o604, "others may read it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(tt.text, tt.mode)
			_, err := opened(t, f.URI("dev", "")).List(t.Context())
			if tt.want != "" {
				wantKind(t, err, pkcs11key.PIN, tt.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	_, err := opened(t, strings.Replace(f.URI("dev", ""), "pin-source=file:"+f.PINFile+"&", "", 1)).List(t.Context())
	wantKind(t, err, pkcs11key.PIN, "wants a PIN")

	credential := strings.Replace(f.URI("dev", ""), "file:"+f.PINFile, "credential:token-pin", 1)
	_, err = opened(t, credential).List(t.Context())
	wantKind(t, err, pkcs11key.PIN, "no systemd credentials")
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if err := os.WriteFile(filepath.Join(dir, "token-pin"), []byte("1234"), 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := opened(t, credential).List(t.Context()); err != nil {
		t.Error(err)
	}
}

// The PIN travels through the pipe alone.
func TestPINIsNotShown(t *testing.T) {
	f := startPlain(t, "dev")
	f.SetPIN(t, "123456789")
	store := opened(t, f.URI("dev", ""))
	_, err := store.List(t.Context())
	wantKind(t, err, pkcs11key.PIN, "wrong")
	if strings.Contains(err.Error(), "123456789") {
		t.Errorf("the error tells the PIN: %v", err)
	}
	for _, file := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", store.PID(), file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "123456789") {
			t.Errorf("%s of the helper holds the PIN", file)
		}
	}
}
