package platformtest

import (
	"encoding/json"
	"fmt"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// object returns an object of acme with a new ID.
func (f *fixture) object(name string, fragments ...string) platform.ManagedObject {
	f.Helper()
	o := platform.ManagedObject{
		ID: f.newID(), Tenant: acme, Name: name, Type: "type of " + name, Owner: "device_" + name, Created: day, Updated: at(1),
		Fragments: platform.Fragments{},
	}
	for _, name := range fragments {
		o.Fragments[name] = json.RawMessage(`{ "n": 1.0 }`)
	}
	return o
}

// create stores a new object.
func (f *fixture) create(name string, fragments ...string) platform.ID {
	f.Helper()
	o := f.object(name, fragments...)
	f.must(f.CreateObject(f.Context(), acme, platform.CreateObject{Object: o}))
	return o.ID
}

func pointer[T any](v T) *T { return &v }

var objectChecks = []check{
	{"object comes back as it was", func(f *fixture) {
		f.tenants()
		o := f.object("dev1", "c8y_IsDevice", `odd "name" \ ü`)
		o.Fragments["list"] = json.RawMessage(`[1, "\u0000", null]`)
		xid := platform.ExternalID{Type: platform.SerialType, Value: "dev1"}
		f.must(f.CreateObject(f.Context(), acme, platform.CreateObject{Object: o, ExternalIDs: []platform.ExternalID{xid}}, audit("created")))
		equal(f, "object", got[platform.ManagedObject](f)(f.Object(f.Context(), acme, o.ID)), o)
		equal(f, "ID", got[platform.ID](f)(f.ObjectByExternalID(f.Context(), acme, xid)), o.ID)
		_, err := f.Object(f.Context(), acme, f.newID())
		f.kind(err, problem.NotFound)
		f.kind(f.CreateObject(f.Context(), acme, platform.CreateObject{Object: o}, audit("no")), problem.Conflict)
		clash := f.object("dev2")
		f.kind(f.CreateObject(f.Context(), acme, platform.CreateObject{Object: clash, ExternalIDs: []platform.ExternalID{xid}}, audit("no")), problem.Conflict)
		_, err = f.Object(f.Context(), acme, clash.ID)
		f.kind(err, problem.NotFound)
		f.kind(f.CreateObject(f.Context(), acme, platform.CreateObject{}), problem.Invalid)
		equal(f, "audit", f.audits(), []string{"created"})
	}},
	{"update changes what is set", func(f *fixture) {
		f.tenants()
		id := f.create("dev1", "a", "b", "c")
		v := func(s string) json.RawMessage { return json.RawMessage(s) }
		o := got[platform.ManagedObject](f)(f.UpdateObject(f.Context(), acme, platform.UpdateObject{
			ID: id, At: at(9), Name: pointer("new"), Set: platform.Fragments{"a": v("2"), "d": v("4")},
			IfAbsent: platform.Fragments{"b": v("5"), "e": v("6")}, Remove: []string{"c", "missing"},
		}, audit("updated")))
		want := platform.ManagedObject{
			ID: id, Tenant: acme, Name: "new", Type: "type of dev1", Owner: "device_dev1", Created: day, Updated: at(9),
			Fragments: platform.Fragments{"a": v("2"), "b": v(`{ "n": 1.0 }`), "d": v("4"), "e": v("6")},
		}
		equal(f, "answer", o, want)
		equal(f, "object", got[platform.ManagedObject](f)(f.Object(f.Context(), acme, id)), want)
		o = got[platform.ManagedObject](f)(f.UpdateObject(f.Context(), acme, platform.UpdateObject{ID: id, At: at(10), Name: pointer(""), Type: pointer("t"), Owner: pointer("o")}))
		want.Name, want.Type, want.Owner, want.Updated = "", "t", "o", at(10)
		equal(f, "answer", o, want)
		_, err := f.UpdateObject(f.Context(), acme, platform.UpdateObject{ID: f.newID()}, audit("no"))
		f.kind(err, problem.NotFound)
		equal(f, "audit", f.audits(), []string{"updated"})
	}},
	{"delete takes names and links along", func(f *fixture) {
		f.tenants()
		xid := platform.ExternalID{Type: "t", Value: "v"}
		id, child := f.create("dev1", "a"), f.create("dev2")
		f.must(f.BindExternalID(f.Context(), acme, id, xid))
		f.must(f.AddChild(f.Context(), acme, platform.ChildLink{Parent: id, Kind: platform.ChildDevices, Child: child}))
		f.must(f.DeleteObject(f.Context(), acme, id, false, audit("deleted")))
		_, err := f.Object(f.Context(), acme, id)
		f.kind(err, problem.NotFound)
		_, err = f.ObjectByExternalID(f.Context(), acme, xid)
		f.kind(err, problem.NotFound)
		equal(f, "parents of the child", len(got[[]platform.ManagedObject](f)(f.Parents(f.Context(), acme, child, platform.ChildDevices))), 0)
		f.kind(f.DeleteObject(f.Context(), acme, id, false, audit("no")), problem.NotFound)
		f.kind(f.DeleteObject(f.Context(), acme, id, true, audit("no")), problem.NotFound)
		equal(f, "audit", f.audits(), []string{"deleted"})
	}},
	{"cascade takes child devices and additions, not assets, and survives rings", func(f *fixture) {
		f.tenants()
		ids := map[string]platform.ID{}
		for _, name := range []string{"root", "device", "addition", "grandchild", "asset"} {
			ids[name] = f.create(name)
		}
		for _, l := range []struct {
			parent, child string
			kind          platform.ChildKind
		}{
			{"root", "device", platform.ChildDevices},
			{"root", "addition", platform.ChildAdditions},
			{"root", "asset", platform.ChildAssets},
			{"device", "grandchild", platform.ChildDevices},
			{"grandchild", "root", platform.ChildDevices},
		} {
			f.must(f.AddChild(f.Context(), acme, platform.ChildLink{Parent: ids[l.parent], Kind: l.kind, Child: ids[l.child]}))
		}
		f.must(f.DeleteObject(f.Context(), acme, ids["root"], true))
		l := got[platform.List[platform.ManagedObject]](f)(f.Objects(f.Context(), acme, platform.ObjectFilter{}, everything))
		equal(f, "left", collect(l.Items, func(o platform.ManagedObject) string { return o.Name }), []string{"asset"})
	}},
}

var idChecks = []check{
	{"IDs ascend and never repeat over blocks", func(f *fixture) {
		seen := map[platform.ID]bool{}
		for range 2500 {
			id := f.newID()
			if id <= 0 || seen[id] {
				f.Fatalf("got ID %d a second time, or not positive", id)
			}
			seen[id] = true
		}
	}},
}

var objectListChecks = []check{
	{"objects by filter", func(f *fixture) {
		f.tenants()
		group, a := f.create("Group", "c8y_IsDeviceGroup"), f.create("Alpha", "c8y_IsDevice", "x")
		b, c := f.create("beta", "c8y_IsDevice"), f.create("Ärger")
		f.must(f.AddChild(f.Context(), acme, platform.ChildLink{Parent: group, Kind: platform.ChildAssets, Child: a}))
		f.must(f.AddChild(f.Context(), acme, platform.ChildLink{Parent: group, Kind: platform.ChildDevices, Child: b}))
		tests := []struct {
			name   string
			filter platform.ObjectFilter
			want   []platform.ID
		}{
			{"all", platform.ObjectFilter{}, []platform.ID{group, a, b, c}},
			{"IDs", platform.ObjectFilter{IDs: []platform.ID{c, a, a, 999999}}, []platform.ID{a, c}},
			{"type", platform.ObjectFilter{Type: "type of beta"}, []platform.ID{b}},
			{"owner", platform.ObjectFilter{Owner: "device_Alpha"}, []platform.ID{a}},
			{"name", platform.ObjectFilter{Name: "beta"}, []platform.ID{b}},
			{"fragment", platform.ObjectFilter{FragmentType: "c8y_IsDevice"}, []platform.ID{a, b}},
			{"text in name", platform.ObjectFilter{Text: "ALPH"}, []platform.ID{a}},
			{"text in type", platform.ObjectFilter{Text: "pe of B"}, []platform.ID{b}},
			{"text with umlaut", platform.ObjectFilter{Text: "är"}, []platform.ID{c}},
			{"text is no pattern", platform.ObjectFilter{Text: "%"}, nil},
			{"parent", platform.ObjectFilter{ParentID: group, ParentKind: platform.ChildAssets}, []platform.ID{a}},
			{"roots", platform.ObjectFilter{OnlyRoots: true}, []platform.ID{group, c}},
			{"combined", platform.ObjectFilter{FragmentType: "c8y_IsDevice", Text: "beta"}, []platform.ID{b}},
		}
		for _, tt := range tests {
			l := got[platform.List[platform.ManagedObject]](f)(f.Objects(f.Context(), acme, tt.filter, platform.Page{Number: 1, Size: 10, WithTotal: true}))
			equal(f, tt.name, collect(l.Items, func(o platform.ManagedObject) platform.ID { return o.ID }), tt.want)
			equal(f, tt.name+": total", l.Total, int64(len(tt.want)))
		}
		equal(f, "fragments in lists", got[platform.List[platform.ManagedObject]](f)(f.Objects(f.Context(), acme, platform.ObjectFilter{Name: "Alpha"}, everything)).Items,
			[]platform.ManagedObject{got[platform.ManagedObject](f)(f.Object(f.Context(), acme, a))})
	}},
	{"objects in pages", func(f *fixture) {
		f.tenants()
		for i := range 4 {
			f.create(fmt.Sprint("dev", i), "c8y_IsDevice")
		}
		pages(f, 4, func(p platform.Page) (platform.List[platform.ManagedObject], error) {
			return f.Objects(f.Context(), acme, platform.ObjectFilter{}, p)
		})
		many := make([]platform.ID, platform.MaxPageSize)
		got[platform.List[platform.ManagedObject]](f)(f.Objects(f.Context(), acme, platform.ObjectFilter{IDs: many}, everything))
		_, err := f.Objects(f.Context(), acme, platform.ObjectFilter{IDs: append(many, 1)}, everything)
		f.kind(err, problem.Invalid)
	}},
}
