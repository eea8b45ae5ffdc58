package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/server/servertest"
)

// TestMonth lives a month with the timers of the field: keep-alive, heartbeat,
// clock check and re-connections as they are by default, a renewal, and an
// outage of half a day.
func TestMonth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		d := newRig(t, s, "dev1")
		d.edit = func(c *config.Config) {
			usual := config.Default()
			c.KeepAlive, c.ClockCheck = usual.KeepAlive, usual.ClockCheck
			c.RequiredInterval = config.Duration(10 * time.Minute)
			c.Renewal.Left, c.MTLSPort = 0.93, 0 // a renewal falls into the month
		}
		s.Register(d.id, "the-right-password")
		d.start()
		d.enrol("the-right-password")
		first := d.until("valid", valid)
		hours, away := 0, 0
		for hour := range 30 * 24 {
			switch hour {
			case 100:
				s.Stop()
			case 112:
				s.Start()
			}
			time.Sleep(time.Hour)
			hours++
			if s := d.status(); !s.Connected || s.Rung != "certificate" {
				away++
			}
		}
		got := d.until("renewed", func(s agent.Status) bool { return valid(s) && s.Serial != first.Serial })
		if got.Generation != first.Generation+1 || away != 12 {
			t.Errorf("after a month %+v; away in %d of %d hours, want the 12 of the outage", got, away, hours)
		}
		if keys := d.keys(); len(keys) != 1 {
			t.Errorf("keys %v, want one", keys)
		}
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
}
