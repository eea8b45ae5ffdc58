package sqlstore_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/sqlstore/postgrestest"
)

// appendBatch is how many publishes wait for the same commit.
const appendBatch = 500

// BenchmarkAppendMeasurements stores measurements as QoS 1 publishes bring
// them: one in each batch, many batches waiting. cpu-µs/row counts the whole
// process and is what the budget speaks of (design §6).
func BenchmarkAppendMeasurements(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkAppend(b, openSQLite(b, b.TempDir(), sqlstore.Options{})) })
	b.Run("postgres", func(b *testing.B) {
		benchmarkAppend(b, openPostgres(b, postgrestest.Database(b), sqlstore.Options{}))
	})
}

func benchmarkAppend(b *testing.B, s *sqlstore.Store) {
	defer s.Close()
	if err := s.CreateTenant(b.Context(), platform.Tenant{ID: "t1", Created: time.UnixMilli(1)}, platform.User{}); err != nil {
		b.Fatal(err)
	}
	next := int64(1_000_000)
	body := json.RawMessage(`{"c8y_Temperature":{"T":{"value":21.5,"unit":"C"}}}`)
	before := cpuTime(b)
	for b.Loop() {
		var all sync.WaitGroup
		all.Add(appendBatch)
		for i := range appendBatch {
			next++
			s.Submit(platform.Batch{Tenant: "t1", Measurements: []platform.Measurement{{
				ID: platform.ID(next), Source: platform.ID(1 + i%100), Type: "c8y_TemperatureMeasurement",
				Time: time.UnixMilli(1_700_000_000_000 + next), Body: body,
			}}}, func(err error) {
				if err != nil {
					b.Error(err)
				}
				all.Done()
			})
		}
		all.Wait()
	}
	perRow := float64(cpuTime(b)-before) / float64(b.N*appendBatch)
	b.ReportMetric(perRow/float64(time.Microsecond), "cpu-µs/row")
	b.ReportMetric(float64(b.N*appendBatch), "rows")
}

// cpuTime is what this process has used so far, user and system.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(fmt.Errorf("getrusage: %w", err))
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
