package hsm_test

import (
	"errors"
	"net/url"
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
			s, err := hsm.OpenSealer(t.Context(), "FILE:"+filepath.Join(keys, name))
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
		_, errSealer := hsm.OpenSealer(t.Context(), uri)
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
