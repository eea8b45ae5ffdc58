package sqlstore

import (
	"context"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/internal/query"
	"mooring/server/platform"
	"mooring/server/sqlstore/postgrestest"
)

func TestSortedBound(t *testing.T) {
	defer func(n int) { maxSorted = n }(maxSorted)
	s, err := OpenSQLite(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const n = 20
	if err := fillObjects(t.Context(), s, n); err != nil {
		t.Fatal(err)
	}
	q, err := query.Parse("$orderby=c8y_Hardware.serialNumber")
	if err != nil {
		t.Fatal(err)
	}
	for bound, want := range map[int]problem.Kind{n - 1: problem.Unprocessable, n: "", n + 1: ""} {
		maxSorted = bound
		_, err := s.Objects(t.Context(), "t1", platform.ObjectFilter{Query: q}, platform.Page{Number: 1, Size: 5})
		if want == "" && err != nil || want != "" && problem.KindOf(err) != want {
			t.Errorf("bound %d: got %v", bound, err)
		}
	}
}

func TestQueryBounds(t *testing.T) {
	defer func(d time.Duration) { listWithin = d }(listWithin)
	s, err := OpenSQLite(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := fillObjects(t.Context(), s, 3000); err != nil {
		t.Fatal(err)
	}
	ask := func(ctx context.Context, text string) error {
		q, err := query.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Objects(ctx, "t1", platform.ObjectFilter{Query: q}, platform.Page{Number: 1, Size: 5, WithTotal: true})
		return err
	}
	wide := func(n int) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = "f" + strconv.Itoa(i) + ".x eq 1"
		}
		return strings.Join(parts, " or ")
	}
	for n, want := range map[int]bool{maxProbed - 1: true, maxProbed: true, maxProbed + 1: false} {
		if err := ask(t.Context(), wide(n)); (err == nil) != want || err != nil && problem.KindOf(err) != problem.Unprocessable {
			t.Errorf("%d fragments: got %v", n, err)
		}
	}
	listWithin = time.Nanosecond
	if err := ask(t.Context(), "c8y_Hardware.model eq 'x*'"); problem.KindOf(err) != problem.Unprocessable {
		t.Errorf("too long: got %v", err)
	}
	listWithin = time.Hour
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ask(gone, "c8y_Hardware.model eq 'x*'"); err == nil || problem.KindOf(err) == problem.Unprocessable {
		t.Errorf("a client that is gone: got %v", err)
	}
}

// BenchmarkObjects lists objects among 100,000 as clients do: a page of 50. cpu-ms/op
// is what this process uses, which on PostgreSQL is not all.
func BenchmarkObjects(b *testing.B) {
	for name, open := range map[string]func() (*Store, error){
		"sqlite":   func() (*Store, error) { return OpenSQLite(b.Context(), b.TempDir(), Options{}) },
		"postgres": func() (*Store, error) { return OpenPostgres(b.Context(), postgrestest.Database(b), Options{}) },
	} {
		b.Run(name, func(b *testing.B) {
			s, err := open()
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			benchmarkObjects(b, s)
		})
	}
}

func benchmarkObjects(b *testing.B, s *Store) {
	if err := fillObjects(b.Context(), s, 100_000); err != nil {
		b.Fatal(err)
	}
	page, counted := platform.Page{Number: 1, Size: 50}, platform.Page{Number: 1, Size: 50, WithTotal: true}
	for _, bb := range []struct {
		name  string
		f     platform.ObjectFilter
		query string
		page  platform.Page
	}{
		{"type", platform.ObjectFilter{Type: "type7"}, "", page},
		{"fragment", platform.ObjectFilter{FragmentType: "c8y_IsDevice"}, "", page},
		{"fragment counted", platform.ObjectFilter{FragmentType: "c8y_IsDevice"}, "", counted},
		{"devices by name", platform.ObjectFilter{}, "$filter=(has(c8y_IsDevice)) $orderby=name", page},
		{"text", platform.ObjectFilter{Text: "dev99999"}, "", page},
		{"group", platform.ObjectFilter{}, "bygroupid(1)", page},
		{"hierarchy", platform.ObjectFilter{}, "isinhierarchyof(1)", page},
		{"name pattern", platform.ObjectFilter{}, "name eq '*99999*'", page},
		{"nested", platform.ObjectFilter{}, "c8y_Hardware.serialNumber eq 'S99999'", page},
		{"nested, all match", platform.ObjectFilter{}, "c8y_Availability.status eq 'AVAILABLE'", page},
		{"nested, counted", platform.ObjectFilter{}, "c8y_Availability.status eq 'AVAILABLE'", counted},
		{"order by nested", platform.ObjectFilter{}, "has(c8y_IsDevice) $orderby=c8y_Hardware.serialNumber", page},
	} {
		q, err := query.Parse(bb.query)
		if err != nil {
			b.Fatal(err)
		}
		bb.f.Query = q
		b.Run(bb.name, func(b *testing.B) {
			var before, after syscall.Rusage
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
			for b.Loop() {
				if _, err := s.Objects(b.Context(), "t1", bb.f, bb.page); err != nil {
					b.Fatal(err)
				}
			}
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
			used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
			b.ReportMetric(float64(used)/float64(b.N)/1e6, "cpu-ms/op")
		})
	}
}
