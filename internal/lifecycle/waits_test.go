package lifecycle_test

import (
	"testing"
	"time"

	lc "mooring/internal/lifecycle"
)

// Devices that failed at the same time do not try again at the same time.
func TestRetriesAreSpread(t *testing.T) {
	waits := map[time.Duration]bool{}
	var least, most time.Duration = time.Hour, 0
	for seed := range uint64(500) {
		d := enrolledAs(t, seed, lc.Policy{}, year)
		d.step(ev(lc.RenewAsked, 0))
		d.step(ev(lc.KeyCreated, 2))
		d.step(ev(lc.Failed, 2))
		wait := d.s.RetryAt.Time().Sub(d.now)
		waits[wait] = true
		least, most = min(least, wait), max(most, wait)
	}
	if len(waits) < 400 || least < time.Minute || least > 61*time.Second || most < 71*time.Second || most > 72*time.Second {
		t.Errorf("%d waits from %v to %v, want some 490 from 1m to 1m12s", len(waits), least, most)
	}
}

// The spacing never exceeds a fiftieth of a certificate's life.
func TestSpacingOfAShortLife(t *testing.T) {
	const life = 10 * time.Hour
	d := enrolledAs(t, 7, lc.Policy{RenewLeftPermille: 950}, life) // due within 45 minutes
	at := d.s.RenewAt().Time()
	if since := at.Sub(start); since < life/50 || since >= time.Hour {
		t.Fatalf("due %v after it was issued, want it between the two spacings", since)
	}
	d.now = at
	d.want(ev(lc.Tick, 0), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 2})
}

// Towards the end of a certificate no wait of ours exceeds a tenth of what is
// left, and none is shorter than a minute.
func TestRetriesBeforeTheEnd(t *testing.T) {
	for _, tt := range []struct{ left, want time.Duration }{
		{60 * time.Hour, 6 * time.Hour}, {50 * time.Hour, 5 * time.Hour}, {time.Hour, 6 * time.Minute},
		{10 * time.Minute, time.Minute}, {time.Minute, time.Minute},
	} {
		d := enrolledAs(t, 7, lc.Policy{}, year)
		d.step(ev(lc.RenewAsked, 0))
		d.step(ev(lc.KeyCreated, 2))
		for range 20 { // up to the last rung of the ladder
			d.step(ev(lc.Failed, 2))
			d.now = d.s.RetryAt.Time()
			d.step(ev(lc.Tick, 0))
		}
		d.now = d.s.Current.Leaf.NotAfter.Time().Add(-tt.left)
		d.step(ev(lc.Failed, 2))
		if got := d.s.RetryAt.Time().Sub(d.now); got != tt.want {
			t.Errorf("%v left: waits %v, want %v", tt.left, got, tt.want)
		}
	}
}
