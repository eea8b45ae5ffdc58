package platformtest

import (
	"encoding/json"

	"mooring/internal/problem"
	"mooring/server/platform"
)

var tenantChecks = []check{
	{"tenants in order of creation", func(f *fixture) {
		f.tenants()
		all := got[[]platform.Tenant](f)(f.Tenants(f.Context()))
		want := []platform.Tenant{
			{ID: acme, Domain: "t1000.example.com", Created: day},
			{ID: other, Domain: "t2000.example.com", Created: day},
		}
		equal(f, "tenants", all, want)
		equal(f, "tenant", got[platform.Tenant](f)(f.Tenant(f.Context(), acme)), want[0])
		_, err := f.Tenant(f.Context(), "t3000")
		f.kind(err, problem.NotFound)
	}},
	{"tenant with its administrator and audit row", func(f *fixture) {
		admin := platform.User{Tenant: acme, Name: "root", PasswordHash: "$argon2id$", Roles: platform.AdminRoles, Enabled: true, Created: day, PasswordSet: at(1)}
		f.must(f.CreateTenant(f.Context(), platform.Tenant{ID: acme, Domain: "a.example.com", Created: day}, admin, audit("created")))
		equal(f, "admin", got[platform.User](f)(f.User(f.Context(), acme, "root")), admin)
		equal(f, "audit", f.audits(), []string{"created"})
	}},
	{"tenant conflicts", func(f *fixture) {
		f.tenants()
		f.kind(f.CreateTenant(f.Context(), platform.Tenant{ID: acme, Domain: "new.example.com"}, platform.User{Name: "evil"}, audit("no")), problem.Conflict)
		f.kind(f.CreateTenant(f.Context(), platform.Tenant{ID: "t3", Domain: "t1000.example.com"}, platform.User{Name: "evil"}, audit("no")), problem.Conflict)
		_, err := f.User(f.Context(), acme, "evil")
		f.kind(err, problem.NotFound)
		_, err = f.Tenant(f.Context(), "t3")
		f.kind(err, problem.NotFound)
		equal(f, "audit of what failed", f.audits(), nil)
	}},
	{"management has keys before it is a tenant", func(f *fixture) {
		f.must(f.PutSealedKey(f.Context(), platform.SealedKey{Tenant: platform.Management, Purpose: "session-ticket", KeyID: "k", Sealed: []byte{1}, Created: day}))
		_, err := f.Tenant(f.Context(), platform.Management)
		f.kind(err, problem.NotFound)
		equal(f, "tenants", len(got[[]platform.Tenant](f)(f.Tenants(f.Context()))), 0)
		mgmt := platform.Tenant{ID: platform.Management, Created: day}
		f.must(f.CreateTenant(f.Context(), mgmt, platform.User{Name: "admin", Enabled: true}))
		equal(f, "tenant", got[platform.Tenant](f)(f.Tenant(f.Context(), platform.Management)), mgmt)
		f.kind(f.CreateTenant(f.Context(), mgmt, platform.User{Name: "admin"}), problem.Conflict)
	}},
	{"unknown tenant is not found everywhere", func(f *fixture) {
		_, err := f.User(f.Context(), "nobody", "admin")
		f.kind(err, problem.NotFound)
		f.kind(f.PutUser(f.Context(), platform.User{Tenant: "nobody", Name: "x"}), problem.NotFound)
		f.kind(f.submit(platform.Batch{Tenant: "nobody"}), problem.NotFound)
	}},
	{"meta", func(f *fixture) {
		_, err := f.Meta(f.Context(), "dev")
		f.kind(err, problem.NotFound)
		f.must(f.SetMeta(f.Context(), "dev", "true"))
		f.must(f.SetMeta(f.Context(), "dev", ""))
		equal(f, "meta", got[string](f)(f.Meta(f.Context(), "dev")), "")
	}},
}

