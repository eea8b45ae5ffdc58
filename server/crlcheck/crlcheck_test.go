package crlcheck_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"mooring/server/crlcheck"
	"mooring/server/platform"
)

const tenant = platform.TenantID("t1")

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// authority signs certificates and lists.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(tb testing.TB, usage x509.KeyUsage) authority {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(tb, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Issuer"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: epoch.AddDate(0, -1, 0), NotAfter: epoch.AddDate(1, 0, 0), KeyUsage: usage}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(tb, err)
	cert, err := x509.ParseCertificate(der)
	check(tb, err)
	return authority{key, cert}
}

const signsLists = x509.KeyUsageCertSign | x509.KeyUsageCRLSign

// leaf is never verified: its serial and its lists are all that counts.
func leaf(serial int64, urls ...string) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(serial), CRLDistributionPoints: urls}
}

func (a authority) list(tb testing.TB, change func(*x509.RevocationList), serials ...int64) []byte {
	tb.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: epoch.Add(-time.Hour), NextUpdate: epoch.Add(time.Hour)}
	for _, n := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: big.NewInt(n), RevocationTime: epoch})
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.cert, a.key)
	check(tb, err)
	return der
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// site serves what the test sets, and counts.
type site struct {
	*httptest.Server
	mu     sync.Mutex
	body   []byte
	status int
	asked  int
}

func newSite(tb testing.TB, body []byte) *site {
	s := &site{body: body, status: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		w.WriteHeader(s.status)
		_, _ = w.Write(s.body)
	}))
	tb.Cleanup(s.Close)
	return s
}

func (s *site) set(status int, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.body = status, body
}

func (s *site) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// rig is a checker whose clock the test sets.
type rig struct {
	*crlcheck.Checker
	mu      sync.Mutex
	now     time.Time
	changed int
	audit   []platform.AuditRecord
}

func newRig(allowPrivate bool) *rig {
	r := &rig{now: epoch}
	r.Checker = crlcheck.New(crlcheck.Config{AllowPrivate: allowPrivate, Audits: r, Now: r.clock, Changed: func(id platform.TenantID) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if id == tenant {
			r.changed++
		}
	}})
	return r
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) changes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

func (r *rig) AppendAudit(_ context.Context, records ...platform.AuditRecord) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.audit = append(r.audit, records...)
	return nil
}

func (r *rig) records() []platform.AuditRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]platform.AuditRecord(nil), r.audit...)
}

func (r *rig) ask(c *x509.Certificate, a authority) platform.ListAnswer {
	return r.Ask(tenant, c, a.cert, r.clock())
}

func TestAsk(t *testing.T) {
	a := newAuthority(t, signsLists)
	s := newSite(t, a.list(t, nil, 7, 9))
	r := newRig(true)
	for serial, want := range map[int64]platform.ListState{7: platform.ListRevoked, 8: platform.ListGood, 9: platform.ListRevoked} {
		if got := r.ask(leaf(serial, s.URL), a); got.State != want || !got.Until.Equal(epoch.Add(time.Hour)) {
			t.Errorf("serial %d: %+v, want %d until the next update", serial, got, want)
		}
	}
	if n := s.count(); n != 1 {
		t.Errorf("fetched %d times, want once", n)
	}
	if r.changes() != 1 || len(r.records()) != 0 {
		t.Errorf("%d changes, audit %v", r.changes(), r.records())
	}
	entry, ok := r.Entry(tenant, leaf(7, s.URL), a.cert)
	if !ok || !r.IsRevoked(entry) {
		t.Error("the entry of a revoked certificate")
	}
	if entry, _ := r.Entry("t2", leaf(7, s.URL), a.cert); r.IsRevoked(entry) {
		t.Error("another tenant's entry")
	}
}

// TestSerials: a serial is a number, whatever its encoding looks like.
func TestSerials(t *testing.T) {
	a := newAuthority(t, signsLists)
	serials := []int64{0, 1, 127, 128, 255, 256, 32767, 32768, 1<<63 - 1}
	s := newSite(t, a.list(t, nil, serials...))
	r := newRig(true)
	for _, n := range serials {
		if got := r.ask(leaf(n, s.URL), a); got.State != platform.ListRevoked {
			t.Errorf("%d: %+v", n, got)
		}
		if got := r.ask(leaf(n^2, s.URL), a); got.State != platform.ListGood {
			t.Errorf("%d, not listed: %+v", n^2, got)
		}
	}
	n := int64(len(serials))
	if got := r.Stats(); got.Lists != 1 || got.Serials != len(serials) || got.Fetched != 1 || got.Failed != 0 || got.Fetching != 0 ||
		got.Answers[platform.ListRevoked] != n || got.Answers[platform.ListGood] != n || got.Answers[platform.ListUnknown] != 0 {
		t.Errorf("stats %+v", got)
	}
	s.set(http.StatusGone, nil)
	r.ask(leaf(1, s.URL+"/gone"), a)
	if got := r.Stats(); got.Lists != 2 || got.Failed != 1 || got.Answers[platform.ListUnknown] != 1 {
		t.Errorf("stats after a failure %+v", got)
	}
}

