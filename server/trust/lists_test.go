package trust_test

import (
	"context"
	"crypto/x509"
	"testing"
	"time"

	"mooring/internal/pki"
	"mooring/server/platform"
	"mooring/server/trust"
)

// lists answers by serial; what it does not know is unknown.
type lists struct {
	answers map[int64]platform.ListState
	issuers map[int64]string
	asked   int
}

func (l *lists) Entry(_ platform.TenantID, c, _ *x509.Certificate) (platform.ListEntry, bool) {
	return platform.ListEntry{Serial: pki.SerialHex(c.SerialNumber)}, true
}

func (l *lists) Ask(_ platform.TenantID, c, issuer *x509.Certificate, now time.Time) platform.ListAnswer {
	l.asked++
	l.issuers[c.SerialNumber.Int64()] = issuer.Subject.CommonName
	return platform.ListAnswer{State: l.answers[c.SerialNumber.Int64()], Until: now.Add(time.Hour), Detail: "a reason"}
}

func (l *lists) IsRevoked(e platform.ListEntry) bool {
	n, err := pki.ParseSerialHex(e.Serial)
	return err == nil && l.answers[n.Int64()] == platform.ListRevoked
}

func withList(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://example.com/list"} }

// online is a store whose tenant t1 has the options of the online check.
type online struct {
	*store
	values map[platform.OptionKey]string
}

func (o *online) Option(c context.Context, tenant platform.TenantID, k platform.OptionKey) (platform.Option, error) {
	if v, ok := o.values[k]; ok && tenant == "t1" {
		return platform.Option{OptionKey: k, Value: v}, nil
	}
	return o.store.Option(c, tenant, k)
}

func (o *online) load(tb testing.TB, l trust.Lists) *trust.Trust {
	tb.Helper()
	v := trust.New(trust.Config{Certificates: o, Revocations: o, Options: o, Tenants: o, Lists: l, Now: func() time.Time { return epoch }})
	if err := v.Load(ctx); err != nil {
		tb.Fatal(err)
	}
	return v
}

func TestOnlineCheck(t *testing.T) {
	root := newRoot(t, "Root")
	issuing := root.ca(t, "Issuing", withSerial(50), withList)
	device := func(serial int64) []*x509.Certificate {
		return chain(issuing.leaf(t, "dev1", withSerial(serial), withList), issuing)
	}
	own := chain(root.leaf(t, "dev1", withSerial(5), withList))
	const good, revoked, unknown = platform.ListGood, platform.ListRevoked, platform.ListUnknown
	tests := []struct {
		name    string
		on      string
		failure string
		chain   []*x509.Certificate
		answers map[int64]platform.ListState
		ourCA   bool
		listed  bool // serial 5 is on the tenant's own list
		asked   int
		want    platform.Reason
	}{
		{name: "off", on: "false", chain: device(5), answers: map[int64]platform.ListState{5: revoked}},
		{name: "good", on: "true", chain: device(5), answers: map[int64]platform.ListState{5: good, 50: good}, asked: 2},
		{name: "leaf revoked", on: "true", chain: device(5), answers: map[int64]platform.ListState{5: revoked, 50: good}, asked: 1, want: platform.ReasonRevoked},
		{name: "intermediate revoked", on: "true", chain: device(5), answers: map[int64]platform.ListState{5: good, 50: revoked}, asked: 2, want: platform.ReasonRevoked},
		{name: "unknown is accepted", on: "true", chain: device(5), answers: map[int64]platform.ListState{5: unknown, 50: good}, asked: 2},
		{name: "unknown is accepted, said so", on: "true", failure: "accept", chain: device(5), asked: 2},
		{name: "unknown is refused", on: "true", failure: "refuse", chain: device(5), answers: map[int64]platform.ListState{5: unknown, 50: good}, asked: 1, want: platform.ReasonNoList},
		{name: "unknown above is refused", on: "true", failure: "refuse", chain: device(5), answers: map[int64]platform.ListState{5: good}, asked: 2, want: platform.ReasonNoList},
		{name: "names no list", on: "true", failure: "refuse", chain: chain(root.leaf(t, "dev1"))},
		{name: "our own CA", on: "true", failure: "refuse", chain: own, ourCA: true},
		{name: "our own CA, revoked", on: "true", chain: own, ourCA: true, listed: true, want: platform.ReasonRevoked},
		{name: "our own CA, revoked, off", on: "false", chain: own, ourCA: true, listed: true},
		{name: "their list, listed by us", on: "true", chain: own, listed: true, answers: map[int64]platform.ListState{5: good}, asked: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &online{newStore("t1"), map[platform.OptionKey]string{platform.OptionOnlineCheck: tt.on, platform.OptionOnlineFailure: tt.failure}}
			s.add("t1", root, func(c *platform.TrustedCertificate) { c.IsTenantCA = tt.ourCA })
			if tt.listed {
				s.revoked["t1"] = []platform.Revocation{{Serial: tt.chain[0].SerialNumber}}
			}
			l := &lists{answers: tt.answers, issuers: map[int64]string{}}
			got := s.load(t, l).Verify(tt.chain, epoch)
			if got.Reason != tt.want || l.asked != tt.asked || (got.Scope == platform.Full) != (tt.want == platform.Accepted) {
				t.Errorf("got %q (%s) after %d questions, want %q after %d", got.Reason, got.Detail, l.asked, tt.want, tt.asked)
			}
			if got.Scope == platform.Full && tt.asked > 0 && !got.ValidUntil.Equal(epoch.Add(time.Hour)) {
				t.Errorf("holds until %v, want as long as the list", got.ValidUntil)
			}
			if tt.asked == 2 && (l.issuers[5] != "Issuing" || l.issuers[50] != "Root") {
				t.Errorf("asked of issuers %v", l.issuers)
			}
		})
	}
}

