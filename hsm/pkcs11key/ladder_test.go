package pkcs11key_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key"
	"mooring/hsm/pkcs11key/p11test"
	"mooring/internal/pki"
)

// steps are what a store did to recover.
type steps struct {
	mu   sync.Mutex
	all  []string
	last key.Recovery
}

func watched(store key.Recoverer) *steps {
	s := &steps{}
	store.OnRecovery(func(r key.Recovery) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all, s.last = append(s.all, r.Step), r
	})
	return s
}

// take returns the steps since the last time.
func (s *steps) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := strings.Join(s.all, " ")
	s.all = nil
	return all
}

// signing makes a key and a plan's counts begin with its next signature.
func signing(t *testing.T) (*p11test.Faults, *steps, func() error) {
	t.Helper()
	f, store := faulty(t)
	_, signer := create(t, store, key.Spec{})
	return f, watched(store), func() error { return pki.SignVerify(signer) }
}

// What passes is mended by the lowest rung of its class, and by no more.
func TestLowestRung(t *testing.T) {
	f, steps, sign := signing(t)
	for want, codes := range map[string][]int{
		"session": {0x02, 0x05, 0x06, 0x60, 0x82, 0x90, 0x91, 0xb0, 0xb1, 0xb3},
		"login":   {0x101},
		"module":  {0x03, 0x30, 0x31, 0x32, 0xe0, 0xe1, 0x190},
	} {
		for _, code := range codes {
			for _, function := range []string{"C_SignInit", "C_Sign"} {
				f.Spoil(t, fmt.Sprintf("%s 1 code %#x", function, code))
				if err := sign(); err != nil {
					t.Errorf("%s %#x: %v", function, code, err)
				}
				logins, inits := 1, 0
				switch want {
				case "session":
					logins = 0
				case "module":
					inits = 2 // one to look at the token
				}
				if got := steps.take(); got != want || f.Calls(t, "C_Login") != logins || f.Calls(t, "C_Initialize") != inits {
					t.Errorf("%s %#x: steps %q with %d logins and %d initialisations, want %q, %d, %d", function, code, got,
						f.Calls(t, "C_Login"), f.Calls(t, "C_Initialize"), want, logins, inits)
				}
			}
		}
	}
	f.Spoil(t, "C_Sign 1 crash")
	if err := sign(); err != nil || steps.take() != "helper" {
		t.Errorf("a crash: %v", err)
	}
	f.Spoil(t, "C_Sign 1 code 0x70")
	if err := sign(); err == nil || steps.take() != "" {
		t.Errorf("a final answer: %v", err)
	}
}

// What stays climbs rung by rung, each once, and ends.
func TestRungsInOrder(t *testing.T) {
	f, steps, sign := signing(t)
	for plan, want := range map[string]string{
		"C_Sign 1+ code 0xb3":                            "session login module helper",
		"C_Sign 1+ code 0x5":                             "session module helper",
		"C_Sign 1+ code 0x101":                           "login module helper",
		"C_Sign 1+ code 0x30":                            "module helper",
		"C_Sign 1+ crash":                                "helper helper",
		"C_Sign 1 code 0xb3\nC_Sign 2 code 0x30":         "session module",
		"C_Sign 1 code 0x30\nC_Sign 2 code 0xb3":         "module session",
		"C_Sign 1 code 0xb3\nC_OpenSession 1 code 0xb1":  "session login",
		"C_Sign 1 code 0xb3\nC_OpenSession 1+ code 0xb1": "session login module helper",
		"C_Sign 1 code 0xb3\nC_OpenSession 1 crash":      "session helper",
		"C_Sign 1 code 0x101\nC_Login 1 code 0x30":       "login module",
		"C_Sign 1 crash\nC_FindObjectsInit 1 code 0xb3":  "helper session",
	} {
		f.Spoil(t, plan)
		err := sign()
		if got := steps.take(); got != want {
			t.Errorf("%s: steps %q, want %q (%v)", plan, got, want, err)
		}
		if stays := strings.Contains(plan, "+"); stays != (err != nil) {
			t.Errorf("%s: %v", plan, err)
		}
		f.Spoil(t)
		if err := sign(); err != nil {
			t.Errorf("%s is over: %v", plan, err)
		}
		steps.take()
	}
}

