package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// When the disk is full, writers hear Unavailable, what was acknowledged stays,
// reads go on, and the store writes again when there is space.
func TestDiskFull(t *testing.T) {
	s, err := OpenSQLite(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.CreateTenant(t.Context(), platform.Tenant{ID: "t1", Created: time.UnixMilli(1)}, platform.User{}); err != nil {
		t.Fatal(err)
	}
	limitPages(t, s.telemetry, 100)
	limitPages(t, s.identity, 100)

	var stored []platform.ID
	for n := 1; ; n++ {
		err := submitOne(s, platform.ID(n))
		if err == nil {
			stored = append(stored, platform.ID(n))
			continue
		}
		if got := problem.KindOf(err); got != problem.Unavailable {
			t.Fatalf("on a full disk: got %v of kind %q, want unavailable", err, got)
		}
		break
	}
	if len(stored) == 0 {
		t.Fatal("nothing was stored before the disk was full")
	}
	var users int
	for err = error(nil); err == nil; users++ {
		err = s.PutUser(t.Context(), platform.User{Tenant: "t1", Name: fmt.Sprint(users), Email: longText})
	}
	if got := problem.KindOf(err); got != problem.Unavailable {
		t.Fatalf("a command on a full disk: got %v of kind %q, want unavailable", err, got)
	}
	// Once more: a failure does not break the next transaction.
	if err := submitOne(s, 1_000_000); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("got %v, want unavailable", err)
	}
	checkStored(t, s, stored)

	limitPages(t, s.telemetry, 1_000_000)
	limitPages(t, s.identity, 1_000_000)
	if err := submitOne(s, 1_000_000); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if err := s.PutUser(t.Context(), platform.User{Tenant: "t1", Name: "last"}); err != nil {
		t.Errorf("a command with space again: %v", err)
	}
	checkStored(t, s, append(stored, 1_000_000))
	l, err := s.Users(t.Context(), "t1", platform.UserFilter{}, platform.Page{Number: 1, Size: 1, WithTotal: true})
	if err != nil || l.Total != int64(users) { // the one that failed makes up for the last
		t.Errorf("got %d users, %v, want %d", l.Total, err, users)
	}
}

var longText = strings.Repeat("x", 3000)

// limitPages makes a database file full when it has n pages.
func limitPages(t *testing.T, c committer, n int) {
	t.Helper()
	err := c.do(context.Background(), func(tx *session) error {
		_, err := one(tx, "pragma", (*row).int, fmt.Sprint("PRAGMA max_page_count = ", n))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func submitOne(s *Store, id platform.ID) error {
	done := make(chan error, 1)
	s.Submit(platform.Batch{Tenant: "t1", Measurements: []platform.Measurement{{ID: id, Source: 1, Body: []byte(longText)}}},
		func(err error) { done <- err })
	return <-done
}

// checkStored wants exactly these measurements.
func checkStored(t *testing.T, s *Store, ids []platform.ID) {
	t.Helper()
	l, err := s.Measurements(t.Context(), "t1", platform.TelemetryFilter{}, platform.Page{Number: 1, Size: 2000, WithTotal: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Items) != len(ids) {
		t.Fatalf("got %d measurements, want %d", len(l.Items), len(ids))
	}
	for i, m := range l.Items {
		if m.ID != ids[i] {
			t.Errorf("got measurement %d in place %d, want %d", m.ID, i, ids[i])
		}
	}
}
