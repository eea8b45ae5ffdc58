package account

import (
	"strings"
	"testing"

	"mooring/internal/secret"
)

func TestHash(t *testing.T) {
	if got := New(Config{}).passwordCost; got != Usual {
		t.Errorf("passwords cost %+v, want %+v", got, Usual)
	}
	p := secret.New("correct horse")
	text, err := Usual.Hash(p)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("got %s", text)
	}
	if again, _ := Usual.Hash(p); again == text {
		t.Error("two hashes have the same salt")
	}
	h, err := parsePHC(text)
	if err != nil {
		t.Fatal(err)
	}
	if !h.matches(p) || h.matches(secret.New("correct horsf")) {
		t.Error("the hash does not tell right from wrong")
	}
}

// TestForeignHash verifies a hash of the reference implementation, from its
// src/test.c (P-H-C/phc-winner-argon2): "password", "somesalt", t=2, m=2^16.
func TestForeignHash(t *testing.T) {
	const text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	h, err := parsePHC(text)
	if err != nil {
		t.Fatal(err)
	}
	if !h.matches(secret.New("password")) {
		t.Error("does not match")
	}
}

func TestParsePHC(t *testing.T) {
	const salt, key = "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for _, bad := range []string{"", "$", "plain", "$argon2i$v=19$m=8,t=1,p=1$" + salt + "$" + key, "$argon2id$v=16$m=8,t=1,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=262145,t=1,p=1$" + salt + "$" + key, "$argon2id$v=19$m=8,t=17,p=1$" + salt + "$" + key, "$argon2id$v=19$m=8,t=1,p=17$" + salt + "$" + key,
		"$argon2id$v=19$m=0,t=1,p=1$" + salt + "$" + key, "$argon2id$v=19$t=1,m=8,p=1$" + salt + "$" + key, "$argon2id$v=19$m=8,t=1$" + salt + "$" + key,
		"$argon2id$v=19$m=8,t=1,p=1$!$" + key, "$argon2id$v=19$m=8,t=1,p=1$" + salt + "$YQ", "$argon2id$v=19$m=8,t=1,p=1$YQ$" + key,
		"$argon2id$v=19$m=8,t=1,p=1$" + salt + "$" + strings.Repeat("YWFh", 200)} {
		if h, err := parsePHC(bad); err == nil {
			t.Errorf("%q gives %+v", bad, h)
		}
	}
	for _, good := range []string{"$argon2id$v=19$m=262144,t=16,p=16$" + salt + "$" + key, "$argon2id$v=19$m=8,t=1,p=1$" + salt + "$" + key} {
		if _, err := parsePHC(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestMemoIsBounded(t *testing.T) {
	m := newMemo[int, int](10)
	for i := range 1000 {
		m.fill(m.begin(), i, i)
		m.get(0) // asked for all the time
	}
	if n := len(m.young) + len(m.old); n > 10 {
		t.Errorf("%d entries", n)
	}
	if _, ok := m.get(0); !ok {
		t.Error("what is asked for all the time is gone")
	}
	epoch := m.begin()
	m.forget(0)
	m.fill(epoch, 0, 0)
	if _, ok := m.get(0); ok {
		t.Error("what was read before a change was kept after it")
	}
}
