package trust_test

import (
	"context"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/trust"
)

// graceOption is the store's options with days of grace for t1.
type graceOption struct {
	*store
	days string
}

func (g *graceOption) Option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (platform.Option, error) {
	if key != platform.OptionGraceDays {
		return g.store.Option(ctx, tenant, key)
	}
	if tenant != "t1" || g.days == "" {
		return platform.Option{}, problem.New(problem.NotFound, "", nil)
	}
	return platform.Option{OptionKey: key, Value: g.days}, nil
}

func graceOf(tb testing.TB, s *store, days string) (*trust.Trust, *graceOption) {
	tb.Helper()
	g := &graceOption{store: s, days: days}
	v := trust.New(trust.Config{Certificates: s, Revocations: s, Options: g, Tenants: s, Now: func() time.Time { return epoch }})
	if err := v.Load(ctx); err != nil {
		tb.Fatal(err)
	}
	return v, g
}

const day = 24 * time.Hour

func TestGrace(t *testing.T) {
	root := newRoot(t, "Root", valid(epoch.AddDate(-2, 0, 0), epoch.AddDate(1, 0, 0)))
	ended := func(ago time.Duration) option { return valid(epoch.AddDate(-1, 0, 0), epoch.Add(-ago)) }
	bad := root.ca(t, "Old intermediate", ended(day))
	good := root.ca(t, "Intermediate", valid(epoch.AddDate(-1, 0, 0), epoch.Add(2*day)))
	revoked := root.leaf(t, "dev1", ended(day), withSerial(77))
	other := newRoot(t, "Other")
	self := newRoot(t, "self", ended(day))
	tests := []struct {
		name      string
		days      string
		chain     []*party
		change    func(*store)
		wantScope platform.Scope
		want      platform.Reason
		wantUntil time.Time
	}{
		{name: "off", chain: []*party{root.leaf(t, "dev1", ended(day))}, want: platform.ReasonExpired},
		{name: "zero days", days: "0", chain: []*party{root.leaf(t, "dev1", ended(time.Second))}, want: platform.ReasonExpired},
		{name: "no number", days: "seven", chain: []*party{root.leaf(t, "dev1", ended(day))}, want: platform.ReasonExpired},
		{name: "negative", days: "-1", chain: []*party{root.leaf(t, "dev1", ended(day))}, want: platform.ReasonExpired},
		{name: "within", days: "7", chain: []*party{root.leaf(t, "dev1", ended(3*day))}, wantScope: platform.ReEnrolOnly, want: platform.ReasonExpired, wantUntil: epoch.Add(4 * day)},
		{name: "a second before its end", days: "7", chain: []*party{root.leaf(t, "dev1", ended(7*day-time.Second))}, wantScope: platform.ReEnrolOnly, want: platform.ReasonExpired, wantUntil: epoch.Add(time.Second)},
		{name: "at its end", days: "7", chain: []*party{root.leaf(t, "dev1", ended(7*day))}, wantScope: platform.ReEnrolOnly, want: platform.ReasonExpired, wantUntil: epoch},
		{name: "a second after", days: "7", chain: []*party{root.leaf(t, "dev1", ended(7*day+time.Second))}, want: platform.ReasonExpired},
		{name: "at most 90 days", days: "1000", chain: []*party{root.leaf(t, "dev1", ended(91*day))}, want: platform.ReasonExpired},
		{name: "90 days", days: "1000", chain: []*party{root.leaf(t, "dev1", ended(90*day))}, wantScope: platform.ReEnrolOnly, want: platform.ReasonExpired, wantUntil: epoch},
		{name: "not expired", days: "7", chain: []*party{root.leaf(t, "dev1")}, wantScope: platform.Full},
		{name: "not valid yet", days: "7", chain: []*party{root.leaf(t, "dev1", valid(epoch.Add(day), epoch.Add(2*day)))}, want: platform.ReasonNotYetValid},
		{name: "below an intermediate", days: "7", chain: []*party{good.leaf(t, "dev1", ended(day)), good}, wantScope: platform.ReEnrolOnly, want: platform.ReasonExpired, wantUntil: epoch.Add(2 * day)},
		{name: "the intermediate expired too", days: "7", chain: []*party{bad.leaf(t, "dev1", ended(day)), bad}, want: platform.ReasonExpired},
		{name: "the intermediate alone expired", days: "7", chain: []*party{bad.leaf(t, "dev1"), bad}, want: platform.ReasonExpired},
		{name: "the leaf is the anchor", days: "7", chain: []*party{self}, change: func(s *store) { s.add("t1", self) }, want: platform.ReasonExpired},
		{name: "bad name", days: "7", chain: []*party{root.leaf(t, "a:b", ended(day))}, want: platform.ReasonExpired},
		{name: "disabled", days: "7", chain: []*party{root.leaf(t, "dev1", ended(day))}, change: func(s *store) { s.rows[0].Enabled = false }, want: platform.ReasonAnchorDisabled},
		{name: "revoked", days: "7", chain: []*party{revoked}, change: func(s *store) {
			s.options["t1"] = "true"
			s.revoked["t1"] = []platform.Revocation{{Serial: revoked.cert.SerialNumber, At: epoch}}
		}, want: platform.ReasonRevoked},
		{name: "another tenant's", days: "7", chain: []*party{other.leaf(t, "dev1", ended(day))}, change: func(s *store) { s.add("t2", other) }, want: platform.ReasonExpired},
		{name: "unknown issuer", days: "7", chain: []*party{newRoot(t, "X").leaf(t, "dev1", ended(day))}, want: platform.ReasonUnknownIssuer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore("t1", "t2")
			s.add("t1", root)
			if tt.change != nil {
				tt.change(s)
			}
			v, _ := graceOf(t, s, tt.days)
			got := v.Verify(chain(tt.chain...), epoch)
			if got.Scope != tt.wantScope || got.Reason != tt.want {
				t.Fatalf("got %v, %q (%s), want %v, %q", got.Scope, got.Reason, got.Detail, tt.wantScope, tt.want)
			}
			if !tt.wantUntil.IsZero() && !got.ValidUntil.Equal(tt.wantUntil) {
				t.Errorf("until %v, want %v", got.ValidUntil, tt.wantUntil)
			}
		})
	}
}

