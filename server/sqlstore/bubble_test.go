package sqlstore_test

import (
	"testing"
	"testing/synctest"
	"time"

	"mooring/server/platform"
	"mooring/server/sqlstore"
)

// In simulated time a store must not keep the clock from moving, nor leave a
// goroutine behind.
func TestInABubble(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			s := openSQLite(t, dir, sqlstore.Options{})
			if _, err := s.Tenant(t.Context(), tenant); err != nil {
				createTenant(t, s)
			}
			start := time.Now()
			for range 100 {
				time.Sleep(24 * time.Hour)
				id, err := s.NewID(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if err := submit(s, measurement(id)); err != nil {
					t.Fatal(err)
				}
				if err := putUser(t.Context(), s, "ann"); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Measurement(t.Context(), tenant, id); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Objects(t.Context(), tenant, platform.ObjectFilter{}, platform.Page{Number: 1, Size: 5}); err != nil {
					t.Fatal(err)
				}
			}
			if got := time.Since(start); got != 100*24*time.Hour {
				t.Errorf("%v passed, want 100 days", got)
			}
			closeStore(t, s)
			synctest.Wait()
		})
	}
}
