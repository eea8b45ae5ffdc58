package retention_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/retention"
	"mooring/server/sqlstore"
)

const day = 24 * time.Hour

var (
	admin   = platform.Principal{Tenant: "t1", User: "admin"}
	manager = platform.Principal{Tenant: platform.Management, User: "root"}
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a store with two tenants and the service on it.
type world struct {
	*testing.T
	*sqlstore.Store
	service *retention.Service
}

func open(t *testing.T) *world {
	t.Helper()
	store, err := sqlstore.OpenSQLite(t.Context(), durabletest.Dir(t), sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	for _, id := range []platform.TenantID{"t1", "t2", platform.Management} {
		check(t, store.CreateTenant(t.Context(), platform.Tenant{ID: id}, platform.User{}))
	}
	return &world{t, store, retention.New(retention.Config{Rules: store, Tenants: store, IDs: store, Telemetry: store,
		Operations: store, Old: store, Changes: store})}
}

func (w *world) id() platform.ID {
	w.Helper()
	id, err := w.NewID(context.Background())
	check(w, err)
	return id
}

// furnish gives a tenant one of everything that is so old.
func (w *world) furnish(tenant platform.TenantID, age time.Duration, source platform.ID, typ string) {
	w.Helper()
	at := time.Now().Add(-age)
	body := json.RawMessage(`{"frag_` + typ + `":{"T":{"value":1}}}`)
	b := platform.Batch{Tenant: tenant,
		Measurements: []platform.Measurement{{ID: w.id(), Source: source, Type: typ, Time: at, Body: body}},
		Events:       []platform.Event{{ID: w.id(), Source: source, Type: typ, Time: at, Created: at, Updated: at, Body: body}},
		Alarms: []platform.Alarm{
			{ID: w.id(), Source: source, Type: typ, Status: platform.Cleared, Time: at, Created: at, Updated: at, Count: 1},
			{ID: w.id(), Source: source, Type: typ + "open", Status: platform.Active, Time: at, Created: at, Updated: at, Count: 1},
			{ID: w.id(), Source: source, Type: typ + "late", Status: platform.Cleared, Time: at, Created: at, Updated: time.Now(), Count: 1},
		}}
	done := make(chan error, 1)
	w.Submit(b, func(err error) { done <- err })
	check(w, <-done)
	ctx := context.Background()
	check(w, w.AppendAudit(ctx, platform.AuditRecord{Tenant: tenant, At: at, Type: typ, Source: source.String(), User: "furnisher"}))
	for _, status := range []platform.OperationStatus{platform.OperationPending, platform.OperationSuccessful} {
		check(w, w.CreateOperations(ctx, tenant, []platform.Operation{{ID: w.id(), Tenant: tenant, Device: source, Agent: source, Status: status,
			Created: at, Updated: at, Fragments: platform.Fragments{"frag_" + typ: json.RawMessage("{}")}}}))
	}
}

// left counts what a tenant has: measurements, events, alarms, audit records of
// furnish, operations.
func (w *world) left(tenant platform.TenantID) string {
	w.Helper()
	ctx, page := context.Background(), platform.Page{Number: 1, Size: 1, WithTotal: true}
	m, err := w.Measurements(ctx, tenant, platform.TelemetryFilter{}, page)
	check(w, err)
	e, err := w.Events(ctx, tenant, platform.TelemetryFilter{}, page)
	check(w, err)
	a, err := w.Alarms(ctx, tenant, platform.TelemetryFilter{}, page)
	check(w, err)
	r, err := w.AuditRecords(ctx, tenant, platform.AuditFilter{User: "furnisher"}, page)
	check(w, err)
	o, err := w.Operations(ctx, tenant, platform.OperationFilter{}, page)
	check(w, err)
	return fmt.Sprint(m.Total, e.Total, a.Total, r.Total, o.Total)
}

func (w *world) rule(actor platform.Principal, r platform.RetentionRule) platform.RetentionRule {
	w.Helper()
	r, err := w.service.Create(context.Background(), actor, r)
	check(w, err)
	return r
}

// A tenant begins with 60 days for everything.
func TestDefaultRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		w.furnish("t1", 59*day, 5, "T")
		w.furnish("t1", 61*day, 5, "T")
		w.furnish("t2", 59*day, 5, "T")
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.service.Run(ctx); close(done) }()
		time.Sleep(retention.Every - time.Second)
		if got := w.left("t1"); got != "2 2 5 2 4" {
			t.Errorf("before the first sweep: %s", got)
		}
		time.Sleep(2 * time.Second)
		// Of the old: the open alarm (which is one for both), the one cleared of late, the pending operation.
		if got := w.left("t1"); got != "1 1 4 1 3" {
			t.Errorf("after the first sweep: %s", got)
		}
		if got := w.left("t2"); got != "1 1 3 1 2" {
			t.Errorf("another tenant: %s", got)
		}
		time.Sleep(2 * day)
		if got := w.left("t1"); got != "0 0 3 0 2" {
			t.Errorf("two days later: %s", got)
		}
		time.Sleep(60 * day)
		if got := w.left("t1"); got != "0 0 1 0 2" { // what is open stays
			t.Errorf("two months later: %s", got)
		}
		stop()
		<-done
	})
}

