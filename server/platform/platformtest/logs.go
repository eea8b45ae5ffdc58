package platformtest

import (
	"fmt"

	"mooring/internal/problem"
	"mooring/server/platform"
)

var auditChecks = []check{
	{"audit records come back", func(f *fixture) {
		f.tenants()
		rich := platform.AuditRecord{
			Tenant: acme, At: at(1), Type: "TrustedCertificates", Activity: "a", Text: "t", User: "u", Severity: "major", Source: "aa",
			Application: "app", Changes: `[{"attribute":"x"}]`, Created: at(3),
		}
		plain := platform.AuditRecord{Tenant: acme, At: at(2), Type: "User"}
		f.must(f.AppendAudit(f.Context(), rich, plain))
		l := got[platform.List[platform.AuditRecord]](f)(f.AuditRecords(f.Context(), acme, platform.AuditFilter{}, everything))
		plain.Severity = "information"
		plain.ID, rich.ID = l.Items[0].ID, l.Items[1].ID
		equal(f, "newest first", l.Items, []platform.AuditRecord{plain, rich})
		equal(f, "one", got[platform.AuditRecord](f)(f.AuditRecord(f.Context(), acme, rich.ID)), rich)
		_, err := f.AuditRecord(f.Context(), acme, f.newID())
		f.kind(err, problem.NotFound)
		f.kind(f.AppendAudit(f.Context(), plain, platform.AuditRecord{Tenant: "nobody"}), problem.NotFound)
		equal(f, "all or none", len(f.audits()), 2)
		f.must(f.AppendAudit(f.Context()))
	}},
	{"audit records by filter and in pages", func(f *fixture) {
		f.tenants()
		for i := range 6 {
			f.must(f.AppendAudit(f.Context(), platform.AuditRecord{
				Tenant: acme, At: at(i), Type: fmt.Sprint("type", i%2), User: fmt.Sprint("user", i%3), Source: fmt.Sprint("source", i/2), Application: fmt.Sprint("app", i), Text: fmt.Sprint(i),
			}))
		}
		tests := []struct {
			filter platform.AuditFilter
			want   []string
		}{
			{platform.AuditFilter{}, []string{"5", "4", "3", "2", "1", "0"}},
			{platform.AuditFilter{Type: "type1", OldestFirst: true}, []string{"1", "3", "5"}},
			{platform.AuditFilter{User: "user2"}, []string{"5", "2"}},
			{platform.AuditFilter{Source: "source1"}, []string{"3", "2"}},
			{platform.AuditFilter{Application: "app4"}, []string{"4"}},
			{platform.AuditFilter{From: at(1), To: at(3)}, []string{"2", "1"}},
			{platform.AuditFilter{Type: "type1", User: "user1", Source: "source9"}, nil},
		}
		for _, tt := range tests {
			l := got[platform.List[platform.AuditRecord]](f)(f.AuditRecords(f.Context(), acme, tt.filter, everything))
			equal(f, fmt.Sprintf("%+v", tt.filter), collect(l.Items, func(a platform.AuditRecord) string { return a.Text }), tt.want)
		}
		pages(f, 6, func(p platform.Page) (platform.List[platform.AuditRecord], error) {
			return f.AuditRecords(f.Context(), acme, platform.AuditFilter{}, p)
		})
	}},
}

func refusal(tenant platform.TenantID, cn string, n int) platform.Refusal {
	return platform.Refusal{
		Tenant: tenant, CN: cn, At: at(n), Door: "mqtts", Address: "192.0.2.1", Reason: platform.ReasonExpired, Detail: fmt.Sprint(n),
		Leaf: platform.CertificateFacts{Subject: "CN=" + cn, Issuer: "CN=ca", Serial: "0a", Fingerprint: [32]byte{5}, NotBefore: day, NotAfter: at(1)},
	}
}

