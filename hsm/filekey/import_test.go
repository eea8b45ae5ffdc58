package filekey_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm/filekey"
	"mooring/internal/durable/durabletest"
	"mooring/internal/pki"
)

// The vectors were written by OpenSSL 3.0 (testdata/import/README) with the
// passphrase "correct horse"; plain.pem is the same key as p256-*.
func TestParseKey(t *testing.T) {
	files, err := filepath.Glob("testdata/import/*.pem")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d vectors: %v", len(files), err)
	}
	plain := read(t, "testdata/import/plain.pem")
	want, err := filekey.ParseKey(plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text := read(t, file)
		signer, err := filekey.ParseKey(text, []byte("correct horse"))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if err := pki.SignVerify(signer); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if strings.Contains(file, "p256") && !pki.SamePublicKey(signer.Public(), want.Public()) {
			t.Errorf("%s: another key", file)
		}
		if file == "testdata/import/plain.pem" {
			continue
		}
		if _, err := filekey.ParseKey(text, nil); !errors.Is(err, filekey.ErrEncrypted) {
			t.Errorf("%s without passphrase: %v", file, err)
		}
		if _, err := filekey.ParseKey(text, []byte("wrong")); err == nil {
			t.Errorf("%s: a wrong passphrase did", file)
		}
	}
	for name, text := range map[string][]byte{"empty": nil, "two keys": append(plain, plain...), "no key": []byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"),
		"too long": bytes.Repeat([]byte("x"), 256<<10+1)} {
		if _, err := filekey.ParseKey(text, nil); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

func TestImport(t *testing.T) {
	store := open(t, durabletest.New(), dir)
	signer, err := filekey.ParseKey(read(t, "testdata/import/plain.pem"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := store.Import(t.Context(), signer, "old device")
	if err != nil {
		t.Fatal(err)
	}
	got, err := store.Open(t.Context(), ref)
	if err != nil || !pki.SamePublicKey(got.Public(), signer.Public()) || !strings.HasPrefix(string(ref), "old-device-") {
		t.Errorf("%s: %v", ref, err)
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// FuzzParseKey: encrypted or not, nothing makes it panic.
func FuzzParseKey(f *testing.F) {
	files, _ := filepath.Glob("testdata/import/*.pem")
	for _, file := range files {
		if block, _ := pem.Decode(read(f, file)); block != nil {
			f.Add(block.Type, block.Bytes)
		}
	}
	f.Fuzz(func(_ *testing.T, kind string, der []byte) {
		_, _ = filekey.ParseKey(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), []byte("correct horse"))
	})
}
