package sqlstore

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"mooring/internal/query"
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
}

// Lists of objects by what clients ask for, among 100,000 of them: each is read
// through indexes, none looks at all objects, and none sorts more than it must.
func TestObjectPlans(t *testing.T) {
	s, err := OpenSQLite(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := fillObjects(t.Context(), s, 100_000); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		query   string
		want    string // a part of the plan
		sorting bool
	}{
		{"has(c8y_IsDevice)", "SEARCH d USING COVERING INDEX fragments_by_name", false},
		{"$filter=(has(c8y_IsDevice)) $orderby=name asc", "SEARCH o USING INDEX objects_by_name", false},
		{"has(c8y_IsDeviceGroup)", "SEARCH d USING COVERING INDEX fragments_by_name", false},
		{"has(c8y_IsDeviceGroup) $orderby=name", "SEARCH d USING COVERING INDEX fragments_by_name", true},
		{"has(c8y_IsDevice) and has(c8y_IsDeviceGroup)", "SEARCH d USING COVERING INDEX fragments_by_name", false},
		{"type eq 'c8y_DeviceGroup'", "SEARCH o USING INDEX objects_by_type", false},
		{"owner eq 'device_7' and has(c8y_IsDevice)", "SEARCH o USING INDEX objects_by_owner", false},
		{"name eq 'Device 7'", "SEARCH o USING INDEX objects_by_name", false},
		{"id eq '7'", "SEARCH o USING PRIMARY KEY (tenant=? AND id=?)", false},
		{"(id eq '7') or (id eq '9')", "SEARCH o USING PRIMARY KEY (tenant=? AND id=?)", false},
		{"bygroupid(1) and has(c8y_IsDevice)", "SEARCH d USING PRIMARY KEY (tenant=? AND parent=?)", true},
		{"c8y_Hardware.serialNumber eq 'S7'", "SEARCH d USING INDEX fragments_by_name", false},
	}
	for _, tt := range tests {
		q, err := query.Parse(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := read1(t.Context(), s.reads, func(tx *session) (string, error) {
			p, err := tx.planObjects(2, platform.ObjectFilter{Query: q})
			if err != nil {
				return "", err
			}
			p.tests()
			p.columnArgs, p.columns = nil, objectColumns
			text, args := p.paged(platform.Page{Number: 1, Size: 5})
			return explainOn(tx, text, args)
		})
		if err != nil || !strings.Contains(plan, tt.want) || strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP B-TREE") != tt.sorting {
			t.Errorf("%s: got plan %s, %v, want %s", tt.query, plan, err, tt.want)
		}
	}
}

// fillObjects stores n devices and a group of a hundred of them in tenant t1.
func fillObjects(ctx context.Context, s *Store, n int) error {
	if err := s.CreateTenant(ctx, platform.Tenant{ID: "t1"}, platform.User{}); err != nil {
		return err
	}
	group := platform.ManagedObject{ID: 1, Name: "Group", Type: "c8y_DeviceGroup", Owner: "admin", Fragments: platform.Fragments{"c8y_IsDeviceGroup": []byte("{}")}}
	cmds := []platform.CreateObject{{Object: group}}
	for i := 2; i <= n; i++ {
		no := strconv.Itoa(i)
		cmd := platform.CreateObject{Object: platform.ManagedObject{ID: platform.ID(i), Name: "Device " + no, Type: "type" + strconv.Itoa(i%50), Owner: "device_" + no,
			Created: time.UnixMilli(int64(i)), Updated: time.UnixMilli(int64(i)), Fragments: platform.Fragments{
				"c8y_IsDevice": []byte("{}"), "com_cumulocity_model_Agent": []byte("{}"),
				"c8y_Availability": []byte(`{"status":"AVAILABLE","lastMessage":"2026-01-10T08:00:00.000Z"}`),
				"c8y_Hardware":     []byte(`{"serialNumber":"S` + no + `","model":"rpi","revision":"1.0"}`),
			}}, ExternalIDs: []platform.ExternalID{{Type: "c8y_Serial", Value: "dev" + no}}}
		if i%1000 == 7 {
			cmd.Parent = &platform.ChildLink{Parent: 1, Kind: platform.ChildAssets}
		}
		if cmds = append(cmds, cmd); len(cmds) == 1000 || i == n {
			if err := s.CreateObjects(ctx, "t1", cmds); err != nil {
				return err
			}
			cmds = cmds[:0]
		}
	}
	return nil
}