// TestCachedUntilNextUpdate: a list is fetched again only when its next update
// is due; then what it says counts at once, and an expired one counts no more.
func TestCachedUntilNextUpdate(t *testing.T) {
	a := newAuthority(t, signsLists)
	s := newSite(t, a.list(t, nil))
	r := newRig(true)
	c := leaf(7, s.URL)
	r.ask(c, a)
	r.pass(time.Hour - time.Millisecond)
	if got := r.ask(c, a); got.State != platform.ListGood || s.count() != 1 {
		t.Fatalf("before the next update: %+v, %d fetches", got, s.count())
	}
	s.set(http.StatusNotFound, nil)
	r.pass(2 * time.Millisecond)
	if got := r.ask(c, a); got.State != platform.ListUnknown || !strings.Contains(got.Detail, "404") || s.count() != 2 {
		t.Fatalf("the next update is missing: %+v, %d fetches", got, s.count())
	}
	records := r.records()
	if len(records) != 1 || records[0].Severity != "warning" || records[0].Tenant != tenant || !strings.Contains(records[0].Text, s.URL) {
		t.Errorf("audit %+v", records)
	}
	// A failure is not repeated for a minute, and told once.
	r.pass(time.Minute - time.Millisecond)
	if r.ask(c, a); s.count() != 2 {
		t.Errorf("%d fetches within the minute", s.count())
	}
	r.pass(time.Millisecond)
	if r.ask(c, a); s.count() != 3 || len(r.records()) != 1 {
		t.Errorf("%d fetches, audit %+v", s.count(), r.records())
	}
	s.set(http.StatusOK, a.list(t, func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = r.clock(), r.clock().Add(240*time.Hour) }, 7))
	r.pass(time.Minute)
	before := r.changes()
	if got := r.ask(c, a); got.State != platform.ListRevoked || r.changes() != before+1 {
		t.Errorf("the list is back: %+v, %d changes", got, r.changes()-before)
	}
	// An end far away does not keep it for longer than a day.
	r.pass(24*time.Hour - time.Second)
	n := s.count()
	if r.ask(c, a); s.count() != n {
		t.Error("fetched again within a day")
	}
}

func extension(id string, critical bool, value ...byte) func(*x509.RevocationList) {
	oids := map[string][]int{"idp": {2, 5, 29, 28}, "delta": {2, 5, 29, 27}}
	return func(l *x509.RevocationList) {
		l.ExtraExtensions = append(l.ExtraExtensions, pkix.Extension{Id: oids[id], Critical: critical, Value: value})
	}
}

// entryExtension gives the entries an extension, as certificateIssuer is one.
func entryExtension(critical bool) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		for i := range l.RevokedCertificateEntries {
			l.RevokedCertificateEntries[i].ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 29}, Critical: critical, Value: []byte{0x30, 0}}}
		}
	}
}

func scope(uri string, more ...byte) func(*x509.RevocationList) {
	n := byte(len(uri))
	value := append([]byte{0x30, n + 6 + byte(len(more)), 0xa0, n + 4, 0xa0, n + 2, 0x86, n}, uri...)
	return extension("idp", true, append(value, more...)...)
}

