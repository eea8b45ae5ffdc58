package pkcs11key_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key"
	"mooring/hsm/pkcs11key/p11test"
)

// again is another process's store, which remembers in dir.
func again(t *testing.T, f *p11test.Faults, dir string) *pkcs11key.Store {
	t.Helper()
	store := opened(t, f.URI("dev", ""))
	store.Remember(dir)
	return store
}

func notes(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Programs that are started again and again try a wrong PIN once between them, and
// the right one at once.
func TestRefusedPINIsRemembered(t *testing.T) {
	f, store := faulty(t)
	create(t, store, key.Spec{})
	dir := t.TempDir()
	f.SetPIN(t, "4711-0815")
	f.Spoil(t)
	for range 10 {
		_, err := again(t, f, dir).List(t.Context())
		wantKind(t, err, pkcs11key.PIN, "the PIN is wrong")
	}
	if n := f.Calls(t, "C_Login"); n != 1 {
		t.Errorf("%d tries of a wrong PIN, want 1", n)
	}
	files := notes(t, dir)
	if len(files) != 1 {
		t.Fatalf("notes: %v", files)
	}
	text, err := os.ReadFile(files[0])
	if info, statErr := os.Stat(files[0]); err != nil || statErr != nil || info.Mode().Perm() != 0o600 || strings.Contains(string(text), "4711") {
		t.Errorf("the note: %v, %s, %v", info, text, err)
	}

	f.SetPIN(t, "another wrong one")
	for range 3 {
		_, err := again(t, f, dir).List(t.Context())
		wantKind(t, err, pkcs11key.PIN, "the PIN is wrong")
	}
	if n := f.Calls(t, "C_Login"); n != 2 {
		t.Errorf("%d tries of two wrong PINs, want 2", n)
	}
	f.SetPIN(t, p11test.PIN)
	if _, err := again(t, f, dir).List(t.Context()); err != nil {
		t.Error(err)
	}
	if files := notes(t, dir); len(files) != 0 {
		t.Errorf("the token let us in, and the note stays: %v", files)
	}
}

// A person whose PIN was right removes the note, as the hint says.
func TestRefusedPINWayOut(t *testing.T) {
	f, _ := faulty(t)
	dir := t.TempDir()
	f.Spoil(t, "C_Login 1 code 0xa0")
	_, err := again(t, f, dir).List(t.Context())
	wantKind(t, err, pkcs11key.PIN, "the PIN is wrong")
	files := notes(t, dir)
	e, _ := errors.AsType[*pkcs11key.Error](err)
	if e == nil || len(files) != 1 || !strings.Contains(e.Hint, "remove "+files[0]) {
		t.Fatalf("%+v, notes %v", e, files)
	}
	_, err = again(t, f, dir).List(t.Context())
	wantKind(t, err, pkcs11key.PIN, "the PIN is wrong")
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := again(t, f, dir).List(t.Context()); err != nil {
		t.Error(err)
	}
}

// The note is about one token: another one in its place is tried.
func TestRefusedPINOfAnotherToken(t *testing.T) {
	f, _ := faulty(t)
	dir := t.TempDir()
	f.Spoil(t, "C_Login 1 code 0xa0")
	store := again(t, f, dir)
	_, err := store.List(t.Context())
	wantKind(t, err, pkcs11key.PIN, "the PIN is wrong")
	f.Pull(t)
	f.AddToken(t, "dev")
	for _, store := range []*pkcs11key.Store{store, again(t, f, dir)} {
		if _, err := store.List(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if len(notes(t, dir)) != 1 {
		t.Error("the token that was pulled is forgotten")
	}
}

// Without a file the process itself remembers, and a garbled one is as none.
func TestRefusedPINWithoutFile(t *testing.T) {
	f, _ := faulty(t)
	f.SetPIN(t, "wrong")
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "absent")} {
		f.Spoil(t)
		store := opened(t, f.URI("dev", ""))
		if dir != "" {
			store.Remember(dir)
		}
		for range 3 {
			_, err := store.List(t.Context())
			wantKind(t, err, pkcs11key.PIN, "the PIN is wrong")
		}
		if n := f.Calls(t, "C_Login"); n != 1 {
			t.Errorf("%q: %d tries, want 1", dir, n)
		}
	}
	dir := t.TempDir()
	_, err := again(t, f, dir).List(t.Context())
	wantKind(t, err, pkcs11key.PIN, "the PIN is wrong")
	for _, text := range []string{"", "{", `{"serial":"x","code":48,"salt":"","pin_pbkdf2_sha256":""}`, strings.Repeat("[", 1000)} {
		if err := os.WriteFile(notes(t, dir)[0], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f.Spoil(t)
		_, err := again(t, f, dir).List(t.Context())
		wantKind(t, err, pkcs11key.PIN, "the PIN is wrong")
		if n := f.Calls(t, "C_Login"); n != 1 {
			t.Errorf("note %.20q: %d tries, want 1", text, n)
		}
	}
}

// A login that is done again, for a token that forgot it, is no second try either.
func TestRefusedPINAtTheLoginRung(t *testing.T) {
	f, store := faulty(t)
	dir := t.TempDir()
	store.Remember(dir)
	_, signer := create(t, store, key.Spec{})
	f.SetPIN(t, "wrong")
	f.Spoil(t, "C_SignInit 1+ code 0x101")
	for range 3 {
		wantKind(t, signer.(*pkcs11key.Signer).CheckSignature(), pkcs11key.PIN, "the PIN is wrong")
	}
	if n := f.Calls(t, "C_Login"); n != 1 {
		t.Errorf("%d tries, want 1", n)
	}
	f.Spoil(t)
	_, err := again(t, f, dir).List(t.Context())
	wantKind(t, err, pkcs11key.PIN, "the PIN is wrong")
	if n := f.Calls(t, "C_Login"); n != 0 {
		t.Errorf("%d tries by another process, want none", n)
	}
}