// What is asked for often is found by its own index.
func TestFiltersFollowTheirIndex(t *testing.T) {
	s, err := OpenSQLite(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	page := platform.Page{Number: 1, Size: 5}
	alarms := func(f platform.TelemetryFilter) (string, []any) {
		return sqliteDialect.alarmsWhere(alarmColumns, 1, f).paged(page)
	}
	audits := func(f platform.AuditFilter) (string, []any) {
		return sqliteDialect.auditsWhere(auditColumns, 1, f).paged(page)
	}
	open := []platform.AlarmStatus{platform.Active, platform.Acknowledged}
	type query func() (string, []any)
	tests := []struct {
		pool  *pool
		index string
		query query
	}{
		{s.telemetryR, "alarms_unresolved", func() (string, []any) { return alarms(platform.TelemetryFilter{Statuses: open, NewestFirst: true}) }},
		{s.telemetryR, "alarms_of_source", func() (string, []any) { return alarms(platform.TelemetryFilter{Statuses: open, Source: 1}) }},
		{s.telemetryR, "alarms_of_tenant", func() (string, []any) {
			return alarms(platform.TelemetryFilter{Statuses: append(open, platform.Cleared), NewestFirst: true})
		}},
		{s.telemetryR, "events_of_source", func() (string, []any) {
			return sqliteDialect.eventsWhere("id", 1, platform.TelemetryFilter{Source: 1, After: &platform.Cursor{ID: 1}}).paged(page)
		}},
		{s.reads, "audits_of_source", func() (string, []any) { return audits(platform.AuditFilter{Source: "1"}) }},
		{s.reads, "audits_of_user", func() (string, []any) { return audits(platform.AuditFilter{User: "u", OldestFirst: true}) }},
		{s.reads, "audits_of_type", func() (string, []any) { return audits(platform.AuditFilter{Type: "t"}) }},
		{s.reads, "audits_of_source", func() (string, []any) { return audits(platform.AuditFilter{Type: "t", Source: "1"}) }},
	}
	for _, tt := range tests {
		text, args := tt.query()
		plan := explain(t, tt.pool, text, args)
		if !strings.Contains(plan, "INDEX "+tt.index) || strings.Contains(strings.ReplaceAll(plan, "TEMP B-TREE FOR LAST TERM", ""), "TEMP B-TREE") {
			t.Errorf("%s %v: got plan %s, want %s", text, args, plan, tt.index)
		}
	}
}

// What devices, agents and lists look for among operations is found by an index,
// in the order in which it is wanted.
func TestOperationsFollowAnIndex(t *testing.T) {
	s, err := OpenSQLite(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tx := session{d: s.d}
	for _, tt := range []struct {
		filter platform.OperationFilter
		want   string
	}{
		{platform.OperationFilter{}, "PRIMARY KEY"},
		{platform.OperationFilter{NewestFirst: true}, "PRIMARY KEY"},
		{platform.OperationFilter{After: 7}, "PRIMARY KEY"},
		{platform.OperationFilter{Device: 1}, "operations_of_device "},
		{platform.OperationFilter{Device: 1, NewestFirst: true}, "operations_of_device "},
		{platform.OperationFilter{Device: 1, Status: platform.OperationPending, Fragment: "c8y_Restart"}, "operations_of_device_by_status "},
		{platform.OperationFilter{Agent: 1, Status: platform.OperationPending, After: 7}, "operations_of_agent "},
		{platform.OperationFilter{Bulk: 1, Status: platform.OperationFailed}, "operations_of_bulk "},
	} {
		text, args := tx.operationsWhere(1, tt.filter).paged(platform.Page{Number: 1, Size: 5})
		plan := explain(t, s.reads, text, args)
		if !strings.Contains(plan, tt.want) || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%+v: got plan %s", tt.filter, plan)
		}
	}
	text, args := tx.operationsWhere(1, platform.OperationFilter{Status: platform.OperationPending, Before: time.UnixMilli(1)}).paged(platform.Page{Number: 1, Size: 5})
	if plan := explain(t, s.reads, text, args); !strings.Contains(plan, "operations_by_status ") {
		t.Errorf("what took too long: got plan %s", plan)
	}
}

func explain(t *testing.T, p *pool, text string, args []any) string {
	t.Helper()
	plan, err := read1(t.Context(), p, func(s *session) (string, error) { return explainOn(s, text, args) })
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func explainOn(s *session, text string, args []any) (string, error) {
	steps, err := all(s, func(r *row) string {
		r.int()
		r.int()
		r.int()
		return r.text()
	}, "EXPLAIN QUERY PLAN "+text, args...)
	return strings.Join(steps, "; "), err
}
