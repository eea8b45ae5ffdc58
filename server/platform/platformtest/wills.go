package platformtest

import (
	"mooring/server/platform"
)

func will(tenant platform.TenantID, device, owner string) platform.StagedPublish {
	return platform.StagedPublish{StagedKey: platform.StagedKey{Tenant: tenant, Device: device, PacketID: platform.WillPacketID},
		Topic: owner, Payload: []byte("will of " + device), At: at(1)}
}

// willsOf names the devices of an owner's wills.
func (f *fixture) willsOf(owner string) []string {
	f.Helper()
	return collect(got[[]platform.StagedPublish](f)(f.Wills(f.Context(), owner)), func(p platform.StagedPublish) string { return p.Device })
}

var willChecks = []check{
	{"wills outlive their server", func(f *fixture) {
		f.tenants()
		equal(f, "nobody's", got[[]string](f)(f.WillOwners(f.Context())), nil)
		for _, p := range []platform.StagedPublish{will(acme, "b", "gone"), will(acme, "a", "gone"), will(acme, "c", "alive"), will(other, "a", "gone")} {
			f.stage(p)
		}
		f.stage(staged(1)) // no will
		equal(f, "owners", got[[]string](f)(f.WillOwners(f.Context())), []string{"alive", "gone"})
		equal(f, "wills", f.willsOf("gone"), []string{"a", "b", "a"})
		equal(f, "first", got[[]platform.StagedPublish](f)(f.Wills(f.Context(), "gone"))[0], will(acme, "a", "gone"))
		equal(f, "another's", f.willsOf("alive"), []string{"c"})
		equal(f, "a stranger's", f.willsOf("me"), nil)
	}},
	{"of two who claim a will one gets it", func(f *fixture) {
		f.tenants()
		p := will(acme, "a", "gone")
		f.stage(p)
		f.stage(will(other, "a", "gone"))
		equal(f, "first", got[bool](f)(f.ClaimWill(f.Context(), p, "me", at(5))), true)
		equal(f, "second", got[bool](f)(f.ClaimWill(f.Context(), p, "you", at(5))), false)
		equal(f, "left", f.willsOf("gone"), []string{"a"})
		list := got[[]platform.StagedPublish](f)(f.Wills(f.Context(), "gone"))
		equal(f, "whose", list[0].Tenant, other)
		f.must(f.submit(platform.Batch{Tenant: acme, Release: &p.StagedKey}))
		equal(f, "again", got[bool](f)(f.ClaimWill(f.Context(), p, "me", at(5))), false)
	}},
	{"a will is not dropped with what its device staged", func(f *fixture) {
		f.tenants()
		p := will(acme, "dev1", "gone")
		f.stage(p)
		q := staged(1)
		q.Device = "dev1"
		f.stage(q)
		f.must(f.DropStaged(f.Context(), acme, "dev1"))
		equal(f, "wills", f.willsOf("gone"), []string{"dev1"})
	}},
}