func TestRulesSelect(t *testing.T) {
	rule := func(r platform.RetentionRule) platform.RetentionRule { r.MaximumAge = 10; return r }
	tests := []struct {
		name string
		rule platform.RetentionRule
		want string
	}{
		{"everything", rule(platform.RetentionRule{}), "0 0 6 0 3"},
		{"measurements", rule(platform.RetentionRule{DataType: "MEASUREMENT"}), "0 3 9 3 6"},
		{"events of a type", rule(platform.RetentionRule{DataType: "EVENT", Type: "A"}), "3 1 9 3 6"},
		{"events of a fragment", rule(platform.RetentionRule{DataType: "EVENT", FragmentType: "frag_B"}), "3 2 9 3 6"},
		{"alarms of a source", rule(platform.RetentionRule{DataType: "ALARM", Source: "6"}), "3 3 8 3 6"},
		{"alarms know no fragments", rule(platform.RetentionRule{DataType: "ALARM", FragmentType: "frag_B"}), "3 3 6 3 6"},
		{"audit", rule(platform.RetentionRule{DataType: "AUDIT", Type: "A", Source: "5"}), "3 3 9 2 6"},
		{"operations", rule(platform.RetentionRule{DataType: "OPERATION", FragmentType: "frag_A"}), "3 3 9 3 4"},
		{"bulk operations", rule(platform.RetentionRule{DataType: "BULK_OPERATION"}), "3 3 9 3 6"},
		{"a source that is none", rule(platform.RetentionRule{Source: "x"}), "3 3 9 3 6"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := open(t)
			w.furnish("t1", 11*day, 5, "A")
			w.furnish("t1", 11*day, 6, "A")
			w.furnish("t1", 11*day, 5, "B")
			w.rule(admin, tt.rule)
			_, err := w.service.Sweep(t.Context())
			check(t, err)
			if got := w.left("t1"); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// More than one command takes out everything, and the age is exact.
func TestManyRowsAndTheEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		const n = 2*platform.MaxDeleted + 1
		b := platform.Batch{Tenant: "t1"}
		edge := platform.Millis(time.Now().Add(-60 * day))
		for i := range n {
			b.Measurements = append(b.Measurements, platform.Measurement{ID: w.id(), Source: 5, Type: "T", Time: edge.Add(-time.Duration(i+1) * time.Millisecond), Body: json.RawMessage("{}")})
		}
		b.Measurements = append(b.Measurements, platform.Measurement{ID: w.id(), Source: 5, Type: "T", Time: edge, Body: json.RawMessage("{}")})
		done := make(chan error, 1)
		w.Submit(b, func(err error) { done <- err })
		check(t, <-done)
		removed, err := w.service.Sweep(t.Context())
		check(t, err)
		if got := w.left("t1"); removed != n || !strings.HasPrefix(got, "1 ") {
			t.Errorf("removed %d, left %s", removed, got)
		}
	})
}

func TestRulesAreHeldToBounds(t *testing.T) {
	w := open(t)
	ctx := t.Context()
	for _, r := range []platform.RetentionRule{{MaximumAge: 0}, {MaximumAge: -1}, {MaximumAge: retention.MaxAge + 1}, {MaximumAge: 1, DataType: "X"},
		{MaximumAge: 1, Type: strings.Repeat("x", 1025)}, {MaximumAge: 1, Source: "a\x00"}} {
		if _, err := w.service.Create(ctx, admin, r); problem.KindOf(err) != problem.Unprocessable {
			t.Errorf("%+v: got %v", r, err)
		}
	}
	w.rule(admin, platform.RetentionRule{MaximumAge: retention.MaxAge, Type: strings.Repeat("x", 1024)})
	for range platform.MaxRetentionRules - 2 { // with the default rule these are as many as there may be
		w.rule(admin, platform.RetentionRule{MaximumAge: 1})
	}
	if _, err := w.service.Create(ctx, admin, platform.RetentionRule{MaximumAge: 1}); problem.KindOf(err) != problem.Unprocessable {
		t.Errorf("one rule too many: got %v", err)
	}
	list, err := w.service.List(ctx, "t1", platform.Page{Number: 2, Size: 150, WithTotal: true})
	check(t, err)
	if len(list.Items) != 50 || list.More || list.Total != 200 {
		t.Errorf("got %d rules, more %v, total %d", len(list.Items), list.More, list.Total)
	}
}

