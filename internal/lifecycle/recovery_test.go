package lifecycle_test

import (
	"testing"
	"time"

	lc "mooring/internal/lifecycle"
)

var allWays = lc.Policy{Bootstrap: true, StoredOTP: true}

// expired returns a device whose certificate of a year has just ended, with the
// key of the next generation made and the first way asked.
func expired(t *testing.T, p lc.Policy, first lc.Auth) *device {
	t.Helper()
	d := enrolled(t, lc.Policy{})
	d.s.Policy = p
	d.now = d.s.Current.Leaf.NotAfter.Time()
	d.want(ev(lc.Tick, 0), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 2})
	d.phase(lc.Recovering)
	d.want(ev(lc.KeyCreated, 2), request(2, first))
	return d
}

func (d *device) rung(want lc.Rung) {
	d.t.Helper()
	if got := d.s.OnRung(); got != want {
		d.t.Fatalf("rung: got %v, want %v", got, want)
	}
}

// Each refusal leads a minute later to the next way; after the last only a
// person helps, but the ways are tried again as the ladder of retries says.
func TestLadderOfRecovery(t *testing.T) {
	d := expired(t, allWays, lc.Certificate)
	d.rung(lc.ExpiredCertificate)
	for _, next := range []struct {
		rung lc.Rung
		auth lc.Auth
	}{{lc.BootstrapCertificate, lc.Bootstrap}, {lc.StoredOTP, lc.SecondOTP}} {
		d.want(ev(lc.Refused, 2))
		d.rung(next.rung)
		if wait := d.s.RetryAt.Time().Sub(d.now); wait < time.Minute || wait > 72*time.Second {
			t.Errorf("to %v: waits %v, want about a minute", next.rung, wait)
		}
		d.now = d.s.RetryAt.Time()
		d.want(ev(lc.Tick, 0), request(2, next.auth))
	}
	d.want(ev(lc.Refused, 2))
	d.rung(lc.NewOTP)
	var waits []time.Duration
	for range 20 {
		waits = append(waits, d.s.RetryAt.Time().Sub(d.now))
		d.now = d.s.RetryAt.Time()
		d.want(ev(lc.Tick, 0), request(2, lc.Certificate))
		d.want(ev(lc.Refused, 2))
		d.now = d.s.RetryAt.Time()
		d.want(ev(lc.Tick, 0), request(2, lc.Bootstrap))
		d.rung(lc.NewOTP)
		d.want(ev(lc.Refused, 2))
		d.now = d.s.RetryAt.Time()
		d.want(ev(lc.Tick, 0), request(2, lc.SecondOTP))
		d.want(ev(lc.Refused, 2))
	}
	if last := waits[len(waits)-1]; waits[0] > 3*time.Minute || last < 6*time.Hour || last > 8*time.Hour {
		t.Errorf("waits between rounds: %v, want minutes that grow to six hours", waits)
	}
	d.want(ev(lc.OTPGiven, 0), request(2, lc.OTP))
	d.want(lc.Event{Kind: lc.Issued, Generation: 2, Leaf: leaf(2, d.now, year)}, act(lc.StoreCandidate, 2))
	d.want(ev(lc.Stored, 2), act(lc.ConnectWith, 2))
	d.rung(lc.OnCertificate)
}

// What only fails is tried again: twice, or 16 times within the ten minutes in
// which a lost answer to an OTP can be had again.
func TestOutageWhileRecovering(t *testing.T) {
	d := expired(t, allWays, lc.Certificate)
	want := []lc.Auth{lc.Certificate, lc.Bootstrap, lc.Bootstrap}
	for range 16 {
		want = append(want, lc.SecondOTP)
	}
	var began time.Time
	for i, auth := range append(want, lc.Certificate) {
		d.step(ev(lc.Failed, 2))
		d.rung([]lc.Rung{lc.ExpiredCertificate, lc.BootstrapCertificate, lc.StoredOTP}[map[lc.Auth]int{lc.Certificate: 0, lc.Bootstrap: 1, lc.SecondOTP: 2}[auth]])
		d.now = d.s.RetryAt.Time()
		if i == 3 {
			began = d.now
		}
		if i == 18 && d.now.Sub(began) > 10*time.Minute {
			t.Errorf("the stored OTP is tried for %v", d.now.Sub(began))
		}
		d.want(ev(lc.Tick, 0), request(2, auth))
	}
}

