package identity_test

import (
	"testing"

	"mooring/internal/durable/durabletest"
)

// TestKeptKey: a key outlives the generation that made it, renewal after renewal.
func TestKeptKey(t *testing.T) {
	ca := newIssuer(t)
	s, keys, err := open(durabletest.New())
	if err != nil {
		t.Fatal(err)
	}
	if err := enrolSteps(t, s, ca); err != nil {
		t.Fatal(err)
	}
	for n := uint32(2); n <= 5; n++ {
		if err := generation(t, s, ca, n, 1); err != nil {
			t.Fatalf("generation %d: %v", n, err)
		}
		if err := s.Commit(ctx, n); err != nil {
			t.Fatal(err)
		}
		if err := s.Sweep(ctx, n); err != nil {
			t.Fatal(err)
		}
		found, err := s.Find(ctx)
		if err != nil || found.Current.Number != n || found.Current.KeyOf != 1 {
			t.Fatalf("got %+v, %v", found, err)
		}
	}
	if refs, err := keys.List(ctx); err != nil || len(refs) != 1 {
		t.Errorf("keys %v, %v, want the one", refs, err)
	}
}