// The CA was renewed after the leaf's end: its certificate is younger than the
// leaf ever was.
func TestGraceAcrossRenewal(t *testing.T) {
	old := newRoot(t, "Root", valid(epoch.AddDate(-2, 0, 0), epoch.AddDate(1, 0, 0)))
	renewed := old.twin(t, valid(epoch.Add(-time.Hour), epoch.AddDate(3, 0, 0)))
	leaf := old.leaf(t, "dev1", valid(epoch.AddDate(-1, 0, 0), epoch.Add(-3*day)))
	s := newStore("t1")
	s.add("t1", renewed)
	v, _ := graceOf(t, s, "7")
	for name, sent := range map[string][]*party{"alone": {leaf}, "with the old CA certificate": {leaf, old}, "with the new one": {leaf, renewed}} {
		if got := v.Verify(chain(sent...), epoch); got.Scope != platform.ReEnrolOnly {
			t.Errorf("%s: %v, %q (%s)", name, got.Scope, got.Reason, got.Detail)
		}
	}
}

func TestGraceOptionApplies(t *testing.T) {
	root := newRoot(t, "Root")
	s := newStore("t1")
	s.add("t1", root)
	v, g := graceOf(t, s, "")
	leaf := chain(root.leaf(t, "dev1", valid(epoch.AddDate(-1, 0, 0), epoch.Add(-day))))
	for _, tt := range []struct {
		days string
		want platform.Scope
	}{{"7", platform.ReEnrolOnly}, {"", platform.ExplainOnly}, {"1", platform.ReEnrolOnly}} {
		before := v.Generation()
		g.days = tt.days
		if err := v.Apply(ctx, platform.Change{Tenant: "t1", Kind: platform.ChangeOption, Key: "certificate-authority/re-enrolment.grace.days"}); err != nil {
			t.Fatal(err)
		}
		if got := v.Verify(leaf, epoch).Scope; got != tt.want || v.Generation() == before {
			t.Errorf("%q: %v, generation %d after %d, want %v", tt.days, got, v.Generation(), before, tt.want)
		}
	}
}

// A renewed certificate stands in for the one that decided, until it goes too.
func TestStillTrustedRenewed(t *testing.T) {
	old := newRoot(t, "Root")
	renewed, stranger := old.twin(t), newRoot(t, "Root")
	s := newStore("t1")
	s.add("t1", old)
	v := s.load(t)
	session := v.Verify(chain(old.leaf(t, "dev1")), epoch)
	replace := func(p *party) {
		t.Helper()
		before := s.rows[0].Fingerprint
		s.rows = nil
		s.add("t1", p)
		for _, fp := range []string{p.fingerprint(), before} {
			if err := v.Apply(ctx, platform.Change{Tenant: "t1", Kind: platform.ChangeTrust, Key: fp}); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace(renewed)
	if got := v.StillTrusted(session, epoch); got != platform.Accepted {
		t.Errorf("renewed: %q", got)
	}
	replace(stranger)
	if got := v.StillTrusted(session, epoch); got != platform.ReasonUnknownIssuer {
		t.Errorf("another key of that name: %q", got)
	}
}