func TestWaysAreForbidden(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy lc.Policy
		want   []lc.Auth
	}{
		{"default", lc.Policy{}, []lc.Auth{lc.Certificate, lc.Certificate}},
		{"no grace", lc.Policy{NoGrace: true, Bootstrap: true, StoredOTP: true}, []lc.Auth{lc.Bootstrap, lc.SecondOTP, lc.Bootstrap}},
		{"bootstrap alone", lc.Policy{NoGrace: true, Bootstrap: true}, []lc.Auth{lc.Bootstrap, lc.Bootstrap}},
		{"OTP alone", lc.Policy{NoGrace: true, StoredOTP: true}, []lc.Auth{lc.SecondOTP, lc.SecondOTP}},
		{"grace and OTP", lc.Policy{StoredOTP: true}, []lc.Auth{lc.Certificate, lc.SecondOTP, lc.Certificate}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := expired(t, tt.policy, tt.want[0])
			for _, next := range tt.want[1:] {
				d.want(ev(lc.Refused, 2))
				d.now = d.s.RetryAt.Time()
				d.want(ev(lc.Tick, 0), request(2, next))
			}
			d.rung(lc.NewOTP)
		})
	}
	d := enrolled(t, lc.Policy{NoGrace: true})
	d.now = d.s.Current.Leaf.NotAfter.Time()
	d.want(ev(lc.Tick, 0))
	d.phase(lc.Recovering)
	d.rung(lc.NewOTP)
	d.want(ev(lc.RenewAsked, 0)) // a person cannot ask by what is forbidden either
	d.want(ev(lc.ChainFound, 1)) // a newer chain does not help
	d.want(ev(lc.OTPGiven, 0), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 2})
}

// A device with a certificate from the factory enrols without a person.
func TestFirstEnrolmentByBootstrap(t *testing.T) {
	d := &device{t: t, s: lc.New(7, lc.Policy{Bootstrap: true, StoredOTP: true}), now: start}
	d.want(ev(lc.Booted, 0), act(lc.DestroyOld, 0))
	d.want(ev(lc.Destroyed, 0), lc.Action{Kind: lc.CreateKey, Generation: 1, Key: 1})
	d.phase(lc.Enrolling)
	d.want(ev(lc.KeyCreated, 1), request(1, lc.Bootstrap))
	d.rung(lc.BootstrapCertificate)
	d.want(ev(lc.Refused, 1))
	d.now = d.s.RetryAt.Time()
	d.want(ev(lc.Tick, 0), request(1, lc.SecondOTP))
	d.want(ev(lc.Refused, 1))
	d.rung(lc.NewOTP)
	d.now = d.s.RetryAt.Time()
	d.want(ev(lc.Tick, 0), request(1, lc.Bootstrap))
	d.want(lc.Event{Kind: lc.Issued, Generation: 1, Leaf: leaf(1, d.now, year)}, act(lc.StoreCandidate, 1))
	d.want(ev(lc.Stored, 1), act(lc.Commit, 1))
}

// While the time is not trusted nothing counts as expired, so nobody leaves the
// first rung.
func TestNoRecoveryOnUntrustedTime(t *testing.T) {
	d := enrolled(t, lc.Policy{})
	d.s.Policy = allWays
	d.want(lc.Event{Kind: lc.TimeTrust})
	d.now = d.now.Add(20 * year)
	d.want(ev(lc.Tick, 0))
	d.rung(lc.OnCertificate)
}