// TestListChanges: what a list says later ends sessions, at once.
func TestListChanges(t *testing.T) {
	root := newRoot(t, "Root")
	s := &online{newStore("t1"), map[platform.OptionKey]string{platform.OptionOnlineCheck: "true"}}
	s.add("t1", root)
	l := &lists{answers: map[int64]platform.ListState{}, issuers: map[int64]string{}}
	v := s.load(t, l)
	session := v.Verify(chain(root.leaf(t, "dev1", withSerial(5), withList)), epoch)
	if session.Scope != platform.Full || len(session.Lists) != 1 {
		t.Fatalf("%+v", session)
	}
	l.answers[5] = platform.ListRevoked
	v.ListsChanged()
	if v.Generation() == session.Generation {
		t.Error("old verdicts still hold")
	}
	if got := v.StillTrusted(session, epoch); got != platform.ReasonRevoked {
		t.Errorf("got %q", got)
	}
	s.values[platform.OptionOnlineCheck] = "false"
	if err := v.Apply(ctx, platform.Change{Tenant: "t1", Kind: platform.ChangeOption, Key: "configuration/crl.online.check.enabled"}); err != nil {
		t.Fatal(err)
	}
	if got := v.StillTrusted(session, epoch); got != platform.Accepted {
		t.Errorf("switched off: %q", got)
	}
}

// TestOwnListSession: a leaf of our own CA that is revoked while only the
// online check is on.
func TestOwnListSession(t *testing.T) {
	root := newRoot(t, "Root")
	s := &online{newStore("t1"), map[platform.OptionKey]string{platform.OptionOnlineCheck: "true"}}
	s.add("t1", root, func(c *platform.TrustedCertificate) { c.IsTenantCA = true })
	v := s.load(t, nil)
	leaf := chain(root.leaf(t, "dev1"))
	session := v.Verify(leaf, epoch)
	if _, err := v.Revoke(ctx, admin, "t1", []platform.Revocation{{Serial: leaf[0].SerialNumber}}); err != nil {
		t.Fatal(err)
	}
	if got := v.StillTrusted(session, epoch); got != platform.ReasonRevoked {
		t.Errorf("got %q", got)
	}
}
