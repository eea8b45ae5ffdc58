package platformtest

import (
	"fmt"
	"math/big"

	"mooring/internal/problem"
	"mooring/server/platform"
)

func maker(fingerprint string) platform.TPMMaker {
	return platform.TPMMaker{Tenant: acme, Fingerprint: fingerprint, Certificate: []byte("DER of " + fingerprint), Created: day}
}

// attested issues a certificate for a key of a TPM.
func (f *fixture) attested(serial, device string, ek byte, n int) platform.Attestation {
	f.Helper()
	c := leaf(serial)
	c.ExternalID, c.IssuedAt = device, at(n)
	a := platform.Attestation{Tenant: acme, Serial: serial, ExternalID: device, EKHash: [32]byte{31: ek}, Manufacturer: "id:49424D00",
		Model: "swtpm-libtpms", Firmware: "id:00020183"}
	f.must(f.Issue(f.Context(), platform.Issue{Certificate: c, Attestation: &a}))
	return a
}

var attestationChecks = []check{
	{"attestations beside certificates: newest first", func(f *fixture) {
		f.tenants()
		a := f.attested("01", "dev1", 7, 1)
		f.must(f.Issue(f.Context(), platform.Issue{Certificate: leaf("02")}))
		b, c := f.attested("03", "dev1", 8, 3), f.attested("04", "dev2", 7, 4)
		equal(f, "one", got[platform.Attestation](f)(f.Attestation(f.Context(), acme, "01")), a)
		_, err := f.Attestation(f.Context(), acme, "02")
		f.kind(err, problem.NotFound)
		_, err = f.Attestation(f.Context(), other, "01")
		f.kind(err, problem.NotFound)
		l := got[platform.List[platform.Attestation]](f)(f.Attestations(f.Context(), acme, "dev1", everything))
		equal(f, "of a device", l.Items, []platform.Attestation{b, a})
		equal(f, "of another tenant", len(got[platform.List[platform.Attestation]](f)(f.Attestations(f.Context(), other, "", everything)).Items), 0)
		l = got[platform.List[platform.Attestation]](f)(f.Attestations(f.Context(), acme, "", everything))
		equal(f, "of all", l.Items, []platform.Attestation{c, b, a})
		pages(f, 3, func(p platform.Page) (platform.List[platform.Attestation], error) {
			return f.Attestations(f.Context(), acme, "", p)
		})
		f.kind(f.Issue(f.Context(), platform.Issue{Certificate: leaf("01"), Attestation: &a}, audit("no")), problem.Conflict)
		equal(f, "audit", f.audits(), nil)
	}},
	{"the devices of a TPM whose certificates are in force", func(f *fixture) {
		f.tenants()
		for n, device := range []string{"dev3", "dev1", "dev2", "dev2"} {
			f.attested(fmt.Sprint("a", n), device, 7, n)
		}
		f.attested("b", "dev4", 8, 9)
		devices := func(tenant platform.TenantID, ek byte, now, most int) []string {
			f.Helper()
			return got[[]string](f)(f.DevicesOfTPM(f.Context(), tenant, [32]byte{31: ek}, "dev1", at(now), most))
		}
		equal(f, "others", devices(acme, 7, 1000, 9), []string{"dev2", "dev3"})
		equal(f, "one of them", devices(acme, 7, 1000, 1), []string{"dev2"})
		equal(f, "after their end", devices(acme, 7, 1001, 9), nil)
		equal(f, "of another tenant", devices(other, 7, 0, 9), nil)
		got[int](f)(f.AddRevocations(f.Context(), acme, []platform.Revocation{{Serial: big.NewInt(0xa0), At: day}}))
		equal(f, "one was revoked", devices(acme, 7, 0, 9), []string{"dev2"})
	}},
	{"makers of TPMs: in order, once, bounded", func(f *fixture) {
		f.tenants()
		ctx := f.Context()
		equal(f, "added", got[int](f)(f.AddTPMMakers(ctx, acme, []platform.TPMMaker{maker("bb"), maker("aa")}, 3, audit("added"))), 2)
		equal(f, "again", got[int](f)(f.AddTPMMakers(ctx, acme, []platform.TPMMaker{maker("bb"), maker("cc")}, 3)), 1)
		_, err := f.AddTPMMakers(ctx, acme, []platform.TPMMaker{maker("dd")}, 3, audit("no"))
		f.kind(err, problem.TooLarge)
		equal(f, "added to another tenant", got[int](f)(f.AddTPMMakers(ctx, other, []platform.TPMMaker{maker("bb")}, 3)), 1)
		equal(f, "makers", got[[]platform.TPMMaker](f)(f.TPMMakers(ctx, acme)), []platform.TPMMaker{maker("aa"), maker("bb"), maker("cc")})
		f.must(f.DeleteTPMMaker(ctx, acme, "bb", audit("deleted")))
		f.kind(f.DeleteTPMMaker(ctx, acme, "bb", audit("no")), problem.NotFound)
		equal(f, "left", len(got[[]platform.TPMMaker](f)(f.TPMMakers(ctx, acme))), 2)
		equal(f, "left to the other", len(got[[]platform.TPMMaker](f)(f.TPMMakers(ctx, other))), 1)
		equal(f, "audit", f.audits(), []string{"added", "deleted"})
	}},
	{"pins of TPMs", func(f *fixture) {
		f.tenants()
		ctx := f.Context()
		_, err := f.TPMPin(ctx, acme, "dev1")
		f.kind(err, problem.NotFound)
		for n := byte(1); n <= 2; n++ {
			p := platform.TPMPin{Tenant: acme, ExternalID: "dev1", EKHash: [32]byte{31: n}}
			f.must(f.PutTPMPin(ctx, p, audit("put")))
			equal(f, "pin", got[platform.TPMPin](f)(f.TPMPin(ctx, acme, "dev1")), p)
		}
		_, err = f.TPMPin(ctx, other, "dev1")
		f.kind(err, problem.NotFound)
		f.kind(f.DeleteTPMPin(ctx, other, "dev1"), problem.NotFound)
		f.must(f.DeleteTPMPin(ctx, acme, "dev1"))
		f.kind(f.DeleteTPMPin(ctx, acme, "dev1", audit("no")), problem.NotFound)
		equal(f, "audit", f.audits(), []string{"put", "put"})
	}},
}
