package minisign_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/internal/minisign"
)

func vector(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func publicKey(t testing.TB) minisign.PublicKey {
	t.Helper()
	_, line, _ := strings.Cut(vector(t, "key.pub"), "\n")
	k, err := minisign.ParsePublicKey(line)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func verify(t testing.TB, signature, file string, keys ...minisign.PublicKey) error {
	t.Helper()
	s, err := minisign.ParseSignature(signature)
	if err != nil {
		t.Fatal(err)
	}
	h := minisign.NewHash()
	_, _ = h.Write([]byte(file)) // a hash returns no error
	return s.Verify(keys, h.Sum(nil))
}

// What minisign signed is accepted, and nothing else is.
func TestVerify(t *testing.T) {
	key, file, whole := publicKey(t), vector(t, "image.bin"), vector(t, "image.bin.minisig")
	line := strings.Split(whole, "\n")[1]
	stranger, err := minisign.ParsePublicKey("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, signature, file string
		keys                  []minisign.PublicKey
		want                  error
	}{
		{"whole", whole, file, []minisign.PublicKey{stranger, key}, nil},
		{"one line", line, file, []minisign.PublicKey{key}, nil},
		{"CRLF", strings.ReplaceAll(whole, "\n", "\r\n"), file, []minisign.PublicKey{key}, nil},
		{"other file", whole, file + "x", []minisign.PublicKey{key}, minisign.ErrWrong},
		{"other comment", strings.Replace(whole, "version 1.0", "version 2.0", 1), file, []minisign.PublicKey{key}, minisign.ErrWrong},
		{"stranger", whole, file, []minisign.PublicKey{stranger}, minisign.ErrUnknownKey},
		{"no key", whole, file, nil, minisign.ErrUnknownKey},
	}
	for _, tt := range tests {
		if err := verify(t, tt.signature, tt.file, tt.keys...); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	whole := vector(t, "image.bin.minisig")
	for name, text := range map[string]string{
		"empty": "", "HTML": "<html></html>", "legacy": vector(t, "legacy.minisig"),
		"three lines": strings.Join(strings.Split(whole, "\n")[:3], "\n"),
		"cut":         strings.Split(whole, "\n")[1][:96],
		"too long":    strings.Repeat("A", minisign.MaxSignature+1),
		"no comment":  strings.Replace(whole, "trusted comment: v", "v", 1),
	} {
		if s, err := minisign.ParseSignature(text); err == nil {
			t.Errorf("%s: accepted as %v", name, s)
		}
	}
	for _, text := range []string{"", "RWQ", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO", strings.Repeat("A", 56)} {
		if _, err := minisign.ParsePublicKey(text); err == nil {
			t.Errorf("key %q: accepted", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(vector(f, "image.bin.minisig"), []byte("x"))
	f.Add(vector(f, "legacy.minisig"), []byte("x"))
	key := publicKey(f)
	h := minisign.NewHash()
	_, _ = h.Write([]byte(vector(f, "image.bin"))) // a hash returns no error
	right := h.Sum(nil)
	f.Fuzz(func(t *testing.T, text string, sum []byte) {
		s, err := minisign.ParseSignature(text)
		if err == nil && s.Verify([]minisign.PublicKey{key}, sum) == nil && !bytes.Equal(sum, right) {
			t.Errorf("accepted %q for %x", text, sum)
		}
	})
}
