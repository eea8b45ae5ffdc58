package platformtest

import (
	"encoding/json"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Objects that operations name; the store does not ask whether they exist.
const (
	device1 platform.ID = 501
	device2 platform.ID = 502
	agent1  platform.ID = 601
)

// operation is one for device, created at second n.
func (f *fixture) operation(device platform.ID, n int) platform.Operation {
	return platform.Operation{
		ID: f.newID(), Tenant: acme, Device: device, Agent: agent1, DeviceName: "pump", Status: platform.OperationPending,
		Created: at(n), Updated: at(n), Creator: "admin",
		Fragments: platform.Fragments{"c8y_Restart": json.RawMessage("{}"), "description": json.RawMessage(`"now"`)},
	}
}

func (f *fixture) order(ops ...platform.Operation) {
	f.Helper()
	f.must(f.CreateOperations(f.Context(), acme, ops))
}

func (f *fixture) stored(id platform.ID) platform.Operation {
	f.Helper()
	return got[platform.Operation](f)(f.Operation(f.Context(), acme, id))
}

var operationChecks = []check{
	{"an operation is kept whole", func(f *fixture) {
		f.tenants()
		o := f.operation(device1, 1)
		o.Bulk, o.FailureReason, o.Deliveries = 9, "why", []time.Time{at(2), at(3)}
		f.must(f.CreateOperations(f.Context(), acme, []platform.Operation{o}, audit("created")))
		equal(f, "operation", f.stored(o.ID), o)
		equal(f, "audit", f.audits(), []string{"created"})
		_, err := f.Operation(f.Context(), acme, f.newID())
		f.kind(err, problem.NotFound)
		f.kind(f.CreateOperations(f.Context(), acme, []platform.Operation{{}}), problem.Invalid)
	}},
	{"of several operations all are created or none", func(f *fixture) {
		f.tenants()
		a, b := f.operation(device1, 1), f.operation(device1, 2)
		f.order(a)
		if f.CreateOperations(f.Context(), acme, []platform.Operation{b, a}) == nil {
			f.Error("an operation was created twice")
		}
		_, err := f.Operation(f.Context(), acme, b.ID)
		f.kind(err, problem.NotFound)
	}},
	{"changes of operations name agent and operation", func(f *fixture) {
		f.tenants()
		before := got[int64](f)(f.LastChange(f.Context()))
		o := f.operation(device1, 1)
		f.order(o)
		got[platform.Operation](f)(f.UpdateOperation(f.Context(), acme, platform.UpdateOperation{ID: o.ID, Status: platform.OperationFailed, At: at(2)}))
		f.must(f.RecordDeliveries(f.Context(), []platform.OperationDelivery{{Tenant: acme, ID: o.ID, At: at(3)}}))
		equal(f, "deleted", len(got[[]platform.GoneOperation](f)(f.DeleteOperations(f.Context(), acme, platform.OperationFilter{}, 10))), 1)
		changes := got[[]platform.Change](f)(f.ChangesAfter(f.Context(), before, 10))
		want := agent1.String() + "/" + o.ID.String()
		equal(f, "keys", collect(changes, func(c platform.Change) string { return string(c.Kind) + " " + c.Key }),
			[]string{"operation " + want, "operation " + want, "operation " + want})
	}},
	{"an operation moves on from the states that are named", func(f *fixture) {
		f.tenants()
		o := f.operation(device1, 1)
		f.order(o)
		cmd := platform.UpdateOperation{ID: o.ID, At: at(5), From: []platform.OperationStatus{platform.OperationExecuting}, Status: platform.OperationSuccessful}
		_, err := f.UpdateOperation(f.Context(), acme, cmd, audit("too early"))
		f.kind(err, problem.Conflict)
		cmd.From, cmd.Status = []platform.OperationStatus{platform.OperationPending, platform.OperationExecuting}, platform.OperationExecuting
		o.Status, o.Updated = platform.OperationExecuting, at(5)
		equal(f, "answer", got[platform.Operation](f)(f.UpdateOperation(f.Context(), acme, cmd, audit("executing"))), o)
		equal(f, "stored", f.stored(o.ID), o)
		cmd.Status, cmd.FailureReason, cmd.At = platform.OperationFailed, "broken", at(6)
		got[platform.Operation](f)(f.UpdateOperation(f.Context(), acme, cmd))
		o.Status, o.FailureReason, o.Updated = platform.OperationFailed, "broken", at(6)
		equal(f, "failed", f.stored(o.ID), o)
		_, err = f.UpdateOperation(f.Context(), acme, cmd)
		f.kind(err, problem.Conflict)
		cmd.ID = f.newID()
		_, err = f.UpdateOperation(f.Context(), acme, cmd)
		f.kind(err, problem.NotFound)
		equal(f, "audit", f.audits(), []string{"executing"})
	}},
	{"fragments of an operation are set, merged and removed", func(f *fixture) {
		f.tenants()
		o := f.operation(device1, 1)
		o.Fragments["c8y_Command"] = json.RawMessage(`{"text":"ls"}`)
		f.order(o)
		got[platform.Operation](f)(f.UpdateOperation(f.Context(), acme, platform.UpdateOperation{
			ID: o.ID, At: at(9), Set: platform.Fragments{"new": json.RawMessage("1")}, Remove: []string{"description", "missing"},
			Merge: map[string]platform.Fragments{"c8y_Command": {"result": json.RawMessage(`"a"`)}, "c8y_Restart": {"b": json.RawMessage("2")}, "absent": {"c": json.RawMessage("3")}},
		}))
		o.Fragments = platform.Fragments{
			"c8y_Command": json.RawMessage(`{"result":"a","text":"ls"}`), "c8y_Restart": json.RawMessage(`{"b":2}`),
			"absent": json.RawMessage(`{"c":3}`), "new": json.RawMessage("1"),
		}
		equal(f, "operation", f.stored(o.ID), o) // without a status the time stays
	}},
	{"operations by filter and in pages", func(f *fixture) {
		f.tenants()
		var ids []platform.ID
		for n := range 6 {
			o := f.operation([]platform.ID{device1, device2}[n%2], n)
			if n == 4 {
				o.Agent, o.Bulk = device1, 77
				o.Fragments = platform.Fragments{"c8y_Command": json.RawMessage("{}")}
			}
			if n > 2 {
				o.Status = platform.OperationExecuting
			}
			f.order(o)
			ids = append(ids, o.ID)
		}
		read := func(filter platform.OperationFilter, p platform.Page) (platform.List[platform.Operation], error) {
			return f.Operations(f.Context(), acme, filter, p)
		}
		for _, tt := range []struct {
			name   string
			filter platform.OperationFilter
			want   []int
		}{
			{"all", platform.OperationFilter{}, []int{0, 1, 2, 3, 4, 5}},
			{"newest first", platform.OperationFilter{NewestFirst: true, Device: device2}, []int{5, 3, 1}},
			{"device", platform.OperationFilter{Device: device1}, []int{0, 2, 4}},
			{"agent", platform.OperationFilter{Agent: agent1, Device: device1}, []int{0, 2}},
			{"bulk", platform.OperationFilter{Bulk: 77}, []int{4}},
			{"status", platform.OperationFilter{Status: platform.OperationExecuting, Agent: agent1}, []int{3, 5}},
			{"fragment", platform.OperationFilter{Fragment: "c8y_Command"}, []int{4}},
			{"device, status and fragment", platform.OperationFilter{Device: device1, Status: platform.OperationPending, Fragment: "c8y_Restart"}, []int{0, 2}},
			{"created", platform.OperationFilter{From: at(1), To: at(3)}, []int{1, 2}},
			{"unchanged since", platform.OperationFilter{Before: at(2)}, []int{0, 1}},
			{"after", platform.OperationFilter{After: ids[3]}, []int{4, 5}},
			{"nothing", platform.OperationFilter{Agent: device2}, nil},
		} {
			l := got[platform.List[platform.Operation]](f)(read(tt.filter, everything))
			equal(f, tt.name, collect(l.Items, func(o platform.Operation) platform.ID { return o.ID }),
				collect(tt.want, func(n int) platform.ID { return ids[n] }))
			for _, o := range l.Items {
				equal(f, tt.name, o, f.stored(o.ID))
			}
		}
		pages(f, 6, func(p platform.Page) (platform.List[platform.Operation], error) {
			return read(platform.OperationFilter{}, p)
		})
	}},
	{"operations are deleted up to a limit", func(f *fixture) {
		f.tenants()
		for n := range 5 {
			f.order(f.operation([]platform.ID{device1, device2}[n%2], n))
		}
		remove := func(filter platform.OperationFilter, limit int) int {
			f.Helper()
			return len(got[[]platform.GoneOperation](f)(f.DeleteOperations(f.Context(), acme, filter, limit)))
		}
		equal(f, "limited", remove(platform.OperationFilter{Device: device1, NewestFirst: true}, 2), 2)
		l := got[platform.List[platform.Operation]](f)(f.Operations(f.Context(), acme, platform.OperationFilter{}, everything))
		equal(f, "left", collect(l.Items, func(o platform.Operation) time.Time { return o.Created }), []time.Time{at(1), at(3), at(4)})
		equal(f, "rest of the device", remove(platform.OperationFilter{Device: device1, Fragment: "c8y_Restart"}, 2), 1)
		equal(f, "none left", remove(platform.OperationFilter{Device: device1}, 2), 0)
	}},
	{"deliveries are noted, the newest of them", func(f *fixture) {
		f.tenants()
		o := f.operation(device1, 1)
		f.order(o)
		var list []platform.OperationDelivery
		for n := range platform.MaxDeliveries + 1 {
			list = append(list, platform.OperationDelivery{Tenant: acme, ID: o.ID, At: at(n)})
			o.Deliveries = append(o.Deliveries, at(n))
		}
		list = append(list, platform.OperationDelivery{Tenant: acme, ID: f.newID(), At: day}, platform.OperationDelivery{Tenant: other, ID: o.ID, At: at(99)})
		f.must(f.RecordDeliveries(f.Context(), list[:platform.MaxDeliveries]))
		f.must(f.RecordDeliveries(f.Context(), list[platform.MaxDeliveries:]))
		o.Deliveries = o.Deliveries[1:]
		equal(f, "operation", f.stored(o.ID), o)
	}},
	{"operations of two tenants never mix", func(f *fixture) {
		f.tenants()
		o := f.operation(device1, 1)
		f.order(o)
		_, err := f.Operation(f.Context(), other, o.ID)
		f.kind(err, problem.NotFound)
		_, err = f.UpdateOperation(f.Context(), other, platform.UpdateOperation{ID: o.ID, Status: platform.OperationFailed})
		f.kind(err, problem.NotFound)
		equal(f, "deleted", len(got[[]platform.GoneOperation](f)(f.DeleteOperations(f.Context(), other, platform.OperationFilter{}, 10))), 0)
		l := got[platform.List[platform.Operation]](f)(f.Operations(f.Context(), other, platform.OperationFilter{Device: device1}, everything))
		equal(f, "list", len(l.Items), 0)
		equal(f, "operation", f.stored(o.ID), o)
	}},
	{"of many who finish an operation, one wins", func(f *fixture) {
		f.tenants()
		o := f.operation(device1, 1)
		f.order(o)
		kinds := f.race(racers, func(int) error {
			return err2(f.UpdateOperation(f.Context(), acme, platform.UpdateOperation{
				ID: o.ID, From: []platform.OperationStatus{platform.OperationPending}, Status: platform.OperationExecuting, At: at(1)}))
		})
		equal(f, "outcomes", kinds, map[problem.Kind]int{"": 1, problem.Conflict: racers - 1})
	}},
}