// A candidate that never connects while the old certificate has expired can be
// replaced with a new OTP.
func TestNewOTPReplacesADeadCandidate(t *testing.T) {
	d := expired(t, lc.Policy{}, lc.Certificate)
	d.want(lc.Event{Kind: lc.Issued, Generation: 2, Leaf: leaf(2, d.now, year)}, act(lc.StoreCandidate, 2))
	d.want(ev(lc.Stored, 2), act(lc.ConnectWith, 2))
	for range 3 {
		d.want(ev(lc.ConnectRefused, 2))
	}
	d.want(ev(lc.OTPGiven, 0), act(lc.RollBack, 2))
	d.want(ev(lc.RolledBack, 2), act(lc.ConnectWith, 1), lc.Action{Kind: lc.DestroyOld, Generation: 1})
	d.s.RetryAt = 0
	d.want(ev(lc.Destroyed, 0), lc.Action{Kind: lc.CreateKey, Generation: 3, Key: 3})
	d.want(ev(lc.KeyCreated, 3), request(3, lc.OTP))
}

// A newer chain for the same leaf is proved and committed, with the same key,
// without an issuance.
func TestChainRefresh(t *testing.T) {
	d := enrolled(t, lc.Policy{})
	issued := d.s.LastIssued
	d.want(ev(lc.ChainFound, 2)) // of another generation
	d.want(ev(lc.ChainFound, 1), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 1})
	d.want(ev(lc.KeyCreated, 2), request(2, lc.SameLeaf))
	d.now = d.now.Add(time.Hour)
	d.want(lc.Event{Kind: lc.Issued, Generation: 2, Leaf: d.s.Current.Leaf}, act(lc.StoreCandidate, 2))
	d.want(ev(lc.Stored, 2), act(lc.ConnectWith, 2))
	d.want(connected(d.s.Next), act(lc.Commit, 2))
	d.want(ev(lc.Committed, 2), act(lc.ConnectWith, 2), lc.Action{Kind: lc.DestroyOld, Generation: 2})
	d.want(ev(lc.Destroyed, 0))
	d.phase(lc.Valid)
	if d.s.LastIssued != issued || d.s.Current.Key != 1 {
		t.Errorf("got %+v", d.s)
	}
}

// What goes wrong with a newer chain leaves the identity, and the next renewal
// makes a new key.
func TestChainRefreshFails(t *testing.T) {
	for name, e := range map[string]lc.Event{
		"failed": ev(lc.Failed, 2), "another leaf": {Kind: lc.Issued, Generation: 2, Leaf: leaf(9, start, year)},
	} {
		t.Run(name, func(t *testing.T) {
			d := enrolled(t, lc.Policy{})
			d.want(ev(lc.ChainFound, 1), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 1})
			d.want(ev(lc.KeyCreated, 2), request(2, lc.SameLeaf))
			d.want(e, lc.Action{Kind: lc.DestroyOld, Generation: 1})
			d.want(ev(lc.Destroyed, 0))
			d.phase(lc.Valid)
			d.want(ev(lc.RenewAsked, 0), lc.Action{Kind: lc.CreateKey, Generation: 3, Key: 3})
		})
	}
	d := enrolled(t, lc.Policy{})
	d.want(ev(lc.ChainFound, 1), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 1})
	d.step(lc.Event{Kind: lc.Booted, Current: d.s.Current, Next: lc.Generation{Number: 2, Key: 1}, Highest: 2})
	if d.s.Next.Number != 0 || d.s.Refresh {
		t.Errorf("after a restart: %+v, want nothing of the chain", d.s.Next)
	}
}

// A certificate that a power cut has lost is asked for again while the server
// still gives it to the same key.
func TestLostCertificateIsAskedForSoon(t *testing.T) {
	d := expired(t, lc.Policy{NoGrace: true, StoredOTP: true}, lc.SecondOTP)
	d.want(lc.Event{Kind: lc.Issued, Generation: 2, Leaf: leaf(2, d.now, year)}, act(lc.StoreCandidate, 2))
	d.step(lc.Event{Kind: lc.Booted, Current: d.s.Current, Next: lc.Generation{Number: 2, Key: 2}, Highest: 2})
	d.step(lc.Event{Kind: lc.TimeTrust, Trusted: true})
	d.want(ev(lc.Destroyed, 0))
	d.now = d.now.Add(2*time.Minute - time.Millisecond)
	d.want(ev(lc.Tick, 0))
	d.now = d.now.Add(time.Millisecond)
	d.want(ev(lc.Tick, 0), request(2, lc.SecondOTP))
}
