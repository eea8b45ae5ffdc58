package filekey_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"mooring/hsm/filekey"
	"mooring/hsm/hsmtest"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
)

func openSealer(path string) func(testing.TB) key.Sealer {
	return func(t testing.TB) key.Sealer {
		t.Helper()
		s, err := filekey.OpenSealer(durable.OS, path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestSealerContract(t *testing.T) {
	dir := t.TempDir()
	hsmtest.RunSealer(t, openSealer(filepath.Join(dir, "a", "kek")), openSealer(filepath.Join(dir, "b")))
}

func TestSealingKeyFile(t *testing.T) {
	tests := []struct {
		name  string
		bytes int
		mode  os.FileMode
		ok    bool
	}{
		{name: "right", bytes: 32, mode: 0o600, ok: true},
		{name: "read only, as a systemd credential", bytes: 32, mode: 0o400, ok: true},
		{name: "short", bytes: 31, mode: 0o600},
		{name: "long", bytes: 33, mode: 0o600},
		{name: "empty", bytes: 0, mode: 0o600},
		{name: "group may read", bytes: 32, mode: 0o640},
		{name: "all may read", bytes: 32, mode: 0o604},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kek")
			if err := os.WriteFile(path, make([]byte, tt.bytes), tt.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := filekey.OpenSealer(durable.OS, path); (err == nil) != tt.ok {
				t.Errorf("error = %v, want ok %v", err, tt.ok)
			}
		})
	}
	if _, err := filekey.OpenSealer(durable.OS, "kek"); err == nil {
		t.Error("a relative path was accepted")
	}
}

// vector was made from the layout by Python's cryptography: nonce 00 to 0b,
// associated data "tenant t1000".
const vector = "01c3992ef94814fef8000102030405060708090a0b598dde5ca974b3c5c6a814c605bf28951627b55d2942679ef769f26472"

// TestSealedFormat pins the layout: what was sealed once must open for years.
func TestSealedFormat(t *testing.T) {
	fsys := durabletest.New()
	if err := durable.WriteFile(fsys, "/kek", []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := filekey.OpenSealer(fsys, "/kek")
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Seal(t.Context(), []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if out[0] != 1 || len(out) != len("secret")+filekey.Overhead || filekey.Overhead != 37 {
		t.Errorf("version %d, %d bytes", out[0], len(out))
	}
	raw, err := hex.DecodeString(vector)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Unseal(t.Context(), raw, []byte("tenant t1000"))
	if err != nil || string(got) != "the plaintext" {
		t.Errorf("vector: %q, %v", got, err)
	}
}

// TestSealingKeyAtEveryPowerCut: the key file is there whole or not at all, and
// a sealer that was opened is the same afterwards.
func TestSealingKeyAtEveryPowerCut(t *testing.T) {
	clean := durabletest.New()
	if _, err := filekey.OpenSealer(clean, "/keys/kek"); err != nil {
		t.Fatal(err)
	}
	for n := range clean.Steps() + 1 {
		fsys := durabletest.New()
		fsys.CutAt(n)
		before, err := filekey.OpenSealer(fsys, "/keys/kek")
		after, errAfter := filekey.OpenSealer(fsys.PowerLoss(nil), "/keys/kek")
		if errAfter != nil {
			t.Fatalf("cut at %d: %v", n, errAfter)
		}
		if err == nil && before.SealerID() != after.SealerID() {
			t.Errorf("cut at %d: the key is another one", n)
		}
	}
}
