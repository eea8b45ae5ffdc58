package lifecycle_test

import (
	"testing"
	"time"

	lc "mooring/internal/lifecycle"
)

// What was written under a clock that was ahead does not hold the device back.
func TestTimesOfAWrongClock(t *testing.T) {
	d := enrolled(t, lc.Policy{})
	d.s.RetryAt = lc.At(d.now.Add(20 * year))
	d.s.LastIssued = lc.At(d.now.Add(20 * year))
	d.step(ev(lc.Tick, 0))
	const longest = 30 * time.Hour // a day and a quarter
	if got := d.s.RetryAt.Time(); !got.Equal(d.now.Add(longest)) {
		t.Errorf("tries again at %v, now is %v", got, d.now)
	}
	if got := d.s.LastIssued.Time(); !got.Equal(d.now) {
		t.Errorf("last issued at %v, now is %v", got, d.now)
	}
}

// On untrusted time the spacing is left as it is: the clock here may be the one
// that is behind.
func TestSpacingOnUntrustedTime(t *testing.T) {
	d := enrolled(t, lc.Policy{})
	d.step(lc.Event{Kind: lc.TimeTrust})
	later := lc.At(d.now.Add(year))
	d.s.LastIssued = later
	d.step(ev(lc.Tick, 0))
	if d.s.LastIssued != later {
		t.Errorf("last issued at %v, want %v", d.s.LastIssued.Time(), later.Time())
	}
}
