package hsm_test

import (
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm"
	"mooring/hsm/hsmtest"
	"mooring/hsm/key"
	"mooring/internal/problem"
)

func TestFileURI(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a key+dir")
	uri := (&url.URL{Scheme: "file", Path: dir}).String() // file:///… with %20
	hsmtest.Run(t, func(t testing.TB) key.Store {
		store, err := hsm.Open(t.Context(), uri)
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
	keys := t.TempDir()
	sealer := func(name string) func(testing.TB) key.Sealer {
		return func(t testing.TB) key.Sealer {
			s, err := hsm.OpenSealer(t.Context(), "FILE:"+filepath.Join(keys, name), "")
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	}
	if a, b := sealer("x")(t), sealer("y")(t); a.SealerID() == b.SealerID() {
		t.Error("two files have one key")
	}
	if matches, err := filepath.Glob(filepath.Join(dir, "*.pem")); err != nil || len(matches) == 0 {
		t.Errorf("no key files in %s: %v", dir, err)
	}
}

func TestRefusedURIs(t *testing.T) {
	for _, uri := range []string{"", "keys", "/var/keys", "file:", "file:keys", "file:./keys", "file://host/keys", "file:/keys?x=1", "file:/keys?",
		"file:/keys#a", "file:/%zz", "http:/keys", "tpm:dev", "TPM:", "tpm:?x=1", "pkcs11:token=x?pin-value=1234"} {
		_, err := hsm.Open(t.Context(), uri)
		_, errSealer := hsm.OpenSealer(t.Context(), uri, "")
		for _, err := range []error{err, errSealer} {
			if !errors.Is(err, problem.Unprocessable) {
				t.Errorf("%q: %v, want Unprocessable", uri, err)
			}
			if strings.Contains(err.Error(), "1234") {
				t.Errorf("%q: the error tells the PIN: %v", uri, err)
			}
		}
	}
	if _, err := hsm.Open(t.Context(), "tpm:"); !errors.Is(err, problem.Unprocessable) || !strings.Contains(err.Error(), "directory") {
		t.Errorf("tpm: without a directory: %v", err)
	}
}

// The keys of a store with a passphrase are of no use without it, and OpenSSL
// reads them with it.
func TestPassphrase(t *testing.T) {
	credentials, dir := t.TempDir(), t.TempDir()+"/keys"
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	write := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(credentials, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := write("key", "correct horse\n", 0o400)
	hsmtest.Run(t, func(t testing.TB) key.Store {
		store, err := hsm.Open(t.Context(), "file:"+dir+"?passphrase-credential=key")
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
	store, err := hsm.Open(t.Context(), "file:"+dir+"?passphrase-file="+path)
	if err != nil {
		t.Fatal(err)
	}
	ref, _, err := store.Create(t.Context(), key.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("openssl"); err != nil && os.Getenv("REQUIRE_HSM") != "1" {
		t.Logf("not read by OpenSSL: %v", err)
	} else if out, err := exec.Command("openssl", "pkey", "-noout", "-in", filepath.Join(dir, string(ref)+".pem"),
		"-passin", "file:"+path).CombinedOutput(); err != nil {
		t.Errorf("openssl: %v\n%s", err, out)
	}
	other := write("other", "wrong", 0o600)
	for _, uri := range []string{"file:" + dir, "file:" + dir + "?passphrase-file=" + other} {
		store, err := hsm.Open(t.Context(), uri)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(t.Context(), ref); err == nil {
			t.Errorf("%s opens the key", uri)
		}
	}
	write("open", "x", 0o644)
	write("empty", "\n", 0o600)
	write("lines", "a\nb\n", 0o600)
	for _, query := range []string{"passphrase-credential=open", "passphrase-credential=empty", "passphrase-credential=lines", "passphrase-credential=none",
		"passphrase-credential=../key", "passphrase-credential=", "passphrase-file=key", "passphrase=x", "passphrase-file=" + path + "&x=1"} {
		if _, err := hsm.Open(t.Context(), "file:"+dir+"?"+query); err == nil {
			t.Errorf("%s was taken", query)
		}
	}
}
