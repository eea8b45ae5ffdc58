package platformtest

import (
	"mooring/internal/problem"
	"mooring/server/platform"
)

func sealed(keyID string, n int) platform.SealedKey {
	return platform.SealedKey{Tenant: acme, Purpose: "tenant-ca", KeyID: keyID, Sealed: []byte("sealed " + keyID), Created: at(n)}
}

// issuer returns what CreateIssuer takes.
func issuer(keyID, fingerprint string) (platform.Issuer, platform.SealedKey, platform.TrustedCertificate) {
	c := trusted(fingerprint)
	c.IsTenantCA, c.Proven = true, true
	return platform.Issuer{Tenant: acme, KeyID: keyID, Certificate: c.Certificate, Created: day}, sealed(keyID, 0), c
}

var issuerChecks = []check{
	{"issuer with its key and trusted certificate", func(f *fixture) {
		f.tenants()
		_, err := f.Issuer(f.Context(), acme)
		f.kind(err, problem.NotFound)
		i, k, c := issuer("k1", "aa")
		f.must(f.CreateIssuer(f.Context(), i, k, c, audit("created")))
		equal(f, "issuer", got[platform.Issuer](f)(f.Issuer(f.Context(), acme)), i)
		equal(f, "key", got[platform.SealedKey](f)(f.SealedKey(f.Context(), acme, k.Purpose, "k1")), k)
		f.must(f.AddTrustedCertificates(f.Context(), []platform.TrustedCertificate{trusted("dd")}))
		l := got[platform.List[platform.TrustedCertificate]](f)(f.TrustedCertificates(f.Context(), acme, true, everything))
		equal(f, "only the CA", l.Items, []platform.TrustedCertificate{c})

		i2, k2, c2 := issuer("k2", "bb")
		f.kind(f.CreateIssuer(f.Context(), i2, k2, c2, audit("no")), problem.Conflict)
		_, err = f.SealedKey(f.Context(), acme, k2.Purpose, "k2")
		f.kind(err, problem.NotFound)
		equal(f, "trusted", f.allTrusted(), []string{"t1000/aa", "t1000/dd"})
		equal(f, "audit", f.audits(), []string{"created"})
	}},
	{"deleting the tenant CA's certificate destroys issuer and key", func(f *fixture) {
		f.tenants()
		i, k, c := issuer("k1", "aa")
		f.must(f.CreateIssuer(f.Context(), i, k, c))
		f.must(f.AddTrustedCertificates(f.Context(), []platform.TrustedCertificate{trusted("bb")}))
		f.must(f.DeleteTrustedCertificate(f.Context(), acme, "bb"))
		got[platform.Issuer](f)(f.Issuer(f.Context(), acme))
		f.must(f.DeleteTrustedCertificate(f.Context(), acme, "aa"))
		_, err := f.Issuer(f.Context(), acme)
		f.kind(err, problem.NotFound)
		_, err = f.SealedKey(f.Context(), acme, k.Purpose, "k1")
		f.kind(err, problem.NotFound)
		f.must(f.CreateIssuer(f.Context(), i, k, c))
	}},
	{"issued certificates: newest first, serials unique", func(f *fixture) {
		f.tenants()
		for n, serial := range []string{"01", "03", "02"} {
			c := leaf(serial)
			c.IssuedAt = at(n)
			f.must(f.Issue(f.Context(), platform.Issue{Certificate: c}))
		}
		f.kind(f.Issue(f.Context(), platform.Issue{Certificate: leaf("02")}, audit("no")), problem.Conflict)
		foreign := leaf("04")
		foreign.ExternalID = "dev2"
		f.must(f.Issue(f.Context(), platform.Issue{Certificate: foreign}))
		l := got[platform.List[platform.IssuedCertificate]](f)(f.IssuedCertificates(f.Context(), acme, "dev1", everything))
		equal(f, "serials", collect(l.Items, func(c platform.IssuedCertificate) string { return c.Serial }), []string{"02", "03", "01"})
		pages(f, 3, func(p platform.Page) (platform.List[platform.IssuedCertificate], error) {
			return f.IssuedCertificates(f.Context(), acme, "dev1", p)
		})
	}},
	{"an issue converts a device user with a password", func(f *fixture) {
		f.tenants()
		f.kind(f.Issue(f.Context(), platform.Issue{Certificate: leaf("01"), Convert: true}, audit("no")), problem.NotFound)
		u := deviceUser("dev1")
		u.Credential, u.Password = platform.CredentialPassword, otp(1)
		f.must(f.CreateDeviceUser(f.Context(), u))
		f.must(f.Issue(f.Context(), platform.Issue{Certificate: leaf("01")}))
		equal(f, "not asked for", got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev1")), u)
		f.must(f.Issue(f.Context(), platform.Issue{Certificate: leaf("02"), Convert: true}))
		equal(f, "converted", got[platform.DeviceUser](f)(f.DeviceUser(f.Context(), acme, "dev1")), deviceUser("dev1"))
		f.must(f.Issue(f.Context(), platform.Issue{Certificate: leaf("03"), Convert: true}))
		equal(f, "audit", f.audits(), nil)
	}},
}

var sealedKeyChecks = []check{
	{"sealed keys: newest first, unique, deleted", func(f *fixture) {
		f.tenants()
		for n, id := range []string{"k1", "k3", "k2"} {
			f.must(f.PutSealedKey(f.Context(), sealed(id, n)))
		}
		again := sealed("k1", 9)
		again.Sealed = []byte("other")
		f.kind(f.PutSealedKey(f.Context(), again, audit("no")), problem.Conflict)
		again.Purpose = "token-signing"
		f.must(f.PutSealedKey(f.Context(), again, audit("put")))
		list := got[[]platform.SealedKey](f)(f.SealedKeys(f.Context(), acme, "tenant-ca"))
		equal(f, "keys", list, []platform.SealedKey{sealed("k2", 2), sealed("k3", 1), sealed("k1", 0)})
		f.must(f.DeleteSealedKey(f.Context(), acme, "tenant-ca", "k1"))
		f.kind(f.DeleteSealedKey(f.Context(), acme, "tenant-ca", "k1"), problem.NotFound)
		_, err := f.SealedKey(f.Context(), acme, "tenant-ca", "k1")
		f.kind(err, problem.NotFound)
		equal(f, "other purpose", got[platform.SealedKey](f)(f.SealedKey(f.Context(), acme, "token-signing", "k1")), again)
		equal(f, "audit", f.audits(), []string{"put"})
	}},
}
