package pkcs11key_test

import (
	"crypto"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key"
	"mooring/hsm/pkcs11key/p11test"
	"mooring/internal/pki"
)

func create(t testing.TB, store key.Store, spec key.Spec) (key.Ref, crypto.Signer) {
	t.Helper()
	ref, signer, err := store.Create(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return ref, signer
}

func faulty(t *testing.T) (*p11test.Faults, *pkcs11key.Store) {
	t.Helper()
	f := p11test.StartFaults(t)
	f.AddToken(t, "dev")
	return f, opened(t, f.URI("dev", ""))
}

func wantKind(t testing.TB, err error, kind pkcs11key.Kind, text string) {
	t.Helper()
	var e *pkcs11key.Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(e.Error(), text) {
		t.Errorf("%v, want an error of kind %s with %q", err, kind, text)
	}
}

// Nobody notices a fault that passes.
func TestFaultsThatPass(t *testing.T) {
	f, store := faulty(t)
	_, signer := create(t, store, key.Spec{})
	var plans []string
	for _, code := range []int{0x02, 0x05, 0x06, 0x30, 0x31, 0x32, 0x60, 0x82, 0x90, 0x91, 0xb0, 0xb1, 0xb3, 0xe0, 0xe1, 0x101, 0x190} {
		plans = append(plans, fmt.Sprintf("C_Sign 1 code %#x", code), fmt.Sprintf("C_SignInit 1 code %#x", code))
	}
	plans = append(plans, "C_Sign 1 crash", "C_SignInit 1 crash", "C_Sign 1 crash-after", "C_Sign 1 code 0x30\nC_Initialize 1 code 0x5",
		"C_Sign 1 code 0x30\nC_OpenSession 1 code 0x30", "C_Sign 1 code 0x30\nC_Initialize 1 crash", "C_Sign 1 code 0x30\nC_Login 1 crash",
		"C_Sign 1 code 0x30\nC_GetSlotList 1 code 0x30", "C_Sign 1 crash\nC_FindObjectsInit 1 code 0xb3", "C_Sign 1 crash\nC_GetAttributeValue 1 code 0x82")
	for _, plan := range plans {
		t.Run(strings.ReplaceAll(plan, "\n", ", "), func(t *testing.T) {
			f.Spoil(t, plan)
			if err := pki.SignVerify(signer); err != nil {
				t.Error(err)
			}
			if f.Calls(t, "C_SignInit") < 2 {
				t.Error("the fault did not happen")
			}
		})
	}
}

// A fault that stays is told, after a bounded number of tries, and when it ends
// the same signer works.
func TestFaultsThatStay(t *testing.T) {
	f, store := faulty(t)
	_, signer := create(t, store, key.Spec{})
	for plan, kind := range map[string]pkcs11key.Kind{"C_Sign 1+ code 0x30": pkcs11key.Gone, "C_Sign 1+ crash": pkcs11key.Gone, "* 1+ code 0x32": pkcs11key.Gone,
		"C_Sign 1+ code 0x70": pkcs11key.Refused, "C_Initialize 1+ code 0x5\nC_Sign 1+ code 0x5": pkcs11key.Gone, "C_Sign 1+ code 0x80000001": pkcs11key.Refused} {
		f.Spoil(t, plan)
		wantKind(t, pki.SignVerify(signer), kind, "")
		if n := f.Calls(t, "C_Sign"); n > 3 {
			t.Errorf("%s: %d tries", plan, n)
		}
		f.Spoil(t)
		if err := pki.SignVerify(signer); err != nil {
			t.Errorf("%s is over: %v", plan, err)
		}
	}
}

func TestSilence(t *testing.T) {
	f, store := faulty(t)
	_, signer := create(t, store, key.Spec{})
	before := store.PID()
	store.SetLimit(time.Second)
	f.Spoil(t, "C_Sign 1 delay 600000")
	if err := pki.SignVerify(signer); err != nil {
		t.Error(err)
	}
	if store.PID() == before {
		t.Error("a silent helper was kept")
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", before)); err == nil {
		t.Error("a silent helper still runs")
	}
}

// Whatever happens when a key is made or destroyed, the token holds no object
// that List does not tell, and what it tells can be destroyed.
func TestNoOrphans(t *testing.T) {
	f, store := faulty(t)
	for _, plan := range []string{"C_GenerateKeyPair 1 code 0x30", "C_GenerateKeyPair 1 code-after 0x30", "C_GenerateKeyPair 1 crash", "C_GenerateKeyPair 1 crash-after",
		"C_GenerateKeyPair 1+ crash-after", "C_GenerateKeyPair 1+ code-after 0x70", "C_GenerateKeyPair 1 code-after 0x70\nC_DestroyObject 1 crash-after",
		"C_GenerateKeyPair 1 crash-after\nC_DestroyObject 1 crash-after", "C_GetAttributeValue 1 code 0x30", "C_DestroyObject 1 crash", "C_DestroyObject 1 crash-after",
		"C_DestroyObject 2 crash", "C_DestroyObject 2 code 0x30", "C_DestroyObject 2 crash-after", "C_DestroyObject 2+ code 0x6"} {
		t.Run(strings.ReplaceAll(plan, "\n", ", "), func(t *testing.T) {
			f.Spoil(t, plan)
			ref, _, err := store.Create(t.Context(), key.Spec{Label: "mooring-0001-aabbccdd"})
			known := 0
			if err == nil {
				known = 2
				if err := store.Destroy(t.Context(), ref); err == nil {
					known = 0
				}
			}
			f.Spoil(t)
			if got := len(f.Objects(t, "dev")); got > known {
				t.Errorf("%d objects in the token, want at most %d: %v", got, known, f.Objects(t, "dev"))
			}
			refs, err := store.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range refs {
				if err := store.Destroy(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
			if left := f.Objects(t, "dev"); len(left) != 0 {
				t.Errorf("orphans: %v", left)
			}
		})
	}
}

// The token is pulled and put back.
func TestPulled(t *testing.T) {
	f, store := faulty(t)
	ref, signer := create(t, store, key.Spec{Label: "kept"})
	for range 2 {
		f.Pull(t)
		for range 3 {
			wantKind(t, pki.SignVerify(signer), pkcs11key.Gone, "no token is there")
		}
		_, err := store.Open(t.Context(), ref)
		wantKind(t, err, pkcs11key.Gone, "no token is there")
		if _, err := store.List(t.Context()); err == nil || errors.Is(err, key.ErrNotFound) {
			t.Errorf("list without a token: %v", err)
		}
		f.Plug(t)
		if err := pki.SignVerify(signer); err != nil {
			t.Errorf("put back: %v", err)
		}
	}
}
