package platformtest

import (
	"fmt"

	"mooring/internal/problem"
	"mooring/server/platform"
)

var retentionChecks = []check{
	{"retention rules", func(f *fixture) {
		f.tenants()
		ctx := f.Context()
		first := got[[]platform.RetentionRule](f)(f.RetentionRules(ctx, acme))
		equal(f, "rules of a new tenant", len(first), 1)
		want := platform.RetentionRule{ID: first[0].ID, DataType: "*", FragmentType: "*", Type: "*", Source: "*", MaximumAge: 60, Editable: true}
		equal(f, "the default", first[0], want)
		r := platform.RetentionRule{ID: f.newID(), DataType: "ALARM", FragmentType: "f", Type: "t", Source: "5", MaximumAge: 3}
		f.must(f.PutRetentionRule(ctx, acme, r, audit("made")))
		equal(f, "rule", got[platform.RetentionRule](f)(f.RetentionRule(ctx, acme, r.ID)), r)
		r.MaximumAge, r.Editable = 4, true
		f.must(f.PutRetentionRule(ctx, acme, r))
		equal(f, "rules", got[[]platform.RetentionRule](f)(f.RetentionRules(ctx, acme)), []platform.RetentionRule{want, r})
		f.must(f.DeleteRetentionRule(ctx, acme, r.ID, audit("gone")))
		f.kind(f.DeleteRetentionRule(ctx, acme, r.ID, audit("not")), problem.NotFound)
		_, err := f.RetentionRule(ctx, acme, r.ID)
		f.kind(err, problem.NotFound)
		equal(f, "audit", f.audits(), []string{"made", "gone"})
		equal(f, "the other tenant", len(got[[]platform.RetentionRule](f)(f.RetentionRules(ctx, other))), 1)
	}},
	{"retention rules are bounded", func(f *fixture) {
		f.tenants()
		rule := platform.RetentionRule{DataType: "*", MaximumAge: 1}
		for range platform.MaxRetentionRules - 1 {
			rule.ID = f.newID()
			f.must(f.PutRetentionRule(f.Context(), acme, rule))
		}
		f.must(f.PutRetentionRule(f.Context(), acme, rule)) // replaced, not one more
		rule.ID = f.newID()
		f.kind(f.PutRetentionRule(f.Context(), acme, rule), problem.Conflict)
	}},
	{"old audit records are dropped", func(f *fixture) {
		f.tenants()
		var list []platform.AuditRecord
		for i := range platform.MaxDeleted + 2 {
			list = append(list, platform.AuditRecord{Tenant: acme, At: at(i), Type: fmt.Sprint("type", i%2), Source: "s"})
		}
		f.must(f.AppendAudit(f.Context(), append(list, platform.AuditRecord{Tenant: other, At: day})...))
		drop := func(filter platform.AuditFilter) int { return got[int](f)(f.DropAudits(f.Context(), acme, filter)) }
		equal(f, "the oldest", drop(platform.AuditFilter{Source: "s", To: at(1)}), 1)
		equal(f, "of a type", drop(platform.AuditFilter{Type: "type1", To: at(4)}), 2)
		equal(f, "of another source", drop(platform.AuditFilter{Source: "x", To: at(10)}), 0)
		f.must(f.AppendAudit(f.Context(), platform.AuditRecord{Tenant: acme, At: at(0)}, platform.AuditRecord{Tenant: acme, At: at(1)}))
		equal(f, "a full part", drop(platform.AuditFilter{To: at(9999)}), platform.MaxDeleted)
		equal(f, "the rest", drop(platform.AuditFilter{To: at(9999)}), 1)
		equal(f, "the other tenant", len(got[platform.List[platform.AuditRecord]](f)(f.AuditRecords(f.Context(), other, platform.AuditFilter{}, everything)).Items), 1)
	}},
	{"old refusals and changes are dropped", func(f *fixture) {
		f.tenants()
		ctx := f.Context()
		f.must(f.SaveRefusals(ctx, []platform.Refusal{refusal(acme, "a", 1), refusal(acme, "b", 2), refusal(other, "a", 3)}, 20))
		equal(f, "refusals", got[int](f)(f.DropRefusals(ctx, at(3))), 2)
		equal(f, "left", len(got[platform.List[platform.Refusal]](f)(f.Refusals(ctx, other, "", everything)).Items), 1)
		last := got[int64](f)(f.LastChange(ctx))
		before := len(got[[]platform.Change](f)(f.ChangesAfter(ctx, 0, 100)))
		equal(f, "changes", got[int](f)(f.DropChanges(ctx, 1)), 1)
		equal(f, "all but the newest", got[int](f)(f.DropChanges(ctx, last+10)), before-2)
		left := got[[]platform.Change](f)(f.ChangesAfter(ctx, 0, 100))
		equal(f, "the newest", left[0].Number, last)
		equal(f, "number", got[int64](f)(f.LastChange(ctx)), last)
	}},
	{"what is below an object, and what it is called", func(f *fixture) {
		f.tenants()
		ctx := f.Context()
		ids := make([]platform.ID, 6)
		for i := range ids {
			ids[i] = f.newID()
			f.must(f.CreateObject(ctx, acme, platform.CreateObject{Object: platform.ManagedObject{ID: ids[i]}}))
		}
		f.must(f.CreateObject(ctx, acme, platform.CreateObject{Object: platform.ManagedObject{ID: 99_999, Name: "n"}}))
		names := got[map[platform.ID]string](f)(f.ObjectNames(ctx, acme, []platform.ID{ids[0], 99_999, 77_777}))
		equal(f, "names", names, map[platform.ID]string{ids[0]: "", 99_999: "n"})
		equal(f, "names of another tenant", len(got[map[platform.ID]string](f)(f.ObjectNames(ctx, other, []platform.ID{ids[0], 99_999}))), 0)
		link := func(parent, child int, kind platform.ChildKind) {
			f.must(f.AddChild(ctx, acme, platform.ChildLink{Parent: ids[parent], Kind: kind, Child: ids[child]}))
		}
		link(0, 1, platform.ChildDevices)
		link(1, 2, platform.ChildDevices)
		link(2, 0, platform.ChildDevices) // in a circle
		link(0, 3, platform.ChildAssets)
		link(3, 4, platform.ChildDevices)
		link(4, 5, platform.ChildAdditions)
		below := func(limit int, kinds ...platform.ChildKind) int {
			list := got[[]platform.ID](f)(f.Descendants(ctx, acme, ids[0], kinds, limit))
			for _, id := range list {
				if id == ids[0] {
					f.Error("an object is below itself")
				}
			}
			return len(list)
		}
		equal(f, "no kinds", below(10), 0)
		equal(f, "devices", below(10, platform.ChildDevices), 2)
		equal(f, "assets", below(10, platform.ChildAssets), 1)
		equal(f, "both", below(10, platform.ChildAssets, platform.ChildDevices), 4)
		equal(f, "all", below(10, platform.ChildAssets, platform.ChildDevices, platform.ChildAdditions), 5)
		equal(f, "n-1", below(4, platform.ChildAssets, platform.ChildDevices, platform.ChildAdditions), 4)
		equal(f, "another tenant", len(got[[]platform.ID](f)(f.Descendants(ctx, other, ids[0], []platform.ChildKind{platform.ChildDevices}, 10))), 0)
	}},
}
