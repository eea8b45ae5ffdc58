package platformtest

import (
	"fmt"

	"mooring/internal/problem"
	"mooring/server/platform"
)

func deviceUser(externalID string) platform.DeviceUser {
	return platform.DeviceUser{Tenant: acme, ExternalID: externalID, Credential: platform.CredentialCertificate, Enabled: true, Created: day}
}

// provisioned is a certificate whose notBefore is n seconds after day.
func provisioned(serial string, n int) platform.ProvisionedCertificate {
	return platform.ProvisionedCertificate{Serial: serial, NotBefore: at(n), NotAfter: at(n + 1000), FirstSeen: at(n + 1)}
}

var deviceUserChecks = []check{
	{"device user is created once", func(f *fixture) {
		f.tenants()
		u := deviceUser("dev1")
		u.Credential, u.Password = platform.CredentialPassword, platform.SecretMAC{KeyID: "k1", MAC: []byte{1, 2, 3}}
		f.must(f.CreateDeviceUser(f.Context(), u, audit("created")))
		equal(f, "device user", got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev1")), u)
		f.kind(f.CreateDeviceUser(f.Context(), deviceUser("dev1"), audit("no")), problem.Conflict)
		equal(f, "after a conflict", got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev1")), u)
		_, err := f.DeviceUser(f.Context(), acme, "dev2")
		f.kind(err, problem.NotFound)
		f.kind(f.CreateDeviceUser(f.Context(), deviceUser("")), problem.Invalid)
		equal(f, "audit", f.audits(), []string{"created"})
	}},
	{"device user is disabled and deleted", func(f *fixture) {
		f.tenants()
		f.must(f.CreateDeviceUser(f.Context(), deviceUser("dev1")))
		f.must(f.SetDeviceUserEnabled(f.Context(), acme, "dev1", false, audit("off")))
		equal(f, "enabled", got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev1")).Enabled, false)
		f.must(f.SetDeviceUserEnabled(f.Context(), acme, "dev1", true))
		equal(f, "enabled", got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev1")).Enabled, true)
		f.kind(f.SetDeviceUserEnabled(f.Context(), acme, "dev2", true, audit("no")), problem.NotFound)
		f.kind(f.SetDevicePassword(f.Context(), acme, "dev2", otp(8), audit("no")), problem.NotFound)
		f.kind(f.SetDevicePassword(f.Context(), acme, "dev1", otp(8), audit("no")), problem.Conflict)
		byPassword := deviceUser("dev3")
		byPassword.Credential, byPassword.Password = platform.CredentialPassword, otp(7)
		f.must(f.CreateDeviceUser(f.Context(), byPassword))
		f.must(f.SetDevicePassword(f.Context(), acme, "dev3", otp(8)))
		byPassword.Password = otp(8)
		equal(f, "password", got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev3")), byPassword)
		got[bool](f)(f.RecordProvisioned(f.Context(), acme, "dev1", provisioned("aa", 1)))
		f.must(f.DeleteDeviceUser(f.Context(), acme, "dev1", audit("gone")))
		_, err := f.DeviceUser(f.Context(), acme, "dev1")
		f.kind(err, problem.NotFound)
		f.kind(f.DeleteDeviceUser(f.Context(), acme, "dev1", audit("no")), problem.NotFound)
		f.must(f.CreateDeviceUser(f.Context(), deviceUser("dev1")))
		equal(f, "certificates of the user before", len(got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev1")).Provisioned), 0)
		equal(f, "audit", f.audits(), []string{"off", "gone"})
	}},
	{"device users in pages with their certificates", func(f *fixture) {
		f.tenants()
		for _, id := range []string{"c", "a", "b"} {
			f.must(f.CreateDeviceUser(f.Context(), deviceUser(id)))
			got[bool](f)(f.RecordProvisioned(f.Context(), acme, id, provisioned(id+id, 1)))
		}
		l := got[platform.List[platform.DeviceUser]](f)(f.DeviceUsers(f.Context(), acme, platform.UserFilter{}, everything))
		equal(f, "serials", collect(l.Items, func(u platform.DeviceUser) string { return u.ExternalID + u.Provisioned[0].Serial }),
			[]string{"aaa", "bbb", "ccc"})
		pages(f, 3, func(p platform.Page) (platform.List[platform.DeviceUser], error) {
			return f.DeviceUsers(f.Context(), acme, platform.UserFilter{}, p)
		})
	}},
	{"provisioned certificates: the newest five", func(f *fixture) {
		f.tenants()
		f.must(f.CreateDeviceUser(f.Context(), deviceUser("dev1")))
		record := func(c platform.ProvisionedCertificate, want bool) {
			f.Helper()
			equal(f, "recorded "+c.Serial, got[bool](f)(f.RecordProvisioned(f.Context(), acme, "dev1", c, audit(c.Serial))), want)
		}
		for i := range platform.MaxProvisioned - 1 {
			record(provisioned(fmt.Sprint("s", i), 10*i+10), true)
		}
		record(provisioned("s0", 999), false) // known: nothing changes
		record(provisioned("n", 25), true)    // n: the fifth
		serials := func() []string {
			u := got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev1"))
			return collect(u.Provisioned, func(c platform.ProvisionedCertificate) string { return c.Serial })
		}
		equal(f, "five", serials(), []string{"s3", "s2", "n", "s1", "s0"})
		record(provisioned("n+1", 50), true) // the sixth pushes out the oldest
		equal(f, "still five", serials(), []string{"n+1", "s3", "s2", "n", "s1"})
		record(provisioned("old", 5), false) // older than all five
		equal(f, "still five", serials(), []string{"n+1", "s3", "s2", "n", "s1"})
		equal(f, "audit", f.audits(), []string{"s0", "s1", "s2", "s3", "n", "n+1"})
		u := got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev1"))
		equal(f, "newest", u.Provisioned[0], provisioned("n+1", 50))
		_, err := f.RecordProvisioned(f.Context(), acme, "dev2", provisioned("aa", 1))
		f.kind(err, problem.NotFound)
	}},
}
