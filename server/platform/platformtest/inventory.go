package platformtest

import (
	"encoding/json"
	"fmt"
	"slices"

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
		f.must(f.DeleteObjects(f.Context(), acme, []platform.ID{f.newID(), id}, audit("deleted")))
		_, err := f.Object(f.Context(), acme, id)
		f.kind(err, problem.NotFound)
		_, err = f.ObjectByExternalID(f.Context(), acme, xid)
		f.kind(err, problem.NotFound)
		equal(f, "parents of the child", len(got[[]platform.ManagedObject](f)(f.Parents(f.Context(), acme, child, platform.ChildDevices))), 0)
		f.kind(f.DeleteObjects(f.Context(), acme, []platform.ID{id}, audit("no")), problem.NotFound)
		f.kind(f.DeleteObjects(f.Context(), acme, nil, audit("no")), problem.NotFound)
		equal(f, "audit", f.audits(), []string{"deleted"})
	}},
	{"what goes with an object, those below first, and rings", func(f *fixture) {
		f.tenants()
		root := f.create("root", "c8y_IsDeviceGroup")
		group, deepGroup := f.create("group", "c8y_IsDeviceGroup"), f.create("deep", "c8y_IsDeviceGroup")
		device, addition, notBelow := f.create("device"), f.create("addition"), f.create("parent", "c8y_IsDeviceGroup")
		for _, l := range []platform.ChildLink{
			{Parent: notBelow, Kind: platform.ChildAssets, Child: root},
			{Parent: root, Kind: platform.ChildAssets, Child: group},
			{Parent: root, Kind: platform.ChildAssets, Child: device},
			{Parent: root, Kind: platform.ChildAdditions, Child: addition},
			{Parent: group, Kind: platform.ChildAssets, Child: deepGroup},
			{Parent: deepGroup, Kind: platform.ChildDevices, Child: root},
		} {
			f.must(f.AddChild(f.Context(), acme, l))
		}
		doomed := func(c platform.Cascade, limit int) []platform.ID {
			return got[[]platform.ID](f)(f.Doomed(f.Context(), acme, root, c, limit))
		}
		equal(f, "alone", doomed(platform.DeleteAlone, 9), []platform.ID{root})
		equal(f, "subgroups", doomed(platform.DeleteSubgroups, 9), []platform.ID{deepGroup, group, root})
		all := doomed(platform.DeleteHierarchy, 9)
		if len(all) != 5 || all[0] != deepGroup || all[4] != root || slices.Contains(all, notBelow) {
			f.Errorf("hierarchy: got %v", all)
		}
		equal(f, "limit", len(doomed(platform.DeleteHierarchy, 3)), 3)
		_, err := f.Doomed(f.Context(), acme, f.newID(), platform.DeleteHierarchy, 9)
		f.kind(err, problem.NotFound)
		_, err = f.Doomed(f.Context(), other, root, platform.DeleteHierarchy, 9)
		f.kind(err, problem.NotFound)
	}},
	{"several are created or changed, or none", func(f *fixture) {
		f.tenants()
		xid := []platform.ExternalID{{Type: "t", Value: "v"}}
		a, b := f.object("a"), f.object("b")
		f.kind(f.CreateObjects(f.Context(), acme, []platform.CreateObject{{Object: a, ExternalIDs: xid}, {Object: b, ExternalIDs: xid}}, audit("no")), problem.Conflict)
		_, err := f.Object(f.Context(), acme, a.ID)
		f.kind(err, problem.NotFound)
		f.must(f.CreateObjects(f.Context(), acme, []platform.CreateObject{{Object: a, ExternalIDs: xid}, {Object: b}}, audit("created")))
		_, err = f.UpdateObjects(f.Context(), acme, []platform.UpdateObject{{ID: a.ID, Name: pointer("new")}, {ID: f.newID()}}, audit("no"))
		f.kind(err, problem.NotFound)
		equal(f, "name", got[platform.ManagedObject](f)(f.Object(f.Context(), acme, a.ID)).Name, "a")
		list := got[[]platform.ManagedObject](f)(f.UpdateObjects(f.Context(), acme,
			[]platform.UpdateObject{{ID: b.ID, Name: pointer("B"), At: at(1)}, {ID: a.ID, Name: pointer("A"), At: at(1)}}, audit("changed")))
		equal(f, "answer", collect(list, func(o platform.ManagedObject) string { return o.Name }), []string{"B", "A"})
		equal(f, "answer", list[1], got[platform.ManagedObject](f)(f.Object(f.Context(), acme, a.ID)))
		equal(f, "audit", f.audits(), []string{"created", "changed"})
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
		f.must(f.BindExternalID(f.Context(), acme, b, platform.ExternalID{Type: "c8y_Serial", Value: "ser-XyzW"}))
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
			{"text in owner", platform.ObjectFilter{Text: "device_alp"}, []platform.ID{a}},
			{"text in external ID", platform.ObjectFilter{Text: "SER-xYz"}, []platform.ID{b}},
			{"text is ID", platform.ObjectFilter{Text: c.String()}, []platform.ID{c}},
			{"all words", platform.ObjectFilter{Text: "of be"}, []platform.ID{b}},
			{"words in any order", platform.ObjectFilter{Text: "be of"}, []platform.ID{b}},
			{"phrase", platform.ObjectFilter{Text: `"be of"`}, nil},
			{"within", platform.ObjectFilter{Within: "device_Group"}, []platform.ID{group, a, b}},
			{"within none", platform.ObjectFilter{Within: "nobody"}, nil},
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
