// Package hsmtest holds every key backend to the contracts of hsm/key.
//
// A backend's test is three lines: hsmtest.Run(t, open).
package hsmtest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"mooring/hsm/key"
	"mooring/internal/pki"
)

// Run tests a store. Each call of open opens the same store, which is empty at
// first and holds only keys made here.
func Run(t *testing.T, open func(testing.TB) key.Store) {
	t.Run("create", func(t *testing.T) { testCreate(t, open) })
	t.Run("open after reopen", func(t *testing.T) { testReopen(t, open) })
	t.Run("sign", func(t *testing.T) { testSign(t, open) })
	t.Run("sign at once", func(t *testing.T) { testConcurrent(t, open) })
	t.Run("list and destroy", func(t *testing.T) { testDestroy(t, open) })
	t.Run("refused refs", func(t *testing.T) { testRefs(t, open) })
	t.Run("cancelled", func(t *testing.T) { testCancelled(t, open) })
}

// algorithms that are quick enough for every test run.
var algorithms = []key.Algorithm{key.ECDSAP256, key.ECDSAP384, key.RSA2048}

func opened(t testing.TB, open func(testing.TB) key.Store) key.Store {
	t.Helper()
	store := open(t)
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return store
}

func created(t testing.TB, store key.Store, spec key.Spec) (key.Ref, crypto.Signer) {
	t.Helper()
	ref, signer, err := store.Create(t.Context(), spec)
	if err != nil {
		t.Fatalf("create %+v: %v", spec, err)
	}
	return ref, signer
}

func testCreate(t *testing.T, open func(testing.TB) key.Store) {
	store := opened(t, open)
	for _, a := range algorithms {
		t.Run(a.String(), func(t *testing.T) {
			_, signer := created(t, store, key.Spec{Algorithm: a})
			checkAlgorithm(t, a, signer.Public())
			if err := pki.SignVerify(signer); err != nil {
				t.Error(err)
			}
		})
	}
	for _, label := range []string{"device 7/#ü", "../..", strings.Repeat("x", key.MaxLabelBytes)} {
		ref, _ := created(t, store, key.Spec{Label: label})
		if strings.ContainsFunc(string(ref), unicode.IsControl) || ref == "" {
			t.Errorf("label %q gives ref %q", label, ref)
		}
	}
	same1, _ := created(t, store, key.Spec{Label: "same"})
	same2, _ := created(t, store, key.Spec{Label: "same"})
	if same1 == same2 {
		t.Errorf("two keys have the same ref %q", same1)
	}
	if _, _, err := store.Create(t.Context(), key.Spec{Label: strings.Repeat("x", key.MaxLabelBytes+1)}); err == nil {
		t.Error("a label that is too long was accepted")
	}
	if _, _, err := store.Create(t.Context(), key.Spec{Algorithm: 99}); err == nil {
		t.Error("an unknown algorithm was accepted")
	}
}

func checkAlgorithm(t *testing.T, a key.Algorithm, pub crypto.PublicKey) {
	t.Helper()
	got := fmt.Sprintf("%T", pub)
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		got = fmt.Sprintf("ecdsa-p%d", k.Curve.Params().BitSize)
	case *rsa.PublicKey:
		got = fmt.Sprintf("rsa-%d", k.N.BitLen())
	}
	if got != a.String() {
		t.Errorf("asked for %v, got %s", a, got)
	}
}

func testReopen(t *testing.T, open func(testing.TB) key.Store) {
	first := open(t)
	ref, signer := created(t, first, key.Spec{Label: "kept"})
	pub := signer.Public()
	if err := first.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	store := opened(t, open)
	again, err := store.Open(t.Context(), ref)
	if err != nil {
		t.Fatalf("open %q: %v", ref, err)
	}
	if !pki.SamePublicKey(again.Public(), pub) {
		t.Error("the key is another one after reopening")
	}
	if err := pki.SignVerify(again); err != nil {
		t.Error(err)
	}
}

func testSign(t *testing.T, open func(testing.TB) key.Store) {
	store := opened(t, open)
	for _, a := range algorithms {
		_, signer := created(t, store, key.Spec{Algorithm: a})
		for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			t.Run(fmt.Sprintf("%v with %v", a, h), func(t *testing.T) { signAndVerify(t, signer, h) })
		}
	}
}

