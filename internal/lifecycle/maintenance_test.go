package lifecycle_test

import (
	"testing"
	"time"

	lc "mooring/internal/lifecycle"
)

// sundays is 02:00 to 04:00 on Sundays.
var sundays = lc.MaintenanceWindow{Days: 1, Start: 120, Length: 120}

func inSundays(t time.Time) bool {
	return t.Weekday() == time.Sunday && t.Hour() >= 2 && t.Hour() < 4
}

func TestMaintenance(t *testing.T) {
	hours := map[time.Time]int{}
	for seed := range uint64(200) {
		d := enrolled(t, lc.Policy{Maintenance: [lc.MaxMaintenance]lc.MaintenanceWindow{1: sundays}})
		d.s.Seed = seed
		plain := lc.RenewAt(d.s.Current.Leaf, lc.Policy{}, seed).Time()
		at := d.s.RenewAt().Time()
		if !inSundays(at) || at.Before(plain) || at.Sub(plain) > 8*24*time.Hour || !d.s.MaintenanceFits() {
			t.Fatalf("seed %d: renewal at %v, due at %v; want it in the next window", seed, at, plain)
		}
		hours[at.Truncate(time.Minute)]++
		d.now = at.Add(-time.Millisecond)
		d.want(ev(lc.Tick, 0))
		d.now = at
		d.want(ev(lc.Tick, 0), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 2})
	}
	if len(hours) < 100 {
		t.Errorf("200 devices renew in %d minutes only", len(hours))
	}
}

// A device that was off when it was due waits for the next window; with a
// twentieth of the life left, or without a certificate in force, it does not.
func TestMaintenanceMissed(t *testing.T) {
	p := lc.Policy{Maintenance: [lc.MaxMaintenance]lc.MaintenanceWindow{sundays}}
	d := enrolled(t, p)
	wednesday := func(at time.Time) time.Time {
		for at.Weekday() != time.Wednesday {
			at = at.Add(24 * time.Hour)
		}
		return at
	}
	d.now = wednesday(d.s.RenewAt().Time().Add(7 * 24 * time.Hour))
	d.want(ev(lc.Tick, 0))
	d.now = d.now.Add(3 * 24 * time.Hour)
	d.want(ev(lc.Tick, 0)) // Saturday
	d.now = time.Date(d.now.Year(), d.now.Month(), d.now.Day()+1, 3, 59, 59, 0, time.UTC)
	d.want(ev(lc.Tick, 0), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 2})
	d.want(ev(lc.KeyCreated, 2), request(2, lc.Token))
	d.want(ev(lc.Failed, 2))
	d.now = d.now.Add(2 * time.Minute) // the window has closed
	d.want(ev(lc.Tick, 0))
	d.want(ev(lc.RenewAsked, 0), request(2, lc.Token)) // a person does not wait

	d = enrolled(t, p)
	d.now = d.s.Current.Leaf.NotAfter.Time().Add(-year / 20).Add(time.Second)
	for inSundays(d.now) {
		d.now = d.now.Add(time.Hour)
	}
	d.want(ev(lc.Tick, 0), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 2})
}

// Windows that never open in time are passed over.
func TestMaintenanceDoesNotFit(t *testing.T) {
	d := enrolled(t, lc.Policy{Maintenance: [lc.MaxMaintenance]lc.MaintenanceWindow{sundays}})
	d.s.Current.Leaf = leaf(1, start, 6*24*time.Hour) // Sunday noon to Saturday
	if d.s.MaintenanceFits() {
		t.Error("a window of Sundays fits a certificate that ends on Saturday")
	}
	if got, want := d.s.RenewAt(), lc.RenewAt(d.s.Current.Leaf, lc.Policy{}, d.s.Seed); got != want {
		t.Errorf("renewal at %v, want %v", got.Time(), want.Time())
	}
}

func TestMaintenanceOverMidnight(t *testing.T) {
	late := lc.MaintenanceWindow{Days: 1 << time.Sunday, Start: 23*60 + 30, Length: 120}
	s := lc.New(3, lc.Policy{Maintenance: [lc.MaxMaintenance]lc.MaintenanceWindow{late}})
	monday := time.Date(2026, 11, 2, 1, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		due    time.Time
		inside bool
	}{
		{"an hour after midnight", monday, true},
		{"the last moment", monday.Add(30*time.Minute - time.Millisecond), true},
		{"the end", monday.Add(30 * time.Minute), false},
	} {
		s.Window = lc.Window{Start: lc.At(tt.due), End: lc.At(tt.due) + 1}
		s.Current.Leaf = leaf(1, monday.Add(-year/2), year)
		if got := s.RenewAt() == lc.At(tt.due); got != tt.inside {
			t.Errorf("%s: renewal at %v", tt.name, s.RenewAt().Time())
		}
	}
}

func TestMaintenanceWindowValid(t *testing.T) {
	for _, tt := range []struct {
		w    lc.MaintenanceWindow
		want bool
	}{
		{lc.MaintenanceWindow{}, true},
		{lc.MaintenanceWindow{Days: 127, Start: 1439, Length: 1440}, true},
		{lc.MaintenanceWindow{Days: 127, Start: 0, Length: 1}, true},
		{lc.MaintenanceWindow{Days: 128, Length: 1}, false},
		{lc.MaintenanceWindow{Days: 1, Start: 1440, Length: 1}, false},
		{lc.MaintenanceWindow{Days: 1, Length: 0}, false},
		{lc.MaintenanceWindow{Days: 1, Length: 1441}, false},
		{lc.MaintenanceWindow{Start: 1}, false},
	} {
		if got := tt.w.Valid(); got != tt.want {
			t.Errorf("%+v: got %v", tt.w, got)
		}
	}
}
