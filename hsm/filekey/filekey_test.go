package filekey_test

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm/filekey"
	"mooring/hsm/hsmtest"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/pki"
	"mooring/internal/problem"
)

func TestContract(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "keys")
	hsmtest.Run(t, func(t testing.TB) key.Store { return open(t, durable.OS, dir) })
}

func open(t testing.TB, fsys durable.FS, dir string) *filekey.Store {
	t.Helper()
	store, err := filekey.Open(fsys, dir)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	store := open(t, durable.OS, dir)
	ref, _, err := store.Create(t.Context(), key.Spec{Label: "dev 1"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(ref), "dev-1-") {
		t.Errorf("ref %q does not show its label", ref)
	}
	path := filepath.Join(dir, string(ref)+".pem")
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, path: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o601, 0o700} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := store.Open(t.Context(), ref)
		if refused := mode&0o077 != 0; (err != nil) != refused || errors.Is(err, key.ErrNotFound) {
			t.Errorf("mode %04o: %v", mode, err)
		} else if refused {
			wantHint(t, err, "chmod 600")
		}
	}
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	_, err = filekey.Open(durable.OS, dir)
	wantHint(t, err, "chmod 700")
	if _, err := filekey.Open(durable.OS, "keys"); err == nil {
		t.Error("a relative directory was accepted")
	}
}

// wantHint: an error that a person can mend says how.
func wantHint(t testing.TB, err error, want string) {
	t.Helper()
	hinted, ok := errors.AsType[interface {
		error
		Hint() string
	}](err)
	if !ok || !strings.Contains(hinted.Hint(), want) {
		t.Errorf("got %v, want the hint %q", err, want)
	}
}

func block(name string, der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: name, Bytes: der})
}

// TestOpenByHand opens what people and other tools put there.
func TestOpenByHand(t *testing.T) {
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	weakEC, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	x, _ := ecdh.X25519().GenerateKey(rand.Reader)
	pkcs8 := func(k any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		return block("PRIVATE KEY", der, err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	ecPEM := block("EC PRIVATE KEY", sec1, err)
	params := block("EC PARAMETERS", []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, nil)
	good := pkcs8(ec)
	tests := []struct {
		name    string
		content []byte
		want    string // empty: it opens
		wantErr error
	}{
		{name: "PKCS8", content: good},
		{name: "SEC1", content: ecPEM},
		{name: "parameters first", content: append(params, ecPEM...)},
		{name: "PKCS1", content: block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil)},
		{name: "parameters alone", content: params, want: "no key"},
		{name: "empty", content: nil, want: "empty or damaged"},
		{name: "half", content: good[:len(good)/2], want: "empty or damaged"},
		{name: "damaged inside", content: block("PRIVATE KEY", []byte{0x30, 3, 2, 1, 0}, nil), want: "damaged"},
		{name: "certificate", content: block("CERTIFICATE", []byte{0x30, 0}, nil), want: "no private key"},
		{name: "encrypted", content: block("ENCRYPTED PRIVATE KEY", []byte{0x30, 0}, nil), want: "encrypted"},
		{name: "cannot sign", content: pkcs8(x), want: "cannot sign"},
		{name: "weak curve", content: pkcs8(weakEC), wantErr: problem.Unprocessable},
		{name: "too long", content: append(good, strings.Repeat("\n", 16<<10)...), want: "longer than"},
	}
	dir := filepath.Join(t.TempDir(), "keys")
	store := open(t, durable.OS, dir)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, "k.pem"), tt.content, 0o600); err != nil {
				t.Fatal(err)
			}
			signer, err := store.Open(t.Context(), "k")
			if tt.want == "" && tt.wantErr == nil {
				if err != nil {
					t.Fatal(err)
				}
				if err := pki.SignVerify(signer); err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.wantErr != nil && !errors.Is(err, tt.wantErr) {
				t.Errorf("error = %v, want %q %v", err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestNotARegularFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	store := open(t, durable.OS, dir)
	if err := os.Mkdir(filepath.Join(dir, "d.pem"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "l.pem")); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []key.Ref{"d", "l"} {
		if _, err := store.Open(t.Context(), ref); err == nil {
			t.Errorf("%s was opened", ref)
		}
	}
	if refs, err := store.List(t.Context()); err != nil || len(refs) != 0 {
		t.Errorf("list = %v, %v", refs, err)
	}
}
