package agent_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/server/servertest"
)

const tenYears = 10 * 365 * 24 * time.Hour

// off sets the device's clock wrong by what the function it returns is told.
func (d *rig) off(by time.Duration) func(time.Duration) {
	var ns atomic.Int64
	ns.Store(int64(by))
	d.wall = func() time.Time { return time.Now().Add(time.Duration(ns.Load())) }
	return func(by time.Duration) { ns.Store(int64(by)) }
}

// A device whose clock stands in 1970, and never moves on, enrols and renews:
// the server's certificate, which is not yet valid by that clock, is checked
// but for the time, and the server tells the time.
func TestNoClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		d := newRig(t, s, "dev1")
		d.wall = func() time.Time { return time.Unix(0, 0) }
		d.edit = func(c *config.Config) { c.Renewal.Left, c.MTLSPort = 0.95, 0 } // soon, and whatever the server wishes
		s.Register("dev1", "the-right-password")
		d.start()
		d.enrol("the-right-password")
		first := d.until("valid", valid)
		time.Sleep(time.Until(first.RenewAt.Add(-time.Hour)))
		if got := d.until("valid", valid); got.Serial != first.Serial {
			t.Error("renewed too early")
		}
		time.Sleep(2 * time.Hour)
		got := d.until("renewed", func(s agent.Status) bool { return valid(s) && s.Serial != first.Serial })
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
		// After a restart what is known is old again, and the server tells it anew.
		time.Sleep(5 * 24 * time.Hour)
		d.start()
		d.until("valid", valid)
		if again := d.status(); again.Serial != got.Serial {
			t.Errorf("renewed by a restart: %+v", again)
		}
		_ = d.stop()
	})
}

// Nothing is renewed, expires or is destroyed by a clock that is behind or far
// ahead, be it so at the start or by a jump.
func TestWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		grace(s, "90")
		for _, tt := range []struct {
			name string
			off  time.Duration
			jump bool
			what string // the reason that is told; empty: it stays connected
		}{
			{"ten years back at the start", -tenYears, false, ""},
			{"ten years back by a jump", -tenYears, true, ""},
			{"twenty years ahead at the start", 2 * tenYears, false, "clock"},
			{"forty years ahead at the start", 4 * tenYears, false, ""}, // beyond belief
		} {
			d := newRig(t, s, "dev-"+time.Duration(tt.off).String())
			if tt.jump {
				d.id += "-jump"
			}
			set := d.off(0)
			s.Register(d.id, "the-right-password")
			d.start()
			d.enrol("the-right-password")
			first := d.until("valid", valid)
			keys := d.keys()
			if !tt.jump {
				_ = d.stop()
				set(tt.off)
				d.start()
			}
			set(tt.off)
			time.Sleep(48 * time.Hour)
			got := d.status()
			if got.Serial != first.Serial || got.Rung != "certificate" || (tt.what == "") != got.Connected ||
				(got.Clock == "untrusted") != (tt.what != "") {
				t.Errorf("%s: got %+v", tt.name, got)
			}
			if tt.what != "" && (got.LastError == nil || got.LastError.Reason != tt.what) {
				t.Errorf("%s: got %+v, want %s", tt.name, got.LastError, tt.what)
			}
			for _, k := range keys {
				found := false
				for _, now := range d.keys() {
					found = found || k == now
				}
				if !found {
					t.Errorf("%s: key %s is gone", tt.name, k)
				}
			}
			set(0)
			if got := d.until("valid with its clock set", valid); got.Serial != first.Serial {
				t.Errorf("%s: renewed: %+v", tt.name, got)
			}
			_ = d.stop()
		}
	})
}
