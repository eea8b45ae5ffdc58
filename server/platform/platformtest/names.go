package platformtest

import (
	"mooring/internal/problem"
	"mooring/server/platform"
)

var externalIDChecks = []check{
	{"external IDs are bound and released", func(f *fixture) {
		f.tenants()
		id, second := f.create("dev1"), f.create("dev2")
		a, b := platform.ExternalID{Type: "a", Value: "x/%20"}, platform.ExternalID{Type: "b", Value: "x/%20"}
		f.must(f.BindExternalID(f.Context(), acme, id, b))
		f.must(f.BindExternalID(f.Context(), acme, id, a))
		f.must(f.BindExternalID(f.Context(), acme, id, a)) // again is fine
		equal(f, "names", got[[]platform.ExternalID](f)(f.ExternalIDs(f.Context(), acme, id)), []platform.ExternalID{a, b})
		f.kind(f.BindExternalID(f.Context(), acme, second, a), problem.Conflict)
		f.kind(f.BindExternalID(f.Context(), acme, f.newID(), platform.ExternalID{Type: "c", Value: "y"}), problem.NotFound)
		_, err := f.ExternalIDs(f.Context(), acme, f.newID())
		f.kind(err, problem.NotFound)
		f.must(f.UnbindExternalID(f.Context(), acme, a))
		f.kind(f.UnbindExternalID(f.Context(), acme, a), problem.NotFound)
		f.must(f.BindExternalID(f.Context(), acme, second, a))
		equal(f, "owner", got[platform.ID](f)(f.ObjectByExternalID(f.Context(), acme, a)), second)
	}},
	{"names are told, those of devices are not", func(f *fixture) {
		f.tenants()
		before := got[int64](f)(f.LastChange(f.Context()))
		id := f.create("dev1")
		a := platform.ExternalID{Type: "a", Value: "x/y"}
		f.must(f.BindExternalID(f.Context(), acme, id, a))
		f.must(f.BindExternalID(f.Context(), acme, id, a)) // nothing new
		changes := got[[]platform.Change](f)(f.ChangesAfter(f.Context(), before, 10))
		equal(f, "changes", collect(changes, func(c platform.Change) string { return string(c.Kind) + " " + c.Key }),
			[]string{"object " + id.String(), "object " + id.String(), "name a/x/y"})
	}},
}

var childChecks = []check{
	{"children and parents", func(f *fixture) {
		f.tenants()
		parent, one, two := f.create("p", "x"), f.create("c1", "y"), f.create("c2")
		link := func(child platform.ID, kind platform.ChildKind) platform.ChildLink {
			return platform.ChildLink{Parent: parent, Kind: kind, Child: child}
		}
		f.must(f.AddChild(f.Context(), acme, link(two, platform.ChildDevices)))
		f.must(f.AddChild(f.Context(), acme, link(one, platform.ChildDevices)))
		f.must(f.AddChild(f.Context(), acme, link(one, platform.ChildDevices))) // twice is fine
		f.must(f.AddChild(f.Context(), acme, link(one, platform.ChildAssets)))
		l := got[platform.List[platform.ManagedObject]](f)(f.Children(f.Context(), acme, parent, platform.ChildDevices, everything))
		equal(f, "children", l.Items, []platform.ManagedObject{
			got[platform.ManagedObject](f)(f.Object(f.Context(), acme, one)), got[platform.ManagedObject](f)(f.Object(f.Context(), acme, two)),
		})
		pages(f, 2, func(p platform.Page) (platform.List[platform.ManagedObject], error) {
			return f.Children(f.Context(), acme, parent, platform.ChildDevices, p)
		})
		equal(f, "parents", got[[]platform.ManagedObject](f)(f.Parents(f.Context(), acme, one, platform.ChildAssets)),
			[]platform.ManagedObject{got[platform.ManagedObject](f)(f.Object(f.Context(), acme, parent))})
		f.must(f.RemoveChild(f.Context(), acme, link(one, platform.ChildDevices)))
		f.kind(f.RemoveChild(f.Context(), acme, link(one, platform.ChildDevices)), problem.NotFound)
		equal(f, "other kind stays", len(got[[]platform.ManagedObject](f)(f.Parents(f.Context(), acme, one, platform.ChildAssets))), 1)
	}},
	{"children that cannot be", func(f *fixture) {
		f.tenants()
		id := f.create("p")
		for _, l := range []platform.ChildLink{
			{Parent: id, Kind: platform.ChildDevices, Child: f.newID()},
			{Parent: f.newID(), Kind: platform.ChildDevices, Child: id},
		} {
			f.kind(f.AddChild(f.Context(), acme, l), problem.NotFound)
		}
		f.kind(f.AddChild(f.Context(), acme, platform.ChildLink{Parent: id, Kind: platform.ChildDevices, Child: id}), problem.Invalid)
		f.kind(f.AddChild(f.Context(), acme, platform.ChildLink{Parent: id, Kind: "friends", Child: f.create("c")}), problem.Invalid)
		_, err := f.Children(f.Context(), acme, f.newID(), platform.ChildDevices, everything)
		f.kind(err, problem.NotFound)
		_, err = f.Parents(f.Context(), acme, f.newID(), platform.ChildDevices)
		f.kind(err, problem.NotFound)
	}},
	{"a new object takes its place", func(f *fixture) {
		f.tenants()
		parent, o := f.create("p"), f.object("c")
		f.must(f.CreateObject(f.Context(), acme, platform.CreateObject{Object: o, Parent: &platform.ChildLink{Parent: parent, Kind: platform.ChildDevices}}))
		equal(f, "parents", len(got[[]platform.ManagedObject](f)(f.Parents(f.Context(), acme, o.ID, platform.ChildDevices))), 1)
		orphan := f.object("o")
		f.kind(f.CreateObject(f.Context(), acme, platform.CreateObject{Object: orphan, Parent: &platform.ChildLink{Parent: f.newID(), Kind: platform.ChildDevices}}), problem.NotFound)
		_, err := f.Object(f.Context(), acme, orphan.ID)
		f.kind(err, problem.NotFound)
	}},
}
