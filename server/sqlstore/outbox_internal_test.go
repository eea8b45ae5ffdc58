package sqlstore

import (
	"testing"
	"time"

	"mooring/server/platform"
)

// A stop between the two steps of a move leaves each row in the log once.
func TestOutboxMovedTwice(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenSQLite(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CreateTenant(t.Context(), platform.Tenant{ID: "t1", Created: time.UnixMilli(1)}, platform.User{}); err != nil {
		t.Fatal(err)
	}
	b := platform.Batch{Tenant: "t1"}
	for i := range outboxPart + 1 {
		b.Alarms = append(b.Alarms, platform.Alarm{ID: platform.ID(100_000 + i), Source: platform.ID(1 + i), Type: "A", Status: platform.Active})
	}
	done := make(chan error, 1)
	s.Submit(b, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	rows, err := read1(t.Context(), s.telemetryR, func(tx *session) ([]auditRow, error) {
		return all(tx, scanOutbox, "SELECT tenant, "+auditColumns+" FROM "+outboxTable+" LIMIT 5")
	})
	if err != nil || len(rows) != 5 {
		t.Fatalf("got %d rows, %v", len(rows), err)
	}
	if err := s.identity.do(t.Context(), func(tx *session) error { return tx.insertAudits(rows) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenSQLite(t.Context(), dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		l, err := s.AuditRecords(t.Context(), "t1", platform.AuditFilter{Type: "Alarm"}, platform.Page{Number: 1, Size: 1, WithTotal: true})
		if err != nil || l.Total != outboxPart+1 {
			t.Errorf("got %d records, %v, want %d", l.Total, err, outboxPart+1)
		}
	}
	left, err := read1(t.Context(), s.telemetryR, func(tx *session) (int64, error) {
		return one(tx, "count", (*row).int, "SELECT count(*) FROM "+outboxTable)
	})
	if left != 0 || err != nil {
		t.Errorf("%d rows are left in the outbox, %v", left, err)
	}
}

// A writer that has forgotten what it knows writes nothing twice.
func TestKnownSeriesIsBounded(t *testing.T) {
	k := newKnownSeries()
	m := platform.Measurement{Source: 1, Type: "T"}
	added := 0
	for i := range 3 * maxKnownSeries {
		m.Source = platform.ID(i)
		if k.add(1, &m, []byte("f"), []byte("s")) {
			added++
		}
	}
	if added != 3*maxKnownSeries || len(k.young)+len(k.old) > 2*maxKnownSeries {
		t.Errorf("%d added, %d and %d kept", added, len(k.young), len(k.old))
	}
	if k.add(1, &m, []byte("f"), []byte("s")) {
		t.Error("the newest is not known")
	}
	for _, other := range []struct {
		t            tenantKey
		typ          string
		fragment, s2 string
	}{{2, "T", "f", "s"}, {1, "U", "f", "s"}, {1, "T", "fs", ""}, {1, "T", "", "fs"}} {
		m.Type = other.typ
		if !k.add(other.t, &m, []byte(other.fragment), []byte(other.s2)) {
			t.Errorf("%+v is taken for another", other)
		}
	}
	k.forget()
	if len(k.young)+len(k.old) != 0 {
		t.Error("it forgets nothing")
	}
}
