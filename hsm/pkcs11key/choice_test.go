package pkcs11key_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mooring/hsm/hsmtest"
	"mooring/hsm/key"
	"mooring/hsm/pkcs11key"
	"mooring/hsm/pkcs11key/p11test"
	"mooring/internal/pki"
)

func startBench(b *testing.B) string {
	b.Helper()
	hsm := p11test.Start(b)
	hsm.AddToken(b, "dev")
	return hsm.URI("dev", "")
}

func startPlain(t *testing.T, labels ...string) *p11test.SoftHSM {
	t.Helper()
	hsm := p11test.Start(t)
	for _, l := range labels {
		hsm.AddToken(t, l)
	}
	return hsm
}

// Of several tokens that match none is taken, and the error lists them.
func TestNoGuessing(t *testing.T) {
	hsm := startPlain(t, "same", "same", "other")
	_, err := opened(t, hsm.URI("same", "")).List(t.Context())
	wantKind(t, err, pkcs11key.Refused, "token=same serial=")
	if strings.Count(err.Error(), "token=same") < 3 { // the URI's and two tokens
		t.Errorf("the error does not list both: %v", err)
	}
	serial, _, _ := strings.Cut(err.Error()[strings.Index(err.Error(), "serial=")+len("serial="):], " ")
	if _, err := opened(t, hsm.URI("same", ";serial="+serial)).List(t.Context()); err != nil {
		t.Errorf("by serial: %v", err)
	}
	for _, part := range []string{"token=other", "token=other;manufacturer=SoftHSM%20project", "token=other;model=SoftHSM%20v2"} {
		if _, err := opened(t, strings.Replace(hsm.URI("same", ""), "token=same", part, 1)).List(t.Context()); err != nil {
			t.Errorf("%s: %v", part, err)
		}
	}
	for _, part := range []string{"token=none", "token=other;serial=1", "token=other;slot-id=4294967295", "token=other;model=x"} {
		_, err := opened(t, strings.Replace(hsm.URI("same", ""), "token=same", part, 1)).List(t.Context())
		wantKind(t, err, pkcs11key.Gone, "there are: token=")
	}
}

