package platformtest

import (
	"mooring/internal/problem"
	"mooring/server/platform"
)

// inventoryRole is the n-th of acme.
func inventoryRole(n int, name string) platform.InventoryRole {
	return platform.InventoryRole{ID: platform.ID(600 + n), Tenant: acme, Name: name, Description: "about " + name,
		Permissions: []platform.Permission{{ID: 1, Level: "READ", Scope: "*", Type: "*"}, {ID: 2, Level: "ADMIN", Scope: "ALARM", Type: `a"b`}}}
}

var inventoryRoleChecks = []check{
	{"inventory roles are kept, replaced and removed", func(f *fixture) {
		f.tenants()
		a, b := inventoryRole(2, "a"), inventoryRole(1, "b")
		f.must(f.PutInventoryRole(f.Context(), a, audit("created")))
		f.must(f.PutInventoryRole(f.Context(), b))
		equal(f, "in the order of IDs", got[[]platform.InventoryRole](f)(f.InventoryRoles(f.Context(), acme)), []platform.InventoryRole{b, a})
		equal(f, "of another tenant", len(got[[]platform.InventoryRole](f)(f.InventoryRoles(f.Context(), other))), 0)
		f.kind(f.PutInventoryRole(f.Context(), inventoryRole(3, "a"), audit("no")), problem.Conflict)
		a.Name, a.Permissions = "c", nil
		f.must(f.PutInventoryRole(f.Context(), a))
		equal(f, "replaced", got[[]platform.InventoryRole](f)(f.InventoryRoles(f.Context(), acme)), []platform.InventoryRole{b, a})
		twin := inventoryRole(2, "a")
		twin.Tenant = other
		f.must(f.PutInventoryRole(f.Context(), twin))
		f.must(f.DeleteInventoryRole(f.Context(), acme, a.ID))
		f.kind(f.DeleteInventoryRole(f.Context(), acme, a.ID, audit("no")), problem.NotFound)
		equal(f, "left to the other", got[[]platform.InventoryRole](f)(f.InventoryRoles(f.Context(), other)), []platform.InventoryRole{twin})
		equal(f, "audit", f.audits(), []string{"created"})
	}},
	{"assignments go with their person, their object and their roles", func(f *fixture) {
		f.tenants()
		group, device := f.create("group"), f.create("device")
		f.must(f.PutUser(f.Context(), platform.User{Tenant: acme, Name: "ann"}))
		f.must(f.PutUser(f.Context(), platform.User{Tenant: acme, Name: "bob"}))
		for n, name := range []string{"a", "b"} {
			f.must(f.PutInventoryRole(f.Context(), inventoryRole(n, name)))
		}
		of := func(tenant platform.TenantID, user string) []platform.InventoryAssignment {
			f.Helper()
			return got[[]platform.InventoryAssignment](f)(f.InventoryAssignments(f.Context(), tenant, user))
		}
		first := platform.InventoryAssignment{ID: 701, Tenant: acme, User: "ann", Object: group, Roles: []platform.ID{600, 601}}
		second := platform.InventoryAssignment{ID: 702, Tenant: acme, User: "ann", Object: device, Roles: []platform.ID{600}}
		bobs := platform.InventoryAssignment{ID: 703, Tenant: acme, User: "bob", Object: device, Roles: []platform.ID{601}}
		for _, a := range []platform.InventoryAssignment{first, second, bobs} {
			f.must(f.PutInventoryAssignment(f.Context(), a, audit("assigned")))
		}
		equal(f, "of ann", of(acme, "ann"), []platform.InventoryAssignment{first, second})
		equal(f, "of another tenant", len(of(other, "ann")), 0)
		again, nobody, nowhere, foreign := first, first, first, first
		again.ID, nobody.User, nowhere.Object, foreign.Tenant = 704, "eve", f.newID(), other
		f.kind(f.PutInventoryAssignment(f.Context(), again, audit("no")), problem.Conflict)
		f.kind(f.PutInventoryAssignment(f.Context(), nobody), problem.NotFound)
		f.kind(f.PutInventoryAssignment(f.Context(), nowhere), problem.NotFound)
		f.kind(f.PutInventoryAssignment(f.Context(), foreign), problem.NotFound)

		f.must(f.DeleteInventoryRole(f.Context(), acme, 600))
		first.Roles = []platform.ID{601}
		equal(f, "without the role", of(acme, "ann"), []platform.InventoryAssignment{first})
		f.kind(f.DeleteInventoryAssignment(f.Context(), acme, "bob", first.ID), problem.NotFound)
		f.kind(f.DeleteInventoryAssignment(f.Context(), other, "ann", first.ID), problem.NotFound)
		f.must(f.PutUser(f.Context(), platform.User{Tenant: acme, Name: "ann", Email: "new"})) // which takes nothing from her
		equal(f, "after a change", of(acme, "ann"), []platform.InventoryAssignment{first})
		f.must(f.DeleteObjects(f.Context(), acme, []platform.ID{device}))
		equal(f, "without the object", len(of(acme, "bob")), 0)
		f.must(f.DeleteUser(f.Context(), acme, "ann"))
		f.must(f.PutUser(f.Context(), platform.User{Tenant: acme, Name: "ann"}))
		equal(f, "of a new ann", len(of(acme, "ann")), 0)
		f.must(f.PutInventoryAssignment(f.Context(), first))
		f.must(f.DeleteInventoryAssignment(f.Context(), acme, "ann", first.ID, audit("removed")))
		equal(f, "at last", len(of(acme, "ann")), 0)
	}},
}
