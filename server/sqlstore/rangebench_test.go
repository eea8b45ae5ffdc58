package sqlstore_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/sqlstore/postgrestest"
)

// rowsVariable says among how many measurements BenchmarkLastHundred searches;
// the figures of BENCHMARKS.md are for 10,000,000, which take minutes to load.
const rowsVariable = "MOORING_BENCH_ROWS"

const (
	defaultRows = 200_000
	rowDevices  = 1000
	rowTypes    = 10
)

// BenchmarkLastHundred reads the last 100 measurements of one device, of one of
// its types, and of a span of time. cpu-µs/query counts the whole process.
func BenchmarkLastHundred(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		dir := b.TempDir()
		benchmarkLast(b, openSQLite(b, dir, sqlstore.Options{}), func() int64 { return sizeOf(b, dir) })
	})
	b.Run("postgres", func(b *testing.B) {
		benchmarkLast(b, openPostgres(b, postgrestest.Database(b), sqlstore.Options{}), func() int64 { return 0 })
	})
}

func benchmarkLast(b *testing.B, s *sqlstore.Store, size func() int64) {
	defer s.Close()
	rows := defaultRows
	if text := os.Getenv(rowsVariable); text != "" {
		var err error
		if rows, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.CreateTenant(b.Context(), platform.Tenant{ID: "t1", Created: time.UnixMilli(1)}, platform.User{}); err != nil {
		b.Fatal(err)
	}
	began, before := time.Now(), cpuTime(b)
	load(b, s, rows)
	b.Logf("%d rows loaded in %v, %.1f cpu-µs a row, %d MiB on disk", rows, time.Since(began).Round(time.Second),
		float64(cpuTime(b)-before)/float64(time.Microsecond)/float64(rows), size()>>20)
	newest := time.UnixMilli(1_700_000_000_000).Add(time.Duration(rows/rowDevices) * time.Minute)
	queries := map[string]platform.TelemetryFilter{
		"device":         {NewestFirst: true},
		"device+type":    {NewestFirst: true, Type: "type3"},
		"device+span":    {From: newest.Add(-100 * time.Minute), To: newest},
		"device+series":  {NewestFirst: true, Fragment: "c8y_Temperature", Series: "T7"},
		"device+nothing": {NewestFirst: true, Fragment: "c8y_Other"},
	}
	for name, f := range queries {
		b.Run(name, func(b *testing.B) {
			before, n := cpuTime(b), 0
			for b.Loop() {
				f.Source = platform.ID(1 + n*7919%rowDevices)
				n++
				if _, err := s.Measurements(b.Context(), "t1", f, platform.Page{Number: 1, Size: 100}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(time.Microsecond)/float64(b.N), "cpu-µs/query")
		})
	}
}

// load stores rows of all devices in the order of time, as they would come.
func load(b *testing.B, s *sqlstore.Store, rows int) {
	const part = 1000
	done := make(chan error, 16)
	waiting := 0
	for from := 0; from < rows; from += part {
		list := make([]platform.Measurement, 0, part)
		for i := from; i < min(from+part, rows); i++ {
			t := strconv.Itoa(i / rowDevices % rowTypes)
			list = append(list, platform.Measurement{ID: platform.ID(1_000_000 + i), Source: platform.ID(1 + i%rowDevices), Type: "type" + t,
				Time: time.UnixMilli(1_700_000_000_000).Add(time.Duration(i/rowDevices) * time.Minute),
				Body: json.RawMessage(`{"c8y_Temperature":{"T` + t + `":{"value":21.5,"unit":"C"}}}`)})
		}
		s.Submit(platform.Batch{Tenant: "t1", Measurements: list}, func(err error) { done <- err })
		if waiting++; waiting == cap(done) {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
			waiting--
		}
	}
	for ; waiting > 0; waiting-- {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

func sizeOf(b *testing.B, dir string) (bytes int64) {
	files, err := filepath.Glob(filepath.Join(dir, "telemetry.db*"))
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			b.Fatal(err)
		}
		bytes += info.Size()
	}
	return bytes
}
