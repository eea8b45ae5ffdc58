package sqlstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// slow starts n metered reads of a tenant that last until stop is closed, and
// returns how each ends.
func slow(s *Store, tenant platform.TenantID, n int, stop <-chan struct{}) <-chan error {
	ends := make(chan error, n)
	for range n {
		go func() {
			_, err := readOne(platform.Metered(context.Background()), s, tenant, func(*session, tenantKey) (int, error) {
				<-stop
				return 0, nil
			})
			ends <- err
		}()
	}
	return ends
}

// TestATenantsShare lets tenants ask for more than the store can do at once.
func TestATenantsShare(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := OpenSQLite(t.Context(), dir, Options{Readers: 6})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		for _, id := range []platform.TenantID{"loud", "second", "third"} {
			if err := s.CreateTenant(t.Context(), platform.Tenant{ID: id}, platform.User{Tenant: id, Name: "admin"}); err != nil {
				t.Fatal(err)
			}
		}
		read := func(ctx context.Context, tenant platform.TenantID) error {
			_, err := s.User(ctx, tenant, "admin")
			return err
		}
		metered := platform.Metered(t.Context())
		stop, stopSecond := make(chan struct{}), make(chan struct{})
		loud := slow(s, "loud", 3, stop)
		synctest.Wait()

		begun := time.Now()
		if err := read(metered, "loud"); !errors.Is(err, problem.Unavailable) || problem.RetryAfter(err) != shareWithin || time.Since(begun) != shareWithin {
			t.Errorf("a read beyond the share: %v after %v", err, time.Since(begun))
		}
		for what, err := range map[string]error{"of a device of the tenant": read(t.Context(), "loud"), "of another tenant": read(metered, "second")} {
			if err != nil {
				t.Errorf("a read %s: %v", what, err)
			}
		}
		second := slow(s, "second", 2, stopSecond) // five of six connections are taken
		synctest.Wait()
		if err := read(metered, "third"); !errors.Is(err, problem.Unavailable) {
			t.Errorf("a read beyond what all tenants have: %v", err)
		}
		if err := read(t.Context(), "third"); err != nil {
			t.Errorf("a read of a device while all tenants are loud: %v", err)
		}
		close(stop)
		close(stopSecond)
		for _, err := range []error{<-loud, <-loud, <-loud, <-second, <-second, read(metered, "loud"), read(metered, "third")} {
			if err != nil {
				t.Error(err)
			}
		}
		if n := len(s.reads.shares.tenants) + len(s.reads.shares.all); n != 0 {
			t.Errorf("%d shares are not given back", n)
		}
	})
}

// TestWaitingForAShare fills the queue of one tenant, and has a reader give up.
func TestWaitingForAShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShares(2)
		release, err := s.take(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ends := make(chan error, maxShareWaiting)
		for range maxShareWaiting {
			go func() {
				_, err := s.take(ctx, 1)
				ends <- err
			}()
		}
		synctest.Wait()
		begun := time.Now()
		if _, err := s.take(t.Context(), 1); !errors.Is(err, problem.Unavailable) || time.Since(begun) != 0 {
			t.Errorf("one more than may wait: %v after %v", err, time.Since(begun))
		}
		cancel()
		for range maxShareWaiting {
			if err := <-ends; !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		release()
		if len(s.tenants)+len(s.all) != 0 {
			t.Errorf("%d tenants and %d connections are not given back", len(s.tenants), len(s.all))
		}
	})
}
