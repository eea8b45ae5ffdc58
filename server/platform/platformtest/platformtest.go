// Package platformtest is the contract of a store as tests: what package
// platform promises, tried on a real one.
//
//	func TestContract(t *testing.T) { platformtest.Run(t, open) }
//
// Each test gets an empty store, so it may count what it finds.
package platformtest

import (
	"reflect"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Run tries everything. open returns an empty store, which Run closes.
func Run(t *testing.T, open func(testing.TB) platform.Store) {
	for _, group := range [][]check{
		tenantChecks, userChecks, optionChecks, deviceUserChecks, registrationChecks, registerObjectChecks,
		trustedChecks, revocationChecks, issuerChecks, attestationChecks, renewalChecks, sealedKeyChecks,
		objectChecks, objectListChecks, queryChecks, relativeChecks, inventoryRoleChecks, externalIDChecks, childChecks, idChecks,
		measurementChecks, seriesChecks, collectionChecks, eventChecks, alarmChecks, alarmCommandChecks, retentionChecks, stagedChecks, willChecks, submitChecks, binaryChecks,
		operationChecks, bulkChecks, notificationChecks, presenceChecks, messageSessionChecks,
		auditChecks, refusalChecks, changeChecks, tenancyChecks, concurrencyChecks, closeChecks,
	} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				s := open(t)
				t.Cleanup(func() { must(t, s.Close()) })
				c.run(&fixture{T: t, Store: s})
			})
		}
	}
}

// check is one promise.
type check struct {
	name string
	run  func(*fixture)
}

// fixture is a test with its store.
type fixture struct {
	*testing.T
	platform.Store
}

// Two tenants, and a day to count from; times in tests have milliseconds.
const (
	acme  platform.TenantID = "t1000"
	other platform.TenantID = "t2000"
)

var day = time.Date(2026, 1, 10, 8, 0, 0, 123e6, time.UTC)

// at is n seconds later.
func at(n int) time.Time { return day.Add(time.Duration(n) * time.Second) }

// page one with room for all.
var everything = platform.Page{Number: 1, Size: 100}

// tenants creates acme and other.
func (f *fixture) tenants() {
	f.Helper()
	for _, id := range []platform.TenantID{acme, other} {
		f.must(f.CreateTenant(f.Context(), platform.Tenant{ID: id, Domain: string(id) + ".example.com", Created: day},
			platform.User{Tenant: id, Name: "admin", Enabled: true, Created: day}))
	}
}

func (f *fixture) must(err error) {
	f.Helper()
	must(f, err)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kind wants err to be of a kind.
func (f *fixture) kind(err error, want problem.Kind) {
	f.Helper()
	if got := problem.KindOf(err); got != want {
		f.Fatalf("got error %v of kind %q, want %q", err, got, want)
	}
}

// got returns v if there was no error.
func got[T any](f *fixture) func(v T, err error) T {
	return func(v T, err error) T {
		f.Helper()
		f.must(err)
		return v
	}
}

func equal[T any](f *fixture, what string, got, want T) {
	f.Helper()
	if !reflect.DeepEqual(got, want) {
		f.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// newID returns an ID that nothing has yet.
func (f *fixture) newID() platform.ID {
	f.Helper()
	return got[platform.ID](f)(f.NewID(f.Context()))
}

// audit is an audit record of acme.
func audit(text string) platform.AuditRecord {
	return platform.AuditRecord{Tenant: acme, At: day, Type: "User", Activity: "tested", Text: text, User: "admin"}
}

// audits lists the texts of acme's audit log, oldest first.
func (f *fixture) audits() []string {
	f.Helper()
	l := got[platform.List[platform.AuditRecord]](f)(f.AuditRecords(f.Context(), acme, platform.AuditFilter{OldestFirst: true}, everything))
	return collect(l.Items, func(a platform.AuditRecord) string { return a.Text })
}

func collect[T, U any](items []T, f func(T) U) []U {
	var list []U
	for _, item := range items {
		list = append(list, f(item))
	}
	return list
}

// pages tries a list of exactly n elements at the edges of its pages: sizes
// n-1, n and n+1, the last page, and the one after it.
func pages[T any](f *fixture, n int, read func(platform.Page) (platform.List[T], error)) {
	f.Helper()
	tests := []struct {
		page  platform.Page
		items int
		more  bool
	}{
		{platform.Page{Number: 1, Size: n - 1}, n - 1, true},
		{platform.Page{Number: 1, Size: n}, n, false},
		{platform.Page{Number: 1, Size: n + 1}, n, false},
		{platform.Page{Number: 2, Size: n - 1}, 1, false},
		{platform.Page{Number: 2, Size: n}, 0, false},
		{platform.Page{Number: n, Size: 1}, 1, false},
		{platform.Page{Number: n + 1, Size: 1}, 0, false},
		{platform.Page{Number: 1, Size: platform.MaxPageSize}, n, false},
	}
	var all []T
	for _, tt := range tests {
		tt.page.WithTotal = true
		l, err := read(tt.page)
		f.must(err)
		if len(l.Items) != tt.items || l.More != tt.more || l.Total != int64(n) {
			f.Fatalf("page %+v: got %d items, more %v, total %d, want %d, %v, %d", tt.page, len(l.Items), l.More, l.Total, tt.items, tt.more, n)
		}
		if tt.page.Size == n {
			all = append(all, l.Items...)
		}
	}
	for i := range all {
		l, err := read(platform.Page{Number: i + 1, Size: 1})
		f.must(err)
		equal(f, "single element", l.Items, all[i:i+1])
	}
	for _, p := range []platform.Page{{Number: 0, Size: 5}, {Number: 1, Size: 0}, {Number: 1, Size: platform.MaxPageSize + 1}, {Number: -1, Size: 1}} {
		_, err := read(p)
		f.kind(err, problem.Invalid)
	}
}