// The sessions are really gone, not only said to be.
func TestLostSessions(t *testing.T) {
	f, steps, sign := signing(t)
	for plan, want := range map[string]string{"C_SignInit 1 lose": "session login", "C_Sign 1 lose": "session login", "C_SignInit 1 logout": "session login"} {
		for range 3 {
			f.Spoil(t, plan)
			if err := sign(); err != nil {
				t.Errorf("%s: %v", plan, err)
			}
			if got := steps.take(); got != want || f.Calls(t, "C_Login") != 1 || f.Calls(t, "C_Initialize") != 0 {
				t.Errorf("%s: steps %q, %d logins, want %q with one", plan, got, f.Calls(t, "C_Login"), want)
			}
			f.Spoil(t, "C_Sign 1 code 0xb3") // the login that came back stays over the next fault
			if err := sign(); err != nil || steps.take() != "session" || f.Calls(t, "C_Login") != 0 {
				t.Errorf("%s, and a session error: %v, %d logins", plan, err, f.Calls(t, "C_Login"))
			}
		}
	}
}

// A token that wants no login never gets one, on whatever rung.
func TestRungsWithoutLogin(t *testing.T) {
	f, _ := faulty(t)
	free := fmt.Sprintf("C_GetTokenInfo 1+ noflags %#x", loginRequired)
	f.Spoil(t, free)
	store := opened(t, f.URI("dev", ""))
	steps := watched(store)
	f.Spoil(t, free, "C_FindObjectsInit 1+ code 0xb3")
	if _, err := store.List(t.Context()); err == nil {
		t.Error("listed")
	}
	if got := steps.take(); got != "session module helper" && got != "module helper" || f.Calls(t, "C_Login") != 0 {
		t.Errorf("steps %q, %d logins", got, f.Calls(t, "C_Login"))
	}
}

// The PIN is looked after on each rung that uses it: a wrong one is tried once,
// the last try never.
func TestPINOnEachRung(t *testing.T) {
	f, steps, sign := signing(t)
	for name, plan := range map[string]string{"login": "C_Sign 1 code 0x101", "module": "C_Sign 1 code 0x30", "helper": "C_Sign 1 crash"} {
		f.Spoil(t, plan)
		f.SetPIN(t, "wrong on "+name)
		for range 3 {
			wantKind(t, sign(), pkcs11key.PIN, "the PIN is wrong")
		}
		if n := f.Calls(t, "C_Login"); n != 1 {
			t.Errorf("%s: %d tries of a wrong PIN", name, n)
		}
		f.SetPIN(t, p11test.PIN)
		if err := sign(); err != nil {
			t.Errorf("%s: the PIN is right again: %v", name, err)
		}
		for flag, text := range map[int]string{finalTry: "one more would lock", pinLocked: "locked after wrong tries"} {
			f.Spoil(t, plan, fmt.Sprintf("C_GetTokenInfo 1+ flags %#x", flag))
			wantKind(t, sign(), pkcs11key.PIN, text)
			if n := f.Calls(t, "C_Login"); n != 0 {
				t.Errorf("%s: %d logins at flag %#x", name, n, flag)
			}
			f.Spoil(t)
			if err := sign(); err != nil {
				t.Errorf("%s: the counter was set back: %v", name, err)
			}
		}
		steps.take()
	}
}

// Silence on any rung ends with a new helper, in time.
func TestSilenceOnEachRung(t *testing.T) {
	f, store := faulty(t)
	_, signer := create(t, store, key.Spec{})
	store.SetLimit(time.Second)
	steps := watched(store)
	for plan, want := range map[string]string{
		"C_Sign 1 code 0xb3\nC_OpenSession 1 delay 600000": "session helper",
		"C_Sign 1 code 0x101\nC_Login 1 delay 600000":      "login helper",
		"C_Sign 1 code 0x30\nC_Initialize 1 delay 600000":  "module helper",
	} {
		f.Spoil(t, plan)
		begin := time.Now()
		if err := pki.SignVerify(signer); err != nil {
			t.Errorf("%s: %v", plan, err)
		}
		if got := steps.take(); got != want || time.Since(begin) > time.Minute {
			t.Errorf("%s: steps %q, want %q, in %v", plan, got, want, time.Since(begin))
		}
	}
}

// A key is only gone when a token that was just opened says so.
func TestGoneIsConfirmed(t *testing.T) {
	f, store := faulty(t)
	steps := watched(store)
	ref, _ := create(t, store, key.Spec{Label: "kept"})
	if err := store.Destroy(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), ref); err == nil || steps.take() != "module" {
		t.Errorf("a key that is gone: %v", err)
	}
	f.Pull(t)
	_, err := store.Open(t.Context(), ref)
	wantKind(t, err, pkcs11key.Gone, "no token is there")
	if got := steps.take(); !slices.Contains(strings.Fields(got), "module") || steps.last.Cause == nil {
		t.Errorf("steps %q", got)
	}
}
