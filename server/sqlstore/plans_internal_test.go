package sqlstore

import (
	"strings"
	"testing"
	"time"

	"mooring/server/platform"
)

// Lists that grow without end are read in the order of an index: a page costs
// what it shows, not what lies behind it. Only rows of the same millisecond may
// be sorted.
func TestListsFollowAnIndex(t *testing.T) {
	s, err := OpenSQLite(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	day := time.UnixMilli(1e12)
	tests := []struct {
		filter platform.TelemetryFilter
		want   string
	}{
		{platform.TelemetryFilter{}, "_of_tenant"},
		{platform.TelemetryFilter{NewestFirst: true, From: day}, "_of_tenant"},
		{platform.TelemetryFilter{Source: 1}, "_of_source"},
		{platform.TelemetryFilter{Source: 1, From: day, To: day, NewestFirst: true, Type: "x"}, "_of_source"},
	}
	for _, tt := range tests {
		for table, columns := range map[string]string{"measurements": measurementColumns, "events": eventColumns, "alarms": alarmColumns} {
			text, args := sqliteDialect.telemetryWhere(table, columns, 1, tt.filter).paged(platform.Page{Number: 1, Size: 5})
			plan := explain(t, s.telemetryR, text, args)
			if !strings.Contains(plan, "INDEX "+table+tt.want) || strings.Contains(strings.ReplaceAll(plan, "TEMP B-TREE FOR LAST TERM", ""), "TEMP B-TREE") {
				t.Errorf("%s %+v: got plan %s", table, tt.filter, plan)
			}
		}
	}
	tx := session{d: s.d}
	objects, args := tx.objectsWhere(1, platform.ObjectFilter{FragmentType: "c8y_IsDevice"}).paged(platform.Page{Number: 1, Size: 5})
	if plan := explain(t, s.reads, objects, args); strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "SCAN") {
		t.Errorf("objects: got plan %s", plan)
	}
}

func explain(t *testing.T, p *pool, text string, args []any) string {
	t.Helper()
	steps, err := read1(t.Context(), p, func(s *session) ([]string, error) {
		return all(s, func(r *row) string {
			r.int()
			r.int()
			r.int()
			return r.text()
		}, "EXPLAIN QUERY PLAN "+text, args...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(steps, "; ")
}
