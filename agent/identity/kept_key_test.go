package identity_test

import (
	"errors"
	"testing"
	"time"

	"mooring/hsm/key"
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

// A key that was there before the device took it into use outlives its
// generation; one that was taken in for it goes with it.
func TestAdoptedKey(t *testing.T) {
	for _, stays := range []bool{false, true} {
		ca := newIssuer(t)
		s, keys, err := open(durabletest.New())
		if err != nil {
			t.Fatal(err)
		}
		ref, signer, err := keys.Create(ctx, key.Spec{Label: "factory"})
		if err != nil {
			t.Fatal(err)
		}
		chain := ca.issue(t, signer.Public(), 1)
		if stays {
			err = s.Adopt(ctx, 1, ref, chain, time.Now())
		} else {
			err = s.Import(ctx, 1, func(string) (key.Ref, error) { return ref, nil }, chain, time.Now())
		}
		if err := errors.Join(err, s.Commit(ctx, 1)); err != nil {
			t.Fatal(err)
		}
		if err := generation(t, s, ca, 2, 2); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Commit(ctx, 2), s.Sweep(ctx, 2)); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(ctx, ref); (err == nil) != stays {
			t.Errorf("stays %v: %v", stays, err)
		}
	}
}
