package sqlstore

import (
	"testing"
	"time"

	"mooring/server/platform"
	"mooring/server/sqlstore/postgrestest"
)

// Measurements that still wait for their INSERT can be deleted by a command of
// the same transaction.
func TestDeleteWhatWaits(t *testing.T) {
	s, err := OpenPostgres(t.Context(), postgrestest.Database(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.CreateTenant(t.Context(), platform.Tenant{ID: "t1", Created: time.UnixMilli(1)}, platform.User{}); err != nil {
		t.Fatal(err)
	}
	busy, free := make(chan struct{}), make(chan struct{})
	s.Submit(platform.Batch{Tenant: "t1"}, func(error) {
		close(busy)
		<-free
	})
	<-busy // what comes now is one transaction
	answers := make(chan error, 2)
	s.Submit(platform.Batch{Tenant: "t1", Measurements: []platform.Measurement{{ID: 7, Body: []byte("{}")}}}, func(err error) { answers <- err })
	s.submit("t1", 0, func(err error) { answers <- err }, func(tx *session, t tenantKey) error { return tx.deleteMeasurement(t, 7) })
	close(free)
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

func TestBulkSizes(t *testing.T) {
	for _, d := range []*dialect{sqliteDialect, postgresDialect} {
		if last := d.bulk[len(d.bulk)-1].rows; last != 1 {
			t.Errorf("%s: the smallest INSERT has %d rows, want 1", d.name, last)
		}
	}
	s, err := OpenPostgres(t.Context(), postgrestest.Database(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.CreateTenant(t.Context(), platform.Tenant{ID: "t1", Created: time.UnixMilli(1)}, platform.User{}); err != nil {
		t.Fatal(err)
	}
	next, want := platform.ID(0), int64(0)
	for _, n := range []int{1, 7, 8, 9, 63, 64, 65, 137} {
		b := platform.Batch{Tenant: "t1"}
		for range n {
			next++
			b.Measurements = append(b.Measurements, platform.Measurement{ID: next, Body: []byte("{}")})
		}
		want += int64(n)
		answer := make(chan error, 1)
		s.Submit(b, func(err error) { answer <- err })
		if err := <-answer; err != nil {
			t.Fatalf("%d measurements: %v", n, err)
		}
		l, err := s.Measurements(t.Context(), "t1", platform.TelemetryFilter{}, platform.Page{Number: 1, Size: 1, WithTotal: true})
		if err != nil || l.Total != want {
			t.Errorf("after %d measurements: got %d, %v, want %d", n, l.Total, err, want)
		}
	}
}
