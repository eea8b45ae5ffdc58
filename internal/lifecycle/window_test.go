package lifecycle_test

import (
	"testing"
	"time"

	lc "mooring/internal/lifecycle"
)

// told is the answer of a server for generation n.
func told(n uint32, from, to time.Time) lc.Event {
	return lc.Event{Kind: lc.WindowTold, Generation: n, Window: lc.Window{Start: lc.At(from), End: lc.At(to)}}
}

func TestServersWindow(t *testing.T) {
	const life = year
	for _, tt := range []struct {
		name     string
		from, to time.Duration // after the certificate's beginning
	}{
		{"late", life * 8 / 10, life * 9 / 10},
		{"early", life / 10, life / 9},
		{"before the certificate: now", -time.Hour, -time.Minute},
		{"wider than the end: a twentieth overrides", life * 9 / 10, 2 * life},
		{"behind the end: a twentieth overrides", 2 * life, 3 * life},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := enrolled(t, lc.Policy{})
			begin, end := d.s.Current.Leaf.NotBefore.Time(), d.s.Current.Leaf.NotAfter.Time()
			d.now = d.now.Add(2 * time.Hour) // the spacing is over
			d.s, _ = lc.Step(d.s, told(1, begin.Add(tt.from), begin.Add(tt.to)), d.now)
			at := d.s.RenewAt().Time()
			latest := end.Add(-life / 20)
			if at.Before(begin.Add(tt.from).Truncate(time.Millisecond)) && !at.Equal(latest) || at.After(begin.Add(tt.to)) || at.After(latest) {
				t.Errorf("renewal at %v, want in [%v, %v] and by %v", at, begin.Add(tt.from), begin.Add(tt.to), latest)
			}
			if at.After(d.now) {
				d.phase(lc.Valid)
				d.now = at.Add(-time.Millisecond)
				d.want(ev(lc.Tick, 0))
				d.now = at
				d.want(ev(lc.Tick, 0), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 2})
			}
			d.phase(lc.Renewing)
		})
	}
}

func TestWindowOfAnotherCertificate(t *testing.T) {
	d := enrolled(t, lc.Policy{})
	plain := d.s.RenewAt()
	begin := d.s.Current.Leaf.NotBefore.Time()
	d.want(told(2, begin, begin.Add(time.Hour)))
	d.want(told(0, begin, begin.Add(time.Hour)))
	d.want(told(1, begin.Add(time.Hour), begin)) // no window at all
	if d.s.RenewAt() != plain || d.s.Window != (lc.Window{}) {
		t.Errorf("renewal at %v, want %v", d.s.RenewAt(), plain)
	}
	d.want(told(1, begin.Add(300*24*time.Hour), begin.Add(310*24*time.Hour)))
	back, err := lc.Decode(d.s.Encode())
	if err != nil || back.RenewAt() != d.s.RenewAt() || back.Window == (lc.Window{}) {
		t.Errorf("after a restart %v, %v", back.Window, err)
	}
	same, _ := lc.Step(back, lc.Event{Kind: lc.Booted, Current: d.s.Current, Highest: 1}, d.now)
	if same.Window != d.s.Window {
		t.Error("the window is forgotten over a restart")
	}
	other := d.s.Current
	other.Leaf.Fingerprint[9]++
	foreign, _ := lc.Step(back, lc.Event{Kind: lc.Booted, Current: other, Highest: 1}, d.now)
	if foreign.Window != (lc.Window{}) {
		t.Error("another certificate inherits the window")
	}
	d.want(told(1, time.Time{}, time.Time{}))
	if d.s.RenewAt() != plain {
		t.Error("a server without a wish is not heard")
	}
}

// A commit forgets the window of the certificate before.
func TestWindowEndsWithItsCertificate(t *testing.T) {
	d := enrolled(t, lc.Policy{})
	d.want(told(1, d.now.Add(300*24*time.Hour), d.now.Add(310*24*time.Hour)))
	d.want(ev(lc.RenewAsked, 0), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 2})
	d.want(ev(lc.KeyCreated, 2), request(2, lc.Token))
	d.want(lc.Event{Kind: lc.Issued, Generation: 2, Leaf: leaf(2, d.now, year)}, act(lc.StoreCandidate, 2))
	d.want(ev(lc.Stored, 2), act(lc.ConnectWith, 2))
	d.want(connected(d.s.Next), act(lc.Commit, 2))
	d.want(ev(lc.Committed, 2), act(lc.ConnectWith, 2), lc.Action{Kind: lc.DestroyOld, Generation: 2})
	if d.s.Window != (lc.Window{}) {
		t.Errorf("got %v", d.s.Window)
	}
}

// The point in the window is stable, and different for each device and each
// certificate.
func TestWindowSpreadsAFleet(t *testing.T) {
	window := lc.Window{Start: lc.At(start), End: lc.At(start.Add(24 * time.Hour))}
	hours := map[int]int{}
	for seed := range uint64(2400) {
		s := lc.New(seed, lc.Policy{})
		s.Current.Leaf, s.Window = leaf(1, start.Add(-year/2), year), window
		at := s.RenewAt()
		if at != s.RenewAt() || at < window.Start || at >= window.End {
			t.Fatalf("seed %d: %v", seed, at.Time())
		}
		hours[int(at.Time().Sub(start)/time.Hour)]++
		s.Current.Leaf.Fingerprint[0]++
		if s.RenewAt() == at {
			t.Errorf("seed %d: the next certificate has the same point", seed)
		}
	}
	for h := range 24 {
		if n := hours[h]; n < 60 || n > 150 {
			t.Errorf("hour %d has %d of 2400 devices, want about 100", h, n)
		}
	}
}
