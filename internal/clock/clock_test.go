package clock_test

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"errors"

	"mooring/internal/clock"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
)

var built = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestNowAndTrusted(t *testing.T) {
	tests := []struct {
		name    string
		wall    time.Time
		want    time.Time
		trusted bool
	}{
		{name: "right", wall: built.Add(time.Hour), want: built.Add(time.Hour), trusted: true},
		{name: "exactly the floor", wall: built, want: built, trusted: true},
		{name: "1970", wall: time.Unix(0, 0), want: built},
		{name: "a little behind", wall: built.Add(-clock.Tolerance), want: built, trusted: true},
		{name: "more than a little behind", wall: built.Add(-clock.Tolerance - 1), want: built},
		{name: "at the horizon", wall: built.Add(clock.Horizon), want: built.Add(clock.Horizon), trusted: true},
		{name: "beyond the horizon", wall: built.Add(clock.Horizon + 1), want: built},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := clock.NewFrom(func() time.Time { return tt.wall }, built)
				if got := c.Now(); !got.Equal(tt.want) {
					t.Errorf("Now = %v, want %v", got, tt.want)
				}
				if got := c.Trusted(); got != tt.trusted {
					t.Errorf("Trusted = %v, want %v", got, tt.trusted)
				}
			})
		})
	}
}

func TestFloorMovesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.NewFrom(func() time.Time { return time.Unix(0, 0) }, built)
		time.Sleep(48 * time.Hour)
		if got, want := c.Now(), built.Add(48*time.Hour); !got.Equal(want) {
			t.Errorf("Now = %v, want %v", got, want)
		}
		if c.Observe(built.Add(47 * time.Hour)) {
			t.Error("an observation of the past raised the floor")
		}
		if !c.Observe(built.Add(72 * time.Hour)) {
			t.Error("a later observation did not raise the floor")
		}
		time.Sleep(time.Hour)
		if got, want := c.Now(), built.Add(73*time.Hour); !got.Equal(want) {
			t.Errorf("Now = %v, want %v", got, want)
		}
		if c.Observe(c.Floor().Add(clock.Horizon + 1)) {
			t.Error("an observation beyond the horizon was believed")
		}
	})
}

func TestWithoutFloorTheWallClockRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New(time.Time{})
		if !c.Now().Equal(time.Now()) || !c.Trusted() {
			t.Errorf("Now = %v, Trusted = %v", c.Now(), c.Trusted())
		}
		if err := c.Save(durabletest.New(), "/time"); err != nil {
			t.Error(err)
		}
	})
}

func TestSaveLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := durabletest.New()
		c := clock.New(built)
		c.Observe(built.Add(time.Hour))
		if err := c.Save(fsys, "/time"); err != nil {
			t.Fatal(err)
		}
		// The wall clock of synctest is in the year 2000, behind the floor.
		again := clock.New(built)
		if err := again.Load(fsys.PowerLoss(nil), "/time"); err != nil {
			t.Fatal(err)
		}
		if got, want := again.Now(), built.Add(time.Hour); !got.Equal(want) {
			t.Errorf("Now = %v, want %v", got, want)
		}
		fsys.FailAt(fsys.Steps(), syscall.ENOSPC)
		if err := c.Save(fsys, "/time"); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("full disk: %v", err)
		}
	})
}

func TestLoadBadFile(t *testing.T) {
	tests := map[string]struct {
		content string
		wantErr bool
	}{
		"empty":            {"", true},
		"no time":          {"yesterday", true},
		"too long":         {"2026-03-01T13:00:00Z" + string(make([]byte, 64)), true},
		"without line end": {"2026-03-01T13:00:00Z", false},
		"absurd":           {"2099-03-01T13:00:00Z", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fsys := durabletest.New()
			if err := durable.WriteFile(fsys, "/time", []byte(tt.content), 0o644); err != nil {
				t.Fatal(err)
			}
			c := clock.New(built)
			if err := c.Load(fsys, "/time"); (err != nil) != tt.wantErr {
				t.Errorf("error = %v, wantErr %v", err, tt.wantErr)
			}
			if c.Floor().After(built.Add(2 * time.Hour)) {
				t.Errorf("floor is %v", c.Floor())
			}
		})
	}
	if err := clock.New(built).Load(durabletest.New(), "/none"); err != nil {
		t.Errorf("missing file: %v", err)
	}
}

// A server's time is as good as a clock that was set, for as long as the
// process runs.
func TestSynchronise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		built := time.Now()
		c := clock.NewFrom(func() time.Time { return time.Unix(0, 0) }, built)
		if c.Trusted() {
			t.Fatal("1970 is trusted")
		}
		told := built.Add(1000 * time.Hour)
		if !c.Synchronise(told) || !c.Trusted() || !c.Now().Equal(told) {
			t.Errorf("told %v: now %v, trusted %v", told, c.Now(), c.Trusted())
		}
		time.Sleep(100 * time.Hour)
		if want := told.Add(100 * time.Hour); !c.Now().Equal(want) || !c.Trusted() {
			t.Errorf("later: now %v, want %v", c.Now(), want)
		}
		if c.Synchronise(told) {
			t.Error("a time that has passed is believed")
		}
		if !c.Synchronise(told.Add(100*time.Hour - clock.Tolerance)) {
			t.Error("a server a little behind is not believed")
		}
		if c.Synchronise(c.Now().Add(clock.Horizon + time.Second)) {
			t.Error("a time beyond the horizon is believed")
		}
		if !c.Trusted() {
			t.Error("a time that is not believed takes the trust from one that was")
		}
	})
}

// While the device sleeps the floor stands still and the wall clock goes on.
func TestSuspend(t *testing.T) {
	built := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	wall := built
	c := clock.NewFrom(func() time.Time { return wall }, built)
	wall = wall.Add(200 * 24 * time.Hour)
	if !c.Trusted() || !c.Now().Equal(wall) {
		t.Errorf("after 200 days asleep: now %v, trusted %v", c.Now(), c.Trusted())
	}
}