func signAndVerify(t *testing.T, signer crypto.Signer, h crypto.Hash) {
	t.Helper()
	w := h.New()
	w.Write([]byte("message"))
	digest := w.Sum(nil)
	sig, err := signer.Sign(rand.Reader, digest, h)
	if err != nil {
		t.Fatal(err)
	}
	switch pub := signer.Public().(type) {
	case *ecdsa.PublicKey:
		if !ecdsa.VerifyASN1(pub, digest, sig) {
			t.Error("the signature does not verify")
		}
	case *rsa.PublicKey:
		if err := rsa.VerifyPKCS1v15(pub, h, digest, sig); err != nil {
			t.Errorf("PKCS#1 v1.5: %v", err)
		}
		checkPSS(t, signer, pub, h, digest)
	default:
		t.Errorf("unknown public key %T", pub)
	}
}

// checkPSS: TLS 1.3 signs with PSS and a salt as long as the hash.
func checkPSS(t *testing.T, signer crypto.Signer, pub *rsa.PublicKey, h crypto.Hash, digest []byte) {
	t.Helper()
	opts := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
	sig, err := signer.Sign(rand.Reader, digest, opts)
	if err != nil {
		t.Fatalf("PSS: %v", err)
	}
	if err := rsa.VerifyPSS(pub, h, digest, sig, opts); err != nil {
		t.Errorf("PSS: %v", err)
	}
}

func testConcurrent(t *testing.T, open func(testing.TB) key.Store) {
	store := opened(t, open)
	ref, signer := created(t, store, key.Spec{})
	const goroutines = 8
	errs := make(chan error, 2*goroutines)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() { errs <- pki.SignVerify(signer) })
		wg.Go(func() {
			own, err := store.Open(t.Context(), ref)
			if err == nil {
				err = pki.SignVerify(own)
			}
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
}

func testDestroy(t *testing.T, open func(testing.TB) key.Store) {
	store := opened(t, open)
	keep, _ := created(t, store, key.Spec{Label: "keep"})
	gone, _ := created(t, store, key.Spec{Label: "gone"})
	checkListed(t, store, keep, true)
	checkListed(t, store, gone, true)
	if err := store.Destroy(t.Context(), gone); err != nil {
		t.Fatalf("destroy: %v", err)
	}
	checkListed(t, store, keep, true)
	checkListed(t, store, gone, false)
	if _, err := store.Open(t.Context(), gone); !errors.Is(err, key.ErrNotFound) {
		t.Errorf("open a destroyed key: %v, want ErrNotFound", err)
	}
	if err := store.Destroy(t.Context(), gone); !errors.Is(err, key.ErrNotFound) {
		t.Errorf("destroy twice: %v, want ErrNotFound", err)
	}
	if _, err := store.Open(t.Context(), keep); err != nil {
		t.Errorf("the other key: %v", err)
	}
}

func checkListed(t *testing.T, store key.Store, ref key.Ref, want bool) {
	t.Helper()
	refs, err := store.List(t.Context())
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	if !slices.IsSorted(refs) {
		t.Errorf("list is not sorted: %v", refs)
	}
	if got := slices.Contains(refs, ref); got != want {
		t.Errorf("%q listed: %v, want %v", ref, got, want)
	}
}

func testRefs(t *testing.T, open func(testing.TB) key.Store) {
	store := opened(t, open)
	ref, _ := created(t, store, key.Spec{Label: "real"})
	bad := []key.Ref{"", ".", "..", "/", "nothing", "../" + ref, "./" + ref, "/etc/passwd", ref + "\x00", ref + "/", ref + " ",
		ref + "\n", key.Ref(strings.Repeat("x", 10_000)), "\xff", "%2e%2e"}
	for _, r := range bad {
		if _, err := store.Open(t.Context(), r); !errors.Is(err, key.ErrNotFound) {
			t.Errorf("open %.40q: %v, want ErrNotFound", r, err)
		}
		if err := store.Destroy(t.Context(), r); !errors.Is(err, key.ErrNotFound) {
			t.Errorf("destroy %.40q: %v, want ErrNotFound", r, err)
		}
	}
	if _, err := store.Open(t.Context(), ref); err != nil {
		t.Errorf("the real key: %v", err)
	}
}

func testCancelled(t *testing.T, open func(testing.TB) key.Store) {
	store := opened(t, open)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before, err := store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Create(ctx, key.Spec{}); !errors.Is(err, context.Canceled) {
		t.Errorf("create: %v, want context.Canceled", err)
	}
	after, err := store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, after) {
		t.Error("a cancelled Create left a key behind")
	}
}