func TestOnlyManagementChangesWhatIsNotEditable(t *testing.T) {
	w := open(t)
	ctx := t.Context()
	mine := w.rule(admin, platform.RetentionRule{MaximumAge: 5, Editable: false})
	if !mine.Editable {
		t.Error("a tenant has made a rule that it cannot change")
	}
	fixed := w.rule(manager, platform.RetentionRule{MaximumAge: 5})
	check(t, w.PutRetentionRule(ctx, "t1", fixed))
	change := func(r *platform.RetentionRule) error { r.MaximumAge, r.Editable = 6, true; return nil }
	if _, err := w.service.Update(ctx, admin, fixed.ID, change); !errors.Is(err, problem.Forbidden) {
		t.Errorf("got %v", err)
	}
	if err := w.service.Delete(ctx, admin, fixed.ID); !errors.Is(err, problem.Forbidden) {
		t.Errorf("got %v", err)
	}
	changed, err := w.service.Update(ctx, manager, fixed.ID, change)
	if err != nil || changed.MaximumAge != 6 || changed.ID != fixed.ID {
		t.Errorf("got %+v, %v", changed, err)
	}
	// Another tenant's rule is not there.
	if _, err := w.service.Update(ctx, manager, mine.ID, change); !errors.Is(err, problem.NotFound) {
		t.Errorf("got %v", err)
	}
	check(t, w.service.Delete(ctx, admin, mine.ID))
	if _, err := w.service.Rule(ctx, "t1", mine.ID); !errors.Is(err, problem.NotFound) {
		t.Errorf("got %v", err)
	}
	list, err := w.AuditRecords(ctx, "t1", platform.AuditFilter{Type: "RetentionRule", OldestFirst: true}, platform.Page{Number: 1, Size: 10})
	check(t, err)
	var activities []string
	for _, r := range list.Items {
		activities = append(activities, r.Activity)
	}
	if !slices.Equal(activities, []string{"Retention rule created", "Retention rule deleted"}) {
		t.Errorf("got %q", activities)
	}
}

// Refusals go after 60 days, and changes when they were there at the sweep
// before; the newest change stays, so that readers know where the log is.
func TestRefusalsAndChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		ctx := t.Context()
		old, young := time.Now().Add(-61*day), time.Now().Add(-59*day)
		check(t, w.SaveRefusals(ctx, []platform.Refusal{{Tenant: "t1", CN: "a", At: old}, {Tenant: "t1", CN: "b", At: young}}, 20))
		set := func() {
			t.Helper()
			check(t, w.SetOptions(ctx, "t1", []platform.Option{{OptionKey: platform.OptionKey{Category: "c", Key: "k"}, Value: "v"}}))
		}
		changes := func() int {
			t.Helper()
			list, err := w.ChangesAfter(ctx, 0, 100)
			check(t, err)
			return len(list)
		}
		set()
		before := changes()
		_, err := w.service.Sweep(ctx)
		check(t, err)
		if got := changes(); got != before {
			t.Errorf("a change that nobody may have read yet is gone: %d of %d", got, before)
		}
		set()
		_, err = w.service.Sweep(ctx)
		check(t, err)
		if got := changes(); got != 1 {
			t.Errorf("%d changes are left, want 1", got)
		}
		for range 2 {
			_, err = w.service.Sweep(ctx)
			check(t, err)
		}
		if got := changes(); got != 1 {
			t.Errorf("%d changes are left, want the newest", got)
		}
		list, err := w.Refusals(ctx, "t1", "", platform.Page{Number: 1, Size: 10})
		check(t, err)
		if len(list.Items) != 1 || list.Items[0].CN != "b" {
			t.Errorf("got %+v", list.Items)
		}
	})
}