// TestBadLists: none of these lists counts.
func TestBadLists(t *testing.T) {
	a := newAuthority(t, signsLists)
	s := newSite(t, nil)
	url := s.URL
	dates := func(from, until time.Duration) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = epoch.Add(from), epoch.Add(until) }
	}
	noSigner := newAuthority(t, x509.KeyUsageCertSign)
	renamed := a
	renamed.cert = &x509.Certificate{RawSubject: []byte{0x30, 0}, Raw: a.cert.Raw, PublicKey: a.cert.PublicKey}
	broken := a.list(t, nil)
	broken[len(broken)-1] ^= 1
	tests := []struct {
		name   string
		issuer authority
		body   []byte
		want   string // empty: it counts
	}{
		{"good", a, a.list(t, nil), ""},
		{"PEM", a, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: a.list(t, nil)}), ""},
		{"another PEM", a, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.list(t, nil)}), "no revocation list"},
		{"no list", a, []byte("<html>"), "no revocation list"},
		{"empty", a, nil, "no revocation list"},
		{"broken signature", a, broken, "not signed by the issuer"},
		{"another key of the same name", newAuthority(t, signsLists), a.list(t, nil), "not signed by the issuer"},
		{"another issuer", renamed, a.list(t, nil), "another issuer"},
		{"the issuer may not sign lists", noSigner, noSigner.listAnyway(t), "not signed by the issuer"},
		{"expires now", a, a.list(t, dates(-time.Hour, 0)), ""},
		{"expired", a, a.list(t, dates(-time.Hour, -time.Second)), "expired"},
		{"clocks differ a little", a, a.list(t, dates(5*time.Minute, time.Hour)), ""},
		{"from the future", a, a.list(t, dates(5*time.Minute+time.Second, time.Hour)), "future"},
		{"this distribution point", a, a.list(t, scope(url)), ""},
		{"another distribution point", a, a.list(t, scope("http://elsewhere")), "another distribution point"},
		{"leaves only", a, a.list(t, scope(url, 0x81, 1, 0xff)), ""},
		{"issuers only", a, a.list(t, scope(url, 0x82, 1, 0xff)), "does not cover"},
		{"some reasons", a, a.list(t, scope(url, 0x83, 2, 6, 0x40)), "a part"},
		{"indirect", a, a.list(t, scope(url, 0x84, 1, 0xff)), "a part"},
		{"scope unreadable", a, a.list(t, extension("idp", true, 0x30, 1)), "scope"},
		{"delta", a, a.list(t, extension("delta", true, 2, 1, 1)), "critical extension"},
		{"an entry of another issuer", a, a.list(t, entryExtension(true), 9), "an entry"},
		{"an entry with its reason", a, a.list(t, entryExtension(false), 9), ""},
		{"unknown but not critical", a, a.list(t, extension("delta", false, 2, 1, 1)), ""},
		{"as large as allowed", a, pad(a.list(t, nil), crlcheck.MaxListBytes), ""},
		{"one byte larger", a, pad(a.list(t, nil), crlcheck.MaxListBytes+1), "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.set(http.StatusOK, tt.body)
			got := newRig(true).ask(leaf(5, url), tt.issuer)
			want := platform.ListGood
			if tt.want != "" {
				want = platform.ListUnknown
			}
			if got.State != want || !strings.Contains(got.Detail, tt.want) {
				t.Errorf("got %+v, want %d, %q", got, want, tt.want)
			}
			if !got.Until.After(epoch) {
				t.Errorf("ask again at %v: not in the future", got.Until)
			}
		})
	}
}

// listAnyway is a list signed by an issuer that may not, which crypto/x509 would
// not make.
func (a authority) listAnyway(tb testing.TB) []byte {
	tb.Helper()
	allowed := *a.cert
	allowed.KeyUsage |= x509.KeyUsageCRLSign
	return authority{a.key, &allowed}.list(tb, nil)
}

// pad makes a list of n bytes by armour and what may stand before it.
func pad(der []byte, n int) []byte {
	armour := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
	return append([]byte(strings.Repeat("\n", n-len(armour))), armour...)
}

func TestNotFetchable(t *testing.T) {
	a := newAuthority(t, signsLists)
	r := newRig(true)
	long := "http://h/" + strings.Repeat("x", 1024-len("http://h/"))
	for url, want := range map[string]bool{
		"http://h/a": true, "https://h/a": true, long: true, long + "x": false, "ldap://h/cn": false, "file:///etc/passwd": false, "": false, "http://": false,
		"http://u:p@h/": false, "%zz": false, "HTTP://h/a": true,
	} {
		if _, ok := r.Entry(tenant, leaf(1, url), a.cert); ok != want {
			t.Errorf("%.30q: %t", url, ok)
		}
	}
	if _, ok := r.Entry(tenant, leaf(-1, "http://h"), a.cert); ok {
		t.Error("a negative serial")
	}
	if got := r.ask(leaf(1, "ldap://h"), a); got.State != platform.ListUnknown {
		t.Errorf("got %+v", got)
	}
}

// TestSecondPoint: the next distribution point serves if the first does not.
func TestSecondPoint(t *testing.T) {
	a := newAuthority(t, signsLists)
	bad, good := newSite(t, nil), newSite(t, a.list(t, nil, 7))
	bad.set(http.StatusInternalServerError, nil)
	if got := newRig(true).ask(leaf(7, bad.URL, good.URL), a); got.State != platform.ListRevoked {
		t.Errorf("got %+v", got)
	}
}

func TestRedirects(t *testing.T) {
	a := newAuthority(t, signsLists)
	list := a.list(t, nil)
	mux := http.NewServeMux()
	for from, to := range map[string]string{"/1": "/0", "/2": "/1", "/3": "/2", "/4": "/3"} {
		mux.Handle(from, http.RedirectHandler(to, http.StatusFound))
	}
	mux.HandleFunc("/0", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(list) })
	mux.Handle("/file", http.RedirectHandler("file:///etc/passwd", http.StatusFound))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	for path, want := range map[string]string{"/0": "", "/2": "", "/3": "", "/4": "more than 3 redirects", "/file": "cannot be fetched"} {
		got := newRig(true).ask(leaf(5, s.URL+path), a)
		if (got.State == platform.ListGood) != (want == "") || !strings.Contains(got.Detail, want) {
			t.Errorf("%s: %+v", path, got)
		}
	}
}
