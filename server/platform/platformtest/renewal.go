package platformtest

import (
	"mooring/internal/problem"
	"mooring/server/platform"
)

// renewal replaces the certificate of issuer("k1", "bb").
func renewal(old, fingerprint string) platform.RenewIssuer {
	c := trusted(fingerprint)
	c.IsTenantCA, c.Proven = true, true
	c.Certificate, c.NotAfter = []byte("DER of "+fingerprint+" renewed"), at(5000)
	return platform.RenewIssuer{Tenant: acme, Old: old, Next: c}
}

var renewalChecks = []check{
	{"an issuer gets its next certificate in the old one's place", func(f *fixture) {
		f.tenants()
		f.kind(f.RenewIssuer(f.Context(), renewal("bb", "cc"), audit("no")), problem.Conflict)
		i, k, c := issuer("k1", "bb")
		f.must(f.CreateIssuer(f.Context(), i, k, c))
		f.must(f.AddTrustedCertificates(f.Context(), []platform.TrustedCertificate{trusted("dd")}))
		last := got[int64](f)(f.LastChange(f.Context()))
		cmd := renewal("bb", "cc")
		f.must(f.RenewIssuer(f.Context(), cmd, audit("renewed")))

		i.Certificate = cmd.Next.Certificate
		equal(f, "issuer", got[platform.Issuer](f)(f.Issuer(f.Context(), acme)), i)
		equal(f, "key", got[platform.SealedKey](f)(f.SealedKey(f.Context(), acme, k.Purpose, "k1")), k)
		equal(f, "trusted", f.allTrusted(), []string{"t1000/cc", "t1000/dd"})
		cmd.Next.Name = c.Name
		equal(f, "next", got[platform.TrustedCertificate](f)(f.TrustedCertificate(f.Context(), acme, "cc")), cmd.Next)
		changes := got[[]platform.Change](f)(f.ChangesAfter(f.Context(), last, 10))
		equal(f, "changes", collect(changes, func(c platform.Change) string { return string(c.Kind) + " " + c.Key }), []string{"trust cc", "trust bb"})

		f.kind(f.RenewIssuer(f.Context(), renewal("bb", "ee"), audit("no")), problem.Conflict)
		f.kind(f.RenewIssuer(f.Context(), renewal("dd", "ee"), audit("no")), problem.Conflict)
		foreign := renewal("cc", "ee")
		foreign.Tenant = other
		f.kind(f.RenewIssuer(f.Context(), foreign, audit("no")), problem.Invalid)
		equal(f, "audit", f.audits(), []string{"renewed"})
	}},
	{"a renewal takes its turn or does nothing", func(f *fixture) {
		f.tenants()
		i, k, c := issuer("k1", "bb")
		f.must(f.CreateIssuer(f.Context(), i, k, c))
		cmd := renewal("bb", "cc")
		cmd.Turn = platform.Turn{Name: "ca-renewal", On: "2026-10-02"}
		f.must(f.RenewIssuer(f.Context(), cmd))
		again := renewal("cc", "ee")
		again.Turn = cmd.Turn
		f.kind(f.RenewIssuer(f.Context(), again, audit("no")), problem.Conflict)
		equal(f, "trusted", f.allTrusted(), []string{"t1000/cc"})
		again.Turn.On = "2027-10-02"
		f.must(f.RenewIssuer(f.Context(), again))
		equal(f, "trusted", f.allTrusted(), []string{"t1000/ee"})
	}},
	{"a turn is taken once, and none before it later", func(f *fixture) {
		f.tenants()
		turn := func(name, on string) platform.Turn { return platform.Turn{Name: name, On: on} }
		f.must(f.TakeTurn(f.Context(), acme, turn("a", "2026-10-02"), audit("one")))
		f.kind(f.TakeTurn(f.Context(), acme, turn("a", "2026-10-02"), audit("no")), problem.Conflict)
		f.kind(f.TakeTurn(f.Context(), acme, turn("a", "2025-10-02"), audit("no")), problem.Conflict)
		f.must(f.TakeTurn(f.Context(), acme, turn("a", "2027-10-02"), audit("two")))
		f.must(f.TakeTurn(f.Context(), acme, turn("b", "2025-10-02")))
		f.must(f.TakeTurn(f.Context(), other, turn("a", "2025-10-02")))
		equal(f, "audit", f.audits(), []string{"one", "two"})
	}},
	{"a key waits for approval until its registration changes", func(f *fixture) {
		f.tenants()
		key := [32]byte{31: 7}
		r := registration()
		got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: r}))
		f.kind(f.AwaitApproval(f.Context(), acme, "dev1", 2, key, audit("no")), problem.Conflict)
		f.kind(f.AwaitApproval(f.Context(), acme, "dev2", 1, key, audit("no")), problem.Conflict)
		f.kind(f.AwaitApproval(f.Context(), other, "dev1", 1, key), problem.Conflict)
		f.must(f.AwaitApproval(f.Context(), acme, "dev1", 1, key, audit("asked")))
		r.Epoch, r.Status, r.AskedKey = 1, platform.StatusPending, key
		equal(f, "waiting", got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1")), r)

		r.Status = platform.StatusAccepted
		got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: r}))
		equal(f, "accepted", got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1")).AskedKey, key)
		f.must(f.Issue(f.Context(), platform.Issue{Certificate: leaf("01"), Enrolment: enrolment(2)}))
		f.kind(f.AwaitApproval(f.Context(), acme, "dev1", 2, key, audit("no")), problem.Conflict)
		got[platform.Registered](f)(f.Register(f.Context(), platform.RegisterDevice{Registration: registration()}))
		equal(f, "anew", got[platform.Registration](f)(f.Registration(f.Context(), acme, "dev1")).AskedKey, [32]byte{})
		equal(f, "audit", f.audits(), []string{"asked"})
	}},
}
