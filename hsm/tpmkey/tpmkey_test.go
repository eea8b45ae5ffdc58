package tpmkey_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm/hsmtest"
	"mooring/hsm/key"
	"mooring/hsm/tpmkey"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/durable"
	"mooring/internal/pki"
)

func open(t testing.TB, l tpmkey.Location) *tpmkey.Store {
	t.Helper()
	store, err := tpmkey.Open(durable.OS, l)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func create(t testing.TB, store key.Store, spec key.Spec) (key.Ref, crypto.Signer) {
	t.Helper()
	ref, signer, err := store.Create(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return ref, signer
}

func TestContract(t *testing.T) {
	tpm := swtpmtest.Start(t)
	l := tpmkey.Location{Device: tpm.Socket, Dir: filepath.Join(t.TempDir(), "keys")}
	hsmtest.Run(t, func(t testing.TB) key.Store { return open(t, l) })
}

func TestSealerContract(t *testing.T) {
	opener := func(tpm *swtpmtest.TPM) func(testing.TB) key.Sealer {
		return func(t testing.TB) key.Sealer {
			s, err := tpmkey.OpenSealer(t.Context(), tpmkey.Location{Device: tpm.Socket})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	}
	hsmtest.RunSealer(t, opener(swtpmtest.Start(t)), opener(swtpmtest.Start(t)))
}

// What the TPM lost is loaded again, and nobody notices.
func TestReset(t *testing.T) {
	tpm := swtpmtest.Start(t)
	store := open(t, tpmkey.Location{Device: tpm.Socket, Dir: t.TempDir()})
	ref1, first := create(t, store, key.Spec{Label: "first"})
	_, second := create(t, store, key.Spec{Label: "second"})
	for range 3 {
		tpm.Reset(t)
		for _, s := range []crypto.Signer{first, second, first} {
			if err := pki.SignVerify(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	tpm.Stop(t)
	var gone *tpmkey.Error
	if err := pki.SignVerify(first); !errors.As(err, &gone) || gone.Kind != tpmkey.Gone {
		t.Errorf("without a TPM: %v, want an error of kind gone", err)
	}
	tpm.Run(t)
	if err := pki.SignVerify(first); err != nil {
		t.Errorf("the TPM is back: %v", err)
	}
	if err := store.Destroy(t.Context(), ref1); err != nil {
		t.Error(err)
	}
	if err := pki.SignVerify(second); err != nil {
		t.Error(err)
	}
}

// A key file is worth nothing to another TPM, and a TPM that was cleared says so.
func TestForeign(t *testing.T) {
	dir := t.TempDir()
	mine, other := swtpmtest.Start(t), swtpmtest.Start(t)
	ref, _ := create(t, open(t, tpmkey.Location{Device: mine.Socket, Dir: dir}), key.Spec{})
	for name, pinned := range map[string]bool{"with the name noted": true, "with the name lost": false} {
		t.Run(name, func(t *testing.T) {
			if !pinned {
				if err := os.Remove(filepath.Join(dir, "srk.name")); err != nil {
					t.Fatal(err)
				}
			}
			signer, err := open(t, tpmkey.Location{Device: other.Socket, Dir: dir}).Open(t.Context(), ref)
			if err != nil {
				t.Fatal(err)
			}
			_, err = signer.Sign(rand.Reader, make([]byte, 32), crypto.SHA256)
			var foreign *tpmkey.Error
			if !errors.As(err, &foreign) || foreign.Kind != tpmkey.Foreign || !strings.Contains(foreign.Advice, "enrol --again") {
				t.Errorf("%v, want an error of kind foreign", err)
			}
		})
	}
}

func TestDamagedFiles(t *testing.T) {
	tpm, dir := swtpmtest.Start(t), t.TempDir()
	store := open(t, tpmkey.Location{Device: tpm.Socket, Dir: dir})
	ref, _ := create(t, store, key.Spec{})
	path := filepath.Join(dir, string(ref)+".tss2")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"empty": nil, "half": whole[:len(whole)/2], "too long": make([]byte, 17<<10), "other": []byte("x")} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(t.Context(), ref); err == nil || errors.Is(err, key.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n, want := range map[int]bool{16<<10 - 1: true, 16 << 10: true, 16<<10 + 1: false} {
		if err := os.WriteFile(path, append(bytes.Clone(whole), bytes.Repeat([]byte("\n"), n-len(whole))...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(t.Context(), ref); (err == nil) != want {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "srk.name"), []byte("zz"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := open(t, tpmkey.Location{Device: tpm.Socket, Dir: dir}).Create(t.Context(), key.Spec{}); err == nil {
		t.Error("a damaged name was accepted")
	}
}

// Who may replace files in the directory may replace the noted name of the TPM.
func TestDirectoryOfOthers(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if _, err := tpmkey.Open(durable.OS, tpmkey.Location{Device: "/dev/none", Dir: dir}); err == nil || !strings.Contains(err.Error(), "mode 0770") {
		t.Errorf("%v, want that the directory is refused", err)
	}
}

// With pcrs a key signs while the registers are as they were, and only then.
func TestPCRs(t *testing.T) {
	tpm, dir := swtpmtest.Start(t), t.TempDir()
	store := open(t, tpmkey.Location{Device: tpm.Socket, Dir: dir, PCRs: []uint{7, 16}})
	ref, signer := create(t, store, key.Spec{})
	if err := pki.SignVerify(signer); err != nil {
		t.Fatal(err)
	}
	again, err := open(t, tpmkey.Location{Device: tpm.Socket, Dir: dir}).Open(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := pki.SignVerify(again); err != nil {
		t.Errorf("opened without pcrs: %v", err)
	}
	extend(t, tpm, 16)
	var refused *tpmkey.Error
	if err := pki.SignVerify(signer); !errors.As(err, &refused) || refused.Kind != tpmkey.Refused || !strings.Contains(refused.Text, "PCR") {
		t.Errorf("after the register changed: %v", err)
	}
}

func TestRSASalt(t *testing.T) {
	tpm := swtpmtest.Start(t)
	_, signer := create(t, open(t, tpmkey.Location{Device: tpm.Socket, Dir: t.TempDir()}), key.Spec{Algorithm: key.RSA2048})
	digest := sha256.Sum256([]byte("m"))
	for salt, good := range map[int]bool{rsa.PSSSaltLengthAuto: true, rsa.PSSSaltLengthEqualsHash: true, 32: true, 20: false} {
		sig, err := signer.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256})
		if good != (err == nil) {
			t.Errorf("salt %d: %v", salt, err)
		}
		if err == nil {
			if err := rsa.VerifyPSS(signer.Public().(*rsa.PublicKey), crypto.SHA256, digest[:], sig, nil); err != nil {
				t.Errorf("salt %d: %v", salt, err)
			}
		}
	}
	if _, err := signer.Sign(rand.Reader, digest[:20], crypto.SHA1); err == nil {
		t.Error("a digest of SHA-1 was signed")
	}
}

func TestParseURI(t *testing.T) {
	for uri, want := range map[string]string{
		"tpm:": "/dev/tpmrm0||[]", "tpm:/dev/tpm0": "/dev/tpm0||[]", "tpm:?dir=/a/../b": "/dev/tpmrm0|/b|[]",
		"tpm:/run/x%20y?dir=/b&pcrs=0+23": "/run/x y|/b|[0 23]",
		"tpm:dev":                         "", "file:/x": "", "tpm:?dir=b": "", "tpm:?pcrs=24": "", "tpm:?pcrs=": "", "tpm:?pcrs=1+1": "", "tpm:?pcrs=a": "",
		"tpm:?dir=/a&dir=/b": "", "tpm:?x=1": "", "tpm:?dir=%zz": "",
	} {
		l, err := tpmkey.ParseURI(uri)
		got := l.Device + "|" + l.Dir + "|" + sprint(l.PCRs)
		if (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%s: %s, %v, want %s", uri, got, err, want)
		}
	}
}
