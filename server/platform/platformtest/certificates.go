package platformtest

import (
	"errors"
	"fmt"
	"math/big"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// trusted is a certificate of acme.
func trusted(fingerprint string) platform.TrustedCertificate {
	return platform.TrustedCertificate{
		Tenant: acme, Fingerprint: fingerprint, Certificate: []byte("DER " + fingerprint), Name: "Root " + fingerprint,
		Enabled: true, AutoRegistration: true, Created: day, Subject: []byte{0x30, 0}, KeyHash: [32]byte{1, 31: 2}, NotAfter: at(1e6),
	}
}

func (f *fixture) allTrusted() []string {
	var list []string
	f.must(f.AllTrustedCertificates(f.Context(), func(c platform.TrustedCertificate) error {
		list = append(list, string(c.Tenant)+"/"+c.Fingerprint)
		return nil
	}))
	return list
}

var trustedChecks = []check{
	{"trusted certificates are added all or none", func(f *fixture) {
		f.tenants()
		f.must(f.AddTrustedCertificates(f.Context(), []platform.TrustedCertificate{trusted("bb"), trusted("aa")}, audit("added")))
		equal(f, "certificate", got[platform.TrustedCertificate](f)(f.TrustedCertificate(f.Context(), acme, "aa")), trusted("aa"))
		foreign := []platform.TrustedCertificate{trusted("cc"), trusted("aa")}
		f.kind(f.AddTrustedCertificates(f.Context(), foreign, audit("no")), problem.Conflict)
		for i := range foreign {
			foreign[i].Tenant = other
		}
		f.kind(f.AddTrustedCertificates(f.Context(), foreign), problem.Conflict)
		equal(f, "all", f.allTrusted(), []string{"t1000/bb", "t1000/aa"})
		_, err := f.TrustedCertificate(f.Context(), other, "aa")
		f.kind(err, problem.NotFound)
		equal(f, "audit", f.audits(), []string{"added"})
	}},
	{"trusted certificates in pages, in order of creation", func(f *fixture) {
		f.tenants()
		for _, fp := range []string{"cc", "aa", "bb"} {
			f.must(f.AddTrustedCertificates(f.Context(), []platform.TrustedCertificate{trusted(fp)}))
		}
		l := got[platform.List[platform.TrustedCertificate]](f)(f.TrustedCertificates(f.Context(), acme, false, everything))
		equal(f, "order", collect(l.Items, func(c platform.TrustedCertificate) string { return c.Fingerprint }), []string{"cc", "aa", "bb"})
		pages(f, 3, func(p platform.Page) (platform.List[platform.TrustedCertificate], error) {
			return f.TrustedCertificates(f.Context(), acme, false, p)
		})
		l = got[platform.List[platform.TrustedCertificate]](f)(f.TrustedCertificates(f.Context(), acme, true, everything))
		equal(f, "only the CA", len(l.Items), 0)
	}},
	{"trusted certificate is updated in three fields", func(f *fixture) {
		f.tenants()
		f.must(f.AddTrustedCertificates(f.Context(), []platform.TrustedCertificate{trusted("aa")}))
		c := platform.TrustedCertificate{Tenant: acme, Fingerprint: "aa", Name: "new", Proven: true, ProofCode: "x"}
		f.must(f.UpdateTrustedCertificate(f.Context(), c, audit("updated")))
		want := trusted("aa")
		want.Name, want.Enabled, want.AutoRegistration = "new", false, false
		equal(f, "certificate", got[platform.TrustedCertificate](f)(f.TrustedCertificate(f.Context(), acme, "aa")), want)
		c.Fingerprint = "bb"
		f.kind(f.UpdateTrustedCertificate(f.Context(), c, audit("no")), problem.NotFound)
		equal(f, "audit", f.audits(), []string{"updated"})
	}},
	{"possession is proved with the current code", func(f *fixture) {
		f.tenants()
		f.must(f.AddTrustedCertificates(f.Context(), []platform.TrustedCertificate{trusted("aa")}))
		want := trusted("aa")
		f.must(f.SetProofCode(f.Context(), acme, "aa", "old", at(1), audit("code")))
		f.must(f.SetProofCode(f.Context(), acme, "aa", "new", at(2)))
		f.kind(f.SetProven(f.Context(), acme, "aa", "old", audit("no")), problem.Conflict)
		want.ProofCode, want.ProofUntil = "new", at(2)
		equal(f, "unproven", got[platform.TrustedCertificate](f)(f.TrustedCertificate(f.Context(), acme, "aa")), want)
		f.must(f.SetProven(f.Context(), acme, "aa", "new", audit("proven")))
		want.Proven = true
		equal(f, "proven", got[platform.TrustedCertificate](f)(f.TrustedCertificate(f.Context(), acme, "aa")), want)
		for _, absent := range []struct {
			tenant      platform.TenantID
			fingerprint string
		}{{acme, "bb"}, {other, "aa"}} {
			f.kind(f.SetProofCode(f.Context(), absent.tenant, absent.fingerprint, "x", at(1), audit("no")), problem.NotFound)
			f.kind(f.SetProven(f.Context(), absent.tenant, absent.fingerprint, "", audit("no")), problem.NotFound)
		}
		equal(f, "audit", f.audits(), []string{"code", "proven"})
	}},
	{"possession is confirmed without a code", func(f *fixture) {
		f.tenants()
		f.must(f.AddTrustedCertificates(f.Context(), []platform.TrustedCertificate{trusted("aa")}))
		f.must(f.SetProven(f.Context(), acme, "aa", ""))
		want := trusted("aa")
		want.Proven = true
		equal(f, "proven", got[platform.TrustedCertificate](f)(f.TrustedCertificate(f.Context(), acme, "aa")), want)
	}},
	{"trusted certificate is deleted", func(f *fixture) {
		f.tenants()
		f.must(f.AddTrustedCertificates(f.Context(), []platform.TrustedCertificate{trusted("aa"), trusted("bb")}))
		f.must(f.DeleteTrustedCertificate(f.Context(), acme, "aa", audit("deleted")))
		f.kind(f.DeleteTrustedCertificate(f.Context(), acme, "aa", audit("no")), problem.NotFound)
		equal(f, "rest", f.allTrusted(), []string{"t1000/bb"})
		f.must(f.AddTrustedCertificates(f.Context(), []platform.TrustedCertificate{trusted("aa")}))
	}},
	{"an error of the caller ends the walk", func(f *fixture) {
		f.tenants()
		f.must(f.AddTrustedCertificates(f.Context(), []platform.TrustedCertificate{trusted("aa"), trusted("bb")}))
		stop := errors.New("enough")
		if err := f.AllTrustedCertificates(f.Context(), func(platform.TrustedCertificate) error { return stop }); !errors.Is(err, stop) {
			f.Fatalf("got %v, want %v", err, stop)
		}
		equal(f, "afterwards", len(f.allTrusted()), 2)
	}},
}

func revoked(serials ...int64) []platform.Revocation {
	var list []platform.Revocation
	for i, n := range serials {
		list = append(list, platform.Revocation{Serial: big.NewInt(n), At: at(i)})
	}
	return list
}

var revocationChecks = []check{
	{"revocations: the first entry of a serial stays", func(f *fixture) {
		f.tenants()
		equal(f, "added", got[int](f)(f.AddRevocations(f.Context(), acme, revoked(255, 16), audit("two"))), 2)
		again := []platform.Revocation{{Serial: big.NewInt(255), At: at(99)}, {Serial: big.NewInt(1), At: at(50)}, {Serial: big.NewInt(1), At: at(51)}}
		equal(f, "added", got[int](f)(f.AddRevocations(f.Context(), acme, again, audit("one"))), 1)
		equal(f, "added", got[int](f)(f.AddRevocations(f.Context(), acme, again, audit("none"))), 0)
		list := got[[]platform.Revocation](f)(f.Revocations(f.Context(), acme))
		text := func(r platform.Revocation) string { return fmt.Sprint(r.Serial, " ", r.At.Sub(day)) }
		equal(f, "list", collect(list, text), []string{"255 0s", "16 1s", "1 50s"})
		var all []string
		f.must(f.AllRevocations(f.Context(), func(t platform.TenantID, r platform.Revocation) error {
			all = append(all, string(t)+" "+text(r))
			return nil
		}))
		equal(f, "all", all, []string{"t1000 255 0s", "t1000 16 1s", "t1000 1 50s"})
		equal(f, "audit", f.audits(), []string{"two", "one", "none"})
	}},
	{"serials out of range", func(f *fixture) {
		f.tenants()
		longest := new(big.Int).Lsh(big.NewInt(1), 511)
		equal(f, "64 bytes", got[int](f)(f.AddRevocations(f.Context(), acme, []platform.Revocation{{Serial: longest, At: day}})), 1)
		equal(f, "read back", got[[]platform.Revocation](f)(f.Revocations(f.Context(), acme))[0].Serial.Cmp(longest), 0)
		for _, serial := range []*big.Int{nil, big.NewInt(-1), new(big.Int).Lsh(big.NewInt(1), 512)} {
			_, err := f.AddRevocations(f.Context(), acme, append(revoked(7), platform.Revocation{Serial: serial}))
			f.kind(err, problem.Invalid)
		}
		equal(f, "zero", got[int](f)(f.AddRevocations(f.Context(), acme, []platform.Revocation{{Serial: new(big.Int), At: day}})), 1)
		list := got[[]platform.Revocation](f)(f.Revocations(f.Context(), acme))
		equal(f, "list", len(list), 2)
		equal(f, "zero read back", list[0].Serial.Sign()*list[1].Serial.Sign(), 0)
	}},
}
