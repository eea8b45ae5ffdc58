package sqlstore

import (
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// A search by fragment ends when it has found enough, or looked into as much as
// it may.
func TestSiftingIsBounded(t *testing.T) {
	s, err := OpenSQLite(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.CreateTenant(t.Context(), platform.Tenant{ID: "t1", Created: time.UnixMilli(1)}, platform.User{}); err != nil {
		t.Fatal(err)
	}
	const n = 5
	for i := range n {
		if err := submitOne(s, platform.ID(100+i)); err != nil {
			t.Fatal(err)
		}
	}
	for bound, want := range map[int]problem.Kind{n - 1: problem.Unprocessable, n: "", n + 1: ""} {
		_, err := readTenant(t.Context(), s, s.telemetryR, "t1", func(tx *session, key tenantKey) (platform.List[platform.Measurement], error) {
			f := platform.TelemetryFilter{Fragment: "none"}
			return sifted(tx, tx.d.telemetryWhere("measurements", measurementColumns, key, f), platform.Page{Number: 1, Size: 5}, f, scanMeasurement,
				func(m *platform.Measurement) []byte { return m.Body }, bound)
		})
		if want == "" && err != nil || want != "" && problem.KindOf(err) != want {
			t.Errorf("bound %d: got %v", bound, err)
		}
	}
}
