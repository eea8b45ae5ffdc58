package devicetoken_test

import (
	"testing"
	"testing/synctest"
	"time"

	"mooring/server/devicetoken"
	"mooring/server/platform"
)

// Two nodes on one store rotate once each 90 days; a token of the key before
// stays good, as long as tokens may live.
func TestRotateDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "2592000")
		r.config.Now, r.config.Turns = nil, r.store
		one, two := devicetoken.New(r.config), devicetoken.New(r.config)
		rotate := func(s *devicetoken.Service, want bool) {
			t.Helper()
			if got, err := s.RotateDue(t.Context()); err != nil || got != want {
				t.Fatalf("RotateDue = %v, %v, want %v", got, err, want)
			}
		}
		rotate(one, false) // no key yet
		if _, err := one.Issue(t.Context(), platform.Principal{Tenant: tenant, Device: "dev0"}, "example.com"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(devicetoken.RotateEvery - time.Second)
		rotate(one, false)
		old, err := one.Issue(t.Context(), platform.Principal{Tenant: tenant, Device: "dev1"}, "example.com")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		rotate(two, true)
		rotate(one, false)
		fresh, err := two.Issue(t.Context(), platform.Principal{Tenant: tenant, Device: "dev2"}, "example.com")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(devicetoken.MaxLifespan - time.Minute)
		for name, token := range map[string]string{"issued before": old, "issued after": fresh} {
			for _, node := range []*devicetoken.Service{one, two} {
				if _, err := node.Verify(t.Context(), token); err != nil {
					t.Errorf("%s the rotation: %v", name, err)
				}
			}
		}
		keys, err := r.store.SealedKeys(t.Context(), "management", "token-signing")
		if err != nil || len(keys) != 2 {
			t.Errorf("%d keys, %v, want 2", len(keys), err)
		}
	})
}

// A node does not rotate on a day whose turn another has taken.
func TestRotateTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "")
		r.config.Now, r.config.Turns = nil, r.store
		s := devicetoken.New(r.config)
		if _, err := s.Issue(t.Context(), platform.Principal{Tenant: tenant, Device: "dev1"}, "example.com"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(devicetoken.RotateEvery)
		turn := platform.Turn{Name: "token-signing-rotation", On: time.Now().UTC().Format(time.DateOnly)}
		if err := r.store.TakeTurn(t.Context(), platform.Management, turn); err != nil {
			t.Fatal(err)
		}
		for _, want := range []bool{false, true, false} {
			if got, err := s.RotateDue(t.Context()); err != nil || got != want {
				t.Errorf("RotateDue = %v, %v, want %v", got, err, want)
			}
			time.Sleep(24 * time.Hour)
		}
	})
}
