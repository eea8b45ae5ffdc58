package filekey_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm/key"
	"mooring/internal/durable"
)

// A key file has at most 16 KiB, its name without .pem at most 128 bytes.
func TestFileBounds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	store := open(t, durable.OS, dir)
	ref, _, err := store.Create(t.Context(), key.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, string(ref)+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name+".pem"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range map[int]bool{16<<10 - 1: true, 16 << 10: true, 16<<10 + 1: false} {
		write("long", append(bytes.Clone(text), bytes.Repeat([]byte("\n"), n-len(text))...))
		if _, err := store.Open(t.Context(), "long"); (err == nil) != want {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for n, want := range map[int]bool{127: true, 128: true, 129: false} {
		name := strings.Repeat("n", n)
		write(name, text)
		if _, err := store.Open(t.Context(), key.Ref(name)); (err == nil) != want {
			t.Errorf("name of %d bytes: %v", n, err)
		}
	}
}