// Keys that others made are used, and of two with one name none is.
func TestOthersKeys(t *testing.T) {
	hsm := startPlain(t, "dev")
	hsm.Tool(t, "dev", "--keypairgen", "--key-type", "EC:prime256v1", "--label", "my key", "--id", "01")
	hsm.Tool(t, "dev", "--keypairgen", "--key-type", "EC:prime256v1", "--label", "other", "--id", "02")
	for _, more := range []string{";object=my%20key", ";id=%01", ";object=my%20key;id=%01;type=private"} {
		store := opened(t, hsm.URI("dev", more))
		refs, err := store.List(t.Context())
		if err != nil || !slices.Equal(refs, []key.Ref{"my-key-01"}) {
			t.Fatalf("%s: %v, %v", more, refs, err)
		}
		signer, err := store.Open(t.Context(), refs[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := pki.SignVerify(signer); err != nil {
			t.Error(err)
		}
		if _, err := store.Open(t.Context(), "other-02"); !errors.Is(err, key.ErrNotFound) {
			t.Errorf("%s: a key that the URI does not name: %v", more, err)
		}
		_, _, err = store.Create(t.Context(), key.Spec{})
		wantKind(t, err, pkcs11key.Refused, "names one object")
	}
	hsm.Tool(t, "dev", "--keypairgen", "--key-type", "EC:prime256v1", "--label", "my key", "--id", "01")
	_, err := opened(t, hsm.URI("dev", "")).Open(t.Context(), "my-key-01")
	wantKind(t, err, pkcs11key.Refused, "2 private keys")
}

// A key that others put under a name is noticed.
func TestReplacedKey(t *testing.T) {
	hsm := startPlain(t, "dev")
	store := opened(t, hsm.URI("dev", ""))
	hsm.Tool(t, "dev", "--keypairgen", "--key-type", "EC:prime256v1", "--label", "x", "--id", "01")
	signer, err := store.Open(t.Context(), "x-01")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"privkey", "pubkey"} {
		hsm.Tool(t, "dev", "--delete-object", "--type", kind, "--id", "01")
	}
	hsm.Tool(t, "dev", "--keypairgen", "--key-type", "EC:prime256v1", "--label", "x", "--id", "01")
	wantKind(t, pki.SignVerify(signer), pkcs11key.Refused, "does not fit the key")
}

// Tokens that know RSA alone, and no AES.
func TestRSAOnly(t *testing.T) {
	f, store := faulty(t)
	all, err := store.Algorithms(t.Context())
	if err != nil || all[0] != key.ECDSAP256 || !slices.Contains(all, key.RSA4096) || len(all) != 5 {
		t.Errorf("algorithms %v, %v", all, err)
	}
	f.Spoil(t, "C_GetMechanismInfo 1+ mech 0x1040", "C_GetMechanismInfo 1+ mech 0x1087")
	store = opened(t, f.URI("dev", ""))
	if all, err = store.Algorithms(t.Context()); err != nil || all[0] != key.RSA2048 || len(all) != 3 {
		t.Errorf("algorithms %v, %v", all, err)
	}
	open := func(label string) func(testing.TB) key.Sealer {
		return func(t testing.TB) key.Sealer { return openedSealer(t, f.URI(label, "")) }
	}
	f.AddToken(t, "two")
	hsmtest.RunSealer(t, open("dev"), open("two"))
	if out := f.Tool(t, "dev", "--list-objects", "--type", "secrkey"); strings.Contains(out, "Secret Key") {
		t.Errorf("the sealing key is not RSA: %s", out)
	}
	if refs, err := store.List(t.Context()); err != nil || len(refs) != 0 {
		t.Errorf("the sealing key is listed: %v, %v", refs, err)
	}
}

// A sealer survives what a signer survives.
func TestSealerFaults(t *testing.T) {
	f := p11test.StartFaults(t)
	f.AddToken(t, "dev")
	s := openedSealer(t, f.URI("dev", ""))
	sealed, err := s.Seal(t.Context(), []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, plan := range []string{"C_DecryptInit 1 code 0xb3", "C_DecryptInit 1 code 0x30\nC_DecryptInit 2 code 0x30", "C_DecryptInit 1 crash", "C_OpenSession 1 code 0x32"} {
		f.Spoil(t, plan)
		if got, err := s.Unseal(t.Context(), sealed, nil); err != nil || string(got) != "secret" {
			t.Errorf("%s: %q, %v", plan, got, err)
		}
	}
	f.Spoil(t, "C_DecryptInit 1+ code 0x5")
	if _, err := s.Unseal(t.Context(), sealed, nil); err == nil || errors.Is(err, key.ErrSealed) {
		t.Errorf("a token that fails: %v, want no ErrSealed", err)
	}
	f.Spoil(t)
	f.Pull(t)
	if _, err := s.Unseal(t.Context(), sealed, nil); err == nil || errors.Is(err, key.ErrSealed) {
		t.Errorf("without a token: %v, want no ErrSealed", err)
	}
	f.Plug(t)
	if got, err := s.Unseal(t.Context(), sealed, nil); err != nil || string(got) != "secret" {
		t.Errorf("put back: %q, %v", got, err)
	}
}

func TestHelperIsMissing(t *testing.T) {
	hsm := startPlain(t, "dev")
	bare, _, _ := strings.Cut(hsm.URI("dev", ""), "&x-mooring-helper")
	_, err := opened(t, bare).List(t.Context())
	wantKind(t, err, pkcs11key.Refused, "not installed")
	script := filepath.Join(t.TempDir(), "helper")
	for text, want := range map[string]string{"#!/bin/sh\nexit 0\n": "does not work", "#!/bin/sh\necho hello from me, this is no frame at all\n": "does not work",
		"#!/bin/sh\nprintf '\\0\\0\\0\\026{\"id\":1,\"version\":999}'\ncat >/dev/null\n": "version 999"} {
		if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("MOORING_PKCS11", script)
		_, err := opened(t, bare).List(t.Context())
		wantKind(t, err, pkcs11key.Refused, want)
	}
	t.Setenv("MOORING_PKCS11", hsm.Helper)
	if _, err := opened(t, bare).List(t.Context()); err != nil {
		t.Error(err)
	}
	for module, want := range map[string]string{"/does/not/exist.so": "cannot be read", "/etc/passwd": "cannot be loaded", "/lib/x86_64-linux-gnu/libc.so.6": ""} {
		_, err := opened(t, strings.Replace(hsm.URI("dev", ""), hsm.Module, module, 1)).List(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", module, err)
		}
	}
}

func TestSigned(t *testing.T) {
	hsm := startPlain(t, "dev")
	store := opened(t, hsm.URI("dev", ""))
	_, ec := create(t, store, key.Spec{})
	_, r := create(t, store, key.Spec{Algorithm: key.RSA2048})
	digest := sha256.Sum256([]byte("m"))
	for salt, good := range map[int]bool{rsa.PSSSaltLengthAuto: true, rsa.PSSSaltLengthEqualsHash: true, 32: true, -7: false} {
		_, err := r.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256})
		if good != (err == nil) {
			t.Errorf("salt %d: %v", salt, err)
		}
	}
	for _, s := range []crypto.Signer{ec, r} {
		if _, err := s.Sign(rand.Reader, digest[:20], crypto.SHA1); err == nil {
			t.Error("a digest of SHA-1 was signed")
		}
		if _, err := s.Sign(rand.Reader, digest[:31], crypto.SHA256); err == nil {
			t.Error("31 bytes were signed as SHA-256")
		}
	}
	if _, ok := ec.Public().(*ecdsa.PublicKey); !ok {
		t.Errorf("the default is %T", ec.Public())
	}
}

// A module is found by its name where distributions keep it.
func TestModuleName(t *testing.T) {
	hsm := startPlain(t, "dev")
	named := strings.Replace(hsm.URI("dev", ""), "module-path="+hsm.Module, "module-name=softhsm2", 1)
	if _, err := opened(t, named).List(t.Context()); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"no-such-module", "softhsm*", "*"} {
		_, err := opened(t, strings.Replace(named, "softhsm2", name, 1)).List(t.Context())
		wantKind(t, err, pkcs11key.Refused, "no PKCS#11 module named")
	}
}