var userChecks = []check{
	{"user is created and replaced whole", func(f *fixture) {
		f.tenants()
		u := platform.User{
			Tenant: acme, Name: "ann", PasswordHash: "h1", Roles: []platform.Role{platform.RoleTenantAdmin, platform.RoleInventoryRead},
			Enabled: true, Email: "ann@example.com", FirstName: "Ann", LastName: "Ñandú", Created: day, PasswordSet: at(1),
		}
		f.must(f.PutUser(f.Context(), u, audit("created")))
		equal(f, "user", got[platform.User](f)(f.User(f.Context(), acme, "ann")), u)
		u = platform.User{Tenant: acme, Name: "ann", Created: at(5)}
		f.must(f.PutUser(f.Context(), u, audit("replaced")))
		equal(f, "user", got[platform.User](f)(f.User(f.Context(), acme, "ann")), u)
		equal(f, "audit", f.audits(), []string{"created", "replaced"})
		f.kind(f.PutUser(f.Context(), platform.User{Tenant: acme}), problem.Invalid)
	}},
	{"users by name, in pages", func(f *fixture) {
		f.tenants()
		for _, name := range []string{"zoe", "Bob", "bob", "émile"} {
			f.must(f.PutUser(f.Context(), platform.User{Tenant: acme, Name: name}))
		}
		l := got[platform.List[platform.User]](f)(f.Users(f.Context(), acme, platform.UserFilter{}, everything))
		equal(f, "names", collect(l.Items, func(u platform.User) string { return u.Name }), []string{"Bob", "admin", "bob", "zoe", "émile"})
		pages(f, 5, func(p platform.Page) (platform.List[platform.User], error) {
			return f.Users(f.Context(), acme, platform.UserFilter{}, p)
		})
	}},
	{"users are created once, deleted, and found by name and group", func(f *fixture) {
		f.tenants()
		f.kind(f.CreateUser(f.Context(), platform.User{Tenant: acme, Name: "admin"}, audit("no")), problem.Conflict)
		for name, groups := range map[string][]platform.ID{"Bob_1": {3}, "bobX1": {1, 31}, "rob": {1}} {
			f.must(f.CreateUser(f.Context(), platform.User{Tenant: acme, Name: name, Groups: groups, Phone: "1", DisplayName: "B",
				ResetPassword: true, Custom: platform.Fragments{"a": json.RawMessage(`[1]`)}, Created: day, PasswordSet: day}))
		}
		u := got[platform.User](f)(f.User(f.Context(), acme, "rob"))
		equal(f, "user", u, platform.User{Tenant: acme, Name: "rob", Groups: []platform.ID{1}, Phone: "1", DisplayName: "B",
			ResetPassword: true, Custom: platform.Fragments{"a": json.RawMessage(`[1]`)}, Created: day, PasswordSet: day})
		find := func(filter platform.UserFilter) []string {
			l := got[platform.List[platform.User]](f)(f.Users(f.Context(), acme, filter, everything))
			return collect(l.Items, func(u platform.User) string { return u.Name })
		}
		equal(f, "prefix", find(platform.UserFilter{Prefix: "BOB_"}), []string{"Bob_1"})
		equal(f, "contains", find(platform.UserFilter{Contains: "OB"}), []string{"Bob_1", "bobX1", "rob"})
		equal(f, "group", find(platform.UserFilter{Group: 1}), []string{"bobX1", "rob"})
		equal(f, "part of a group", find(platform.UserFilter{Group: 13}), nil)
		equal(f, "nobody", find(platform.UserFilter{Contains: "%"}), nil)
		f.must(f.DeleteUser(f.Context(), acme, "rob", audit("gone")))
		f.kind(f.DeleteUser(f.Context(), acme, "rob", audit("no")), problem.NotFound)
		f.kind(f.DeleteUser(f.Context(), other, "Bob_1", audit("no")), problem.NotFound)
		equal(f, "audit", f.audits(), []string{"gone"})
	}},
	{"groups of people", func(f *fixture) {
		f.tenants()
		put := func(id platform.ID, name string) platform.Group {
			g := platform.Group{ID: id, Tenant: acme, Name: name, Description: "d", Roles: []platform.Role{platform.RoleAlarmRead, platform.RoleEventRead},
				Custom: platform.Fragments{"a": json.RawMessage(`1`)}}
			f.must(f.PutGroup(f.Context(), g, audit("put "+name)))
			return g
		}
		a, b := put(310, "Night shift"), put(31, "Day shift")
		f.kind(f.PutGroup(f.Context(), platform.Group{ID: 32, Tenant: acme, Name: "Day shift"}, audit("no")), problem.Conflict)
		f.must(f.PutGroup(f.Context(), platform.Group{ID: 32, Tenant: other, Name: "Day shift"}))
		equal(f, "groups", got[[]platform.Group](f)(f.Groups(f.Context(), acme)), []platform.Group{b, a})
		b.Name, b.Roles = "Day", nil
		f.must(f.PutGroup(f.Context(), b, audit("renamed")))
		equal(f, "changed", got[[]platform.Group](f)(f.Groups(f.Context(), acme)), []platform.Group{b, a})
		for name, groups := range map[string][]platform.ID{"u1": {31}, "u2": {3, 31, 310}, "u3": {31, 310}, "u4": {310}} {
			f.must(f.CreateUser(f.Context(), platform.User{Tenant: acme, Name: name, Groups: groups, Created: day, PasswordSet: day}))
		}
		f.must(f.CreateUser(f.Context(), platform.User{Tenant: other, Name: "u1", Groups: []platform.ID{31}, Created: day, PasswordSet: day}))
		f.kind(f.DeleteGroup(f.Context(), other, 31, audit("no")), problem.NotFound)
		f.must(f.DeleteGroup(f.Context(), acme, 31, audit("deleted")))
		f.kind(f.DeleteGroup(f.Context(), acme, 31, audit("no")), problem.NotFound)
		for name, want := range map[string][]platform.ID{"u1": nil, "u2": {3, 310}, "u3": {310}, "u4": {310}} {
			equal(f, name, got[platform.User](f)(f.User(f.Context(), acme, name)).Groups, want)
		}
		equal(f, "the other's", got[platform.User](f)(f.User(f.Context(), other, "u1")).Groups, []platform.ID{31})
		equal(f, "audit", f.audits(), []string{"put Night shift", "put Day shift", "renamed", "deleted"})
	}},
	{"sessions end once, for one tenant, and are forgotten in time", func(f *fixture) {
		f.tenants()
		ended := func(tenant platform.TenantID, id string) bool {
			return got[bool](f)(f.SessionEnded(f.Context(), tenant, id))
		}
		f.must(f.EndSession(f.Context(), acme, "s1", at(10), at(0)))
		f.must(f.EndSession(f.Context(), acme, "s1", at(10), at(0)))
		equal(f, "s1", ended(acme, "s1"), true)
		equal(f, "s1 of the other", ended(other, "s1"), false)
		f.must(f.EndSession(f.Context(), acme, "s2", at(30), at(10)))
		equal(f, "s1 until it expires", ended(acme, "s1"), true)
		f.must(f.EndSession(f.Context(), acme, "s3", at(30), at(11)))
		equal(f, "s1 after", ended(acme, "s1"), false)
		equal(f, "s2", ended(acme, "s2"), true)
	}},
	{"text that a database cannot keep is refused", func(f *fixture) {
		f.tenants()
		for _, name := range []string{"a\x00b", "a\xffb"} {
			f.kind(f.PutUser(f.Context(), platform.User{Tenant: acme, Name: name}), problem.Invalid)
			_, err := f.User(f.Context(), acme, name)
			f.kind(err, problem.Invalid)
		}
	}},
}