var refusalChecks = []check{
	{"refusals: the newest of each name", func(f *fixture) {
		f.tenants()
		const keep = 3
		save := func(list ...platform.Refusal) {
			f.Helper()
			f.must(f.SaveRefusals(f.Context(), list, keep))
		}
		details := func(tenant platform.TenantID, cn string) []string {
			l := got[platform.List[platform.Refusal]](f)(f.Refusals(f.Context(), tenant, cn, everything))
			return collect(l.Items, func(r platform.Refusal) string { return r.CN + r.Detail })
		}
		save(refusal(acme, "a", 1), refusal(acme, "b", 2), refusal(platform.Management, "a", 3))
		save(refusal(acme, "a", 4))
		equal(f, "n-1", details(acme, "a"), []string{"a4", "a1"})
		save(refusal(acme, "a", 5))
		equal(f, "n", details(acme, "a"), []string{"a5", "a4", "a1"})
		save(refusal(acme, "a", 6))
		equal(f, "n+1", details(acme, "a"), []string{"a6", "a5", "a4"})
		save(refusal(acme, "a", 7), refusal(acme, "a", 8), refusal(acme, "a", 9), refusal(acme, "a", 10))
		equal(f, "n+1 at once", details(acme, "a"), []string{"a10", "a9", "a8"})
		equal(f, "all names", details(acme, ""), []string{"a10", "a9", "a8", "b2"})
		equal(f, "management", details(platform.Management, ""), []string{"a3"})
		l := got[platform.List[platform.Refusal]](f)(f.Refusals(f.Context(), acme, "b", everything))
		equal(f, "whole", l.Items, []platform.Refusal{refusal(acme, "b", 2)})
		pages(f, 4, func(p platform.Page) (platform.List[platform.Refusal], error) {
			return f.Refusals(f.Context(), acme, "", p)
		})
	}},
	{"refusals of strangers may hold anything", func(f *fixture) {
		f.tenants()
		r := refusal(acme, "bad\x00\xffname", 1)
		r.Leaf = platform.CertificateFacts{}
		f.must(f.SaveRefusals(f.Context(), []platform.Refusal{r, refusal(acme, "", 2)}, 20))
		l := got[platform.List[platform.Refusal]](f)(f.Refusals(f.Context(), acme, "bad\uFFFD\uFFFDname", everything))
		equal(f, "found", len(l.Items), 1)
		equal(f, "leaf", l.Items[0].Leaf, r.Leaf)
		f.must(f.SaveRefusals(f.Context(), nil, 20))
	}},
}

var changeChecks = []check{
	{"commands leave their changes, failed ones none", func(f *fixture) {
		f.tenants()
		ctx := f.Context()
		start := got[int64](f)(f.LastChange(ctx))
		id := f.newID()
		key := platform.OptionKey{Category: "c", Key: "k"}
		f.must(f.PutUser(ctx, platform.User{Tenant: acme, Name: "ann"}))
		f.must(f.SetOptions(ctx, acme, []platform.Option{{OptionKey: key, Value: "v"}}))
		f.must(f.DeleteOption(ctx, acme, key))
		f.must(f.AddTrustedCertificates(ctx, []platform.TrustedCertificate{trusted("aa")}))
		f.kind(f.AddTrustedCertificates(ctx, []platform.TrustedCertificate{trusted("bb"), trusted("aa")}), problem.Conflict)
		f.must(f.UpdateTrustedCertificate(ctx, trusted("aa")))
		f.must(f.DeleteTrustedCertificate(ctx, acme, "aa"))
		got[int](f)(f.AddRevocations(ctx, acme, revoked(255)))
		got[int](f)(f.AddRevocations(ctx, acme, revoked(255)))
		got[int](f)(f.AddRevocations(ctx, acme, revoked(1, 2)))
		f.must(f.CreateDeviceUser(ctx, deviceUser("dev1")))
		f.must(f.SetDeviceUserEnabled(ctx, acme, "dev1", false))
		f.must(f.DeleteDeviceUser(ctx, acme, "dev1"))
		f.must(f.CreateObject(ctx, acme, platform.CreateObject{Object: platform.ManagedObject{ID: id}}))
		f.must(f.DeleteObjects(ctx, acme, []platform.ID{id}))
		want := []string{
			"user ann", "option c/k", "option c/k", "trust aa", "trust aa", "trust aa", "revocation ff", "revocation ",
			"deviceuser dev1", "deviceuser dev1", "deviceuser dev1", "object " + id.String(), "object " + id.String(),
		}
		all := got[[]platform.Change](f)(f.ChangesAfter(ctx, start, 100))
		equal(f, "changes", collect(all, func(c platform.Change) string { return string(c.Kind) + " " + c.Key }), want)
		last := start
		for _, c := range all {
			if c.Number <= last || c.Tenant != acme {
				f.Fatalf("got change %+v after number %d", c, last)
			}
			last = c.Number
		}
		equal(f, "last", got[int64](f)(f.LastChange(ctx)), last)
		equal(f, "limit", len(got[[]platform.Change](f)(f.ChangesAfter(ctx, start, 3))), 3)
		equal(f, "after the third", got[[]platform.Change](f)(f.ChangesAfter(ctx, all[2].Number, 100)), all[3:])
		equal(f, "after the last", len(got[[]platform.Change](f)(f.ChangesAfter(ctx, last, 100))), 0)
	}},
	{"an empty log ends at zero", func(f *fixture) {
		equal(f, "last", got[int64](f)(f.LastChange(f.Context())), 0)
		equal(f, "list", len(got[[]platform.Change](f)(f.ChangesAfter(f.Context(), 0, 10))), 0)
	}},
}

var closeChecks = []check{
	{"a closed store is unavailable", func(f *fixture) {
		f.tenants()
		f.must(f.Close())
		f.must(f.Close())
		_, err := f.User(f.Context(), acme, "admin")
		f.kind(err, problem.Unavailable)
		f.kind(f.PutUser(f.Context(), platform.User{Tenant: acme, Name: "x"}), problem.Unavailable)
		f.kind(f.submit(platform.Batch{Tenant: acme}), problem.Unavailable)
	}},
}
