package platformtest

import (
	"encoding/json"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// bulk is a bulk operation due at second n.
func (f *fixture) bulk(n int) platform.BulkOperation {
	return platform.BulkOperation{
		ID: f.newID(), Status: platform.BulkScheduled, Next: at(n), Start: at(n), Ramp: 1500 * time.Millisecond, Group: 7, Creator: "ann",
		Note: "all", Targets: []platform.ID{device1, device2}, Prototype: platform.Fragments{"c8y_Restart": json.RawMessage("{}")},
	}
}

var bulkChecks = []check{
	{"a bulk operation is kept whole and listed", func(f *fixture) {
		f.tenants()
		b := f.bulk(1)
		f.must(f.CreateBulkOperation(f.Context(), acme, b, audit("bulk")))
		equal(f, "bulk operation", got[platform.BulkOperation](f)(f.BulkOperation(f.Context(), acme, b.ID)), b)
		equal(f, "audit", f.audits(), []string{"bulk"})
		for range 3 {
			f.must(f.CreateBulkOperation(f.Context(), acme, f.bulk(2)))
		}
		pages(f, 4, func(p platform.Page) (platform.List[platform.BulkOperation], error) {
			return f.BulkOperations(f.Context(), acme, p)
		})
		_, err := f.BulkOperation(f.Context(), other, b.ID)
		f.kind(err, problem.NotFound)
		equal(f, "of the other", len(got[platform.List[platform.BulkOperation]](f)(f.BulkOperations(f.Context(), other, everything)).Items), 0)
	}},
	{"a bulk operation moves on with its operations", func(f *fixture) {
		f.tenants()
		b := f.bulk(1)
		f.must(f.CreateBulkOperation(f.Context(), acme, b))
		next := b
		next.Status, next.Done, next.Next = platform.BulkExecuting, 1, at(2)
		o := f.operation(device1, 1)
		o.Bulk = b.ID
		f.must(f.UpdateBulkOperation(f.Context(), acme, b, next, []platform.Operation{o}, audit("next")))
		equal(f, "operation", f.stored(o.ID), o)
		equal(f, "bulk operation", got[platform.BulkOperation](f)(f.BulkOperation(f.Context(), acme, b.ID)), next)
		again := f.operation(device1, 1)
		f.kind(f.UpdateBulkOperation(f.Context(), acme, b, next, []platform.Operation{again}, audit("again")), problem.Conflict)
		f.kind(f.UpdateBulkOperation(f.Context(), other, next, next, nil), problem.NotFound)
		_, err := f.Operation(f.Context(), acme, again.ID)
		f.kind(err, problem.NotFound)
		equal(f, "audit", f.audits(), []string{"next"})
		f.order(f.operation(device2, 3))
		equal(f, "counts", got[map[platform.OperationStatus]int64](f)(f.CountOperations(f.Context(), acme, b.ID)),
			map[platform.OperationStatus]int64{platform.OperationPending: 1})
	}},
	{"open bulk operations of all tenants", func(f *fixture) {
		f.tenants()
		var ids []platform.ID
		for n, status := range []platform.BulkStatus{platform.BulkScheduled, platform.BulkExecuting, platform.BulkCompleted, platform.BulkCanceled, platform.BulkScheduled} {
			b := f.bulk(n)
			b.Status = status
			f.must(f.CreateBulkOperation(f.Context(), acme, b))
			ids = append(ids, b.ID)
		}
		theirs := f.bulk(2)
		f.must(f.CreateBulkOperation(f.Context(), other, theirs))
		open := func(limit int) []platform.OpenBulkOperation {
			f.Helper()
			return got[[]platform.OpenBulkOperation](f)(f.OpenBulkOperations(f.Context(), limit))
		}
		want := []platform.OpenBulkOperation{{Tenant: acme, ID: ids[0], Next: at(0)}, {Tenant: acme, ID: ids[1], Next: at(1)},
			{Tenant: other, ID: theirs.ID, Next: at(2)}, {Tenant: acme, ID: ids[4], Next: at(4)}}
		equal(f, "all", open(10), want)
		equal(f, "some", open(2), want[:2])
	}},
}