var optionChecks = []check{
	{"options are set, listed in order and deleted", func(f *fixture) {
		f.tenants()
		option := func(category, key, value string) platform.Option {
			return platform.Option{OptionKey: platform.OptionKey{Category: category, Key: key}, Value: value}
		}
		f.must(f.SetOptions(f.Context(), acme, []platform.Option{option("b", "z", "1"), option("b", "a", "2"), option("a", "x", "3")}, audit("set")))
		f.must(f.SetOptions(f.Context(), acme, []platform.Option{option("b", "z", "")}))
		equal(f, "all", got[[]platform.Option](f)(f.Options(f.Context(), acme, "")), []platform.Option{option("a", "x", "3"), option("b", "a", "2"), option("b", "z", "")})
		equal(f, "category", got[[]platform.Option](f)(f.Options(f.Context(), acme, "b")), []platform.Option{option("b", "a", "2"), option("b", "z", "")})
		equal(f, "one", got[platform.Option](f)(f.Option(f.Context(), acme, platform.OptionKey{Category: "a", Key: "x"})), option("a", "x", "3"))
		f.must(f.DeleteOption(f.Context(), acme, platform.OptionKey{Category: "a", Key: "x"}, audit("deleted")))
		f.kind(f.DeleteOption(f.Context(), acme, platform.OptionKey{Category: "a", Key: "x"}, audit("no")), problem.NotFound)
		_, err := f.Option(f.Context(), acme, platform.OptionKey{Category: "a", Key: "x"})
		f.kind(err, problem.NotFound)
		equal(f, "none", len(got[[]platform.Option](f)(f.Options(f.Context(), acme, "a"))), 0)
		equal(f, "audit", f.audits(), []string{"set", "deleted"})
	}},
}
