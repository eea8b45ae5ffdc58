package hsmtest

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"mooring/hsm/key"
)

// RunSealer tests a sealer. Each call of open opens the same one; other opens
// one with another key.
func RunSealer(t *testing.T, open, other func(testing.TB) key.Sealer) {
	t.Run("round trip", func(t *testing.T) { testSealed(t, open) })
	t.Run("tampered", func(t *testing.T) { testTampered(t, open) })
	t.Run("other key", func(t *testing.T) { testOtherKey(t, open, other) })
	t.Run("limits", func(t *testing.T) { testLimits(t, open) })
	t.Run("at once", func(t *testing.T) { testSealAtOnce(t, open) })
}

func sealed(t testing.TB, s key.Sealer, plaintext, aad string) []byte {
	t.Helper()
	out, err := s.Seal(t.Context(), []byte(plaintext), []byte(aad))
	if err != nil {
		t.Fatalf("seal: %v", err)
	}
	return out
}

func testSealed(t *testing.T, open func(testing.TB) key.Sealer) {
	s := open(t)
	for _, plaintext := range []string{"", "x", "a private key", strings.Repeat("x", key.MaxPlaintext)} {
		first, second := sealed(t, s, plaintext, "aad"), sealed(t, s, plaintext, "aad")
		if bytes.Equal(first, second) {
			t.Error("sealing the same twice gives the same")
		}
		if len(plaintext) > 8 && bytes.Contains(first, []byte(plaintext)) {
			t.Error("the plaintext stands in the sealed data")
		}
		got, err := open(t).Unseal(t.Context(), first, []byte("aad"))
		if err != nil || string(got) != plaintext {
			t.Errorf("unseal %d bytes after reopening: %d bytes, %v", len(plaintext), len(got), err)
		}
	}
	if s.SealerID() == "" || s.SealerID() != open(t).SealerID() {
		t.Errorf("SealerID %q is not stable", s.SealerID())
	}
}

func testTampered(t *testing.T, open func(testing.TB) key.Sealer) {
	s := open(t)
	good := sealed(t, s, "secret", "tenant 1")
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, err := s.Unseal(t.Context(), bad, []byte("tenant 1")); !errors.Is(err, key.ErrSealed) {
			t.Errorf("byte %d changed: %v, want ErrSealed", i, err)
		}
		if _, err := s.Unseal(t.Context(), good[:i], []byte("tenant 1")); !errors.Is(err, key.ErrSealed) {
			t.Errorf("cut to %d bytes: %v, want ErrSealed", i, err)
		}
	}
	for _, aad := range []string{"", "tenant 2", "tenant 1 "} {
		if _, err := s.Unseal(t.Context(), good, []byte(aad)); !errors.Is(err, key.ErrSealed) {
			t.Errorf("associated data %q: %v, want ErrSealed", aad, err)
		}
	}
	if _, err := s.Unseal(t.Context(), append(bytes.Clone(good), 0), []byte("tenant 1")); !errors.Is(err, key.ErrSealed) {
		t.Errorf("one byte more: %v, want ErrSealed", err)
	}
}

func testOtherKey(t *testing.T, open, other func(testing.TB) key.Sealer) {
	s, o := open(t), other(t)
	if s.SealerID() == o.SealerID() {
		t.Fatal("two keys have one SealerID")
	}
	if _, err := o.Unseal(t.Context(), sealed(t, s, "secret", ""), nil); !errors.Is(err, key.ErrSealed) {
		t.Errorf("error = %v, want ErrSealed", err)
	}
}

func testLimits(t *testing.T, open func(testing.TB) key.Sealer) {
	s := open(t)
	sealed(t, s, strings.Repeat("x", key.MaxPlaintext), strings.Repeat("x", key.MaxAAD))
	if _, err := s.Seal(t.Context(), make([]byte, key.MaxPlaintext+1), nil); err == nil {
		t.Error("more than MaxPlaintext was sealed")
	}
	if _, err := s.Seal(t.Context(), nil, make([]byte, key.MaxAAD+1)); err == nil {
		t.Error("more than MaxAAD was accepted")
	}
	if _, err := s.Unseal(t.Context(), make([]byte, 10*key.MaxPlaintext), nil); !errors.Is(err, key.ErrSealed) {
		t.Errorf("huge input: %v, want ErrSealed", err)
	}
}

func testSealAtOnce(t *testing.T, open func(testing.TB) key.Sealer) {
	s := open(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			out, err := s.Seal(t.Context(), []byte("secret"), nil)
			if err == nil {
				_, err = s.Unseal(t.Context(), out, nil)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
