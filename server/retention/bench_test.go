package retention_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"mooring/server/platform"
	"mooring/server/retention"
	"mooring/server/sqlstore"
)

// BenchmarkWritersBesideASweep stores one measurement after the other, first
// alone and then while a sweep removes 100,000 old ones, and tells how long a
// writer waits.
func BenchmarkWritersBesideASweep(b *testing.B) {
	const old = 100_000
	for b.Loop() {
		store, err := sqlstore.OpenSQLite(b.Context(), b.TempDir(), sqlstore.Options{})
		check(b, err)
		check(b, store.CreateTenant(b.Context(), platform.Tenant{ID: "t1"}, platform.User{}))
		next := platform.ID(1_000_000)
		submit := func(n int, at time.Time) {
			batch := platform.Batch{Tenant: "t1"}
			for i := range n {
				next++
				batch.Measurements = append(batch.Measurements, platform.Measurement{ID: next, Source: platform.ID(1 + i%100), Type: "T", Time: at.Add(time.Duration(i) * time.Millisecond),
					Body: json.RawMessage(`{"c8y_Temperature":{"T":{"value":21.5,"unit":"C"}}}`)})
			}
			done := make(chan error, 1)
			store.Submit(batch, func(err error) { done <- err })
			check(b, <-done)
		}
		for range old / 1000 {
			submit(1000, time.Now().Add(-61*day))
		}
		wait := func(until <-chan struct{}) []time.Duration {
			var waits []time.Duration
			for {
				began := time.Now()
				submit(1, began)
				waits = append(waits, time.Since(began))
				select {
				case <-until:
					slices.Sort(waits)
					return waits
				default:
				}
			}
		}
		second, cancel := context.WithTimeout(b.Context(), time.Second)
		alone := wait(second.Done())
		cancel()
		s := retention.New(retention.Config{Rules: store, Tenants: store, IDs: store, Telemetry: store, Operations: store, Old: store, Changes: store})
		swept := make(chan struct{})
		began := time.Now()
		go func() {
			defer close(swept)
			if n, err := s.Sweep(context.Background()); n != old || err != nil {
				b.Errorf("%d removed, %v", n, err)
			}
		}()
		beside := wait(swept)
		b.ReportMetric(old/time.Since(began).Seconds(), "rows-removed/s")
		for name, waits := range map[string][]time.Duration{"alone": alone, "beside": beside} {
			b.ReportMetric(float64(waits[len(waits)/2])/1e6, "ms-median-"+name)
			b.ReportMetric(float64(waits[len(waits)*99/100])/1e6, "ms-99%-"+name)
		}
		check(b, store.Close())
	}
}
