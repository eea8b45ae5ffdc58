// Package clock is the time of a device whose clock may be wrong.
//
// A device without a battery starts in 1970, and one with an empty battery
// anywhere. Certificates cannot be checked against such a clock. A Clock
// therefore has a floor: the latest moment that is known to have passed,
// because the program was built then or a peer that proved who it is said so.
// Now is never before the floor, and the floor moves on with the time the
// process is running.
//
// Only moments from authenticated sources belong into Observe: the notBefore of
// an own certificate, the iat of a token that came over verified TLS. The wall
// clock never raises the floor, so that a clock that once was ahead does no
// harm after it was set right.
package clock

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"mooring/internal/durable"
)

const (
	// Horizon is how far beyond the floor a time is believed. Hardware lives
	// shorter; clocks with corrupt registers show the year 2099.
	Horizon = 30 * 365 * 24 * time.Hour
	// Tolerance is how far behind the floor a wall clock still counts as set:
	// servers are a little ahead.
	Tolerance = time.Minute

	maxFileBytes = 64
	layout       = time.RFC3339
)

// Clock gives the time. It may be used by several goroutines at once.
type Clock struct {
	wall func() time.Time

	mu    sync.Mutex // guards what follows
	exact bool       // floor is the time, not only before it: a server told it
	floor time.Time  // without monotonic reading
	since time.Time  // when floor was known, with monotonic reading
}

// New returns a clock that is not before built, the time the program was
// built; the zero time sets no floor.
func New(built time.Time) *Clock { return NewFrom(time.Now, built) }

// NewFrom is New with another wall clock, for tests of wrong clocks.
func NewFrom(wall func() time.Time, built time.Time) *Clock {
	return &Clock{wall: wall, floor: built.Round(0), since: time.Now()}
}

// Now returns the wall clock's time, or the floor if the wall clock is behind
// it or absurdly far ahead. It serves as Time of a tls.Config.
func (c *Clock) Now() time.Time {
	wall, floor := c.wall(), c.Floor()
	if wall.Before(floor) || absurd(wall, floor) {
		return floor
	}
	return wall
}

// Floor returns the latest moment known to have passed.
func (c *Clock) Floor() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at()
}

// at returns the floor moved on by the time since it was known. The monotonic
// clock stands still while the device sleeps, which keeps it a floor. The
// caller holds c.mu.
func (c *Clock) at() time.Time {
	if c.floor.IsZero() {
		return c.floor
	}
	return c.floor.Add(max(time.Since(c.since), 0))
}

func absurd(t, floor time.Time) bool {
	return !floor.IsZero() && t.Sub(floor) > Horizon
}

// Observe raises the floor to t if t is later; see the package comment for
// what may be observed. It reports whether the floor was raised. A time beyond
// the Horizon is not believed.
func (c *Clock) Observe(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	floor := c.at()
	if !t.After(floor) || absurd(t, floor) {
		return false
	}
	c.floor, c.since = t.Round(0), time.Now()
	return true
}

// Synchronise is Observe of what an authenticated server says the time is now.
// From then on the floor, which moves on, is as good as a wall clock that was
// set. It reports whether t is believed: it is not beyond the Horizon, and not
// before the floor by more than Tolerance.
func (c *Clock) Synchronise(t time.Time) bool {
	c.Observe(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	floor := c.at()
	believed := !absurd(t, floor) && !t.Before(floor.Add(-Tolerance))
	c.exact = c.exact || believed
	return believed
}

// Trusted reports whether Now is to be relied upon: the wall clock agrees with
// what is known, which means that it is neither behind the floor by more than
// Tolerance nor beyond the Horizon, or a server has told the time since the
// process began. Without a floor nothing speaks against the wall clock.
func (c *Clock) Trusted() bool {
	wall, floor := c.wall(), c.Floor()
	if !wall.Before(floor.Add(-Tolerance)) && !absurd(wall, floor) {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exact
}

// Wall returns what the wall clock says, right or wrong.
func (c *Clock) Wall() time.Time { return c.wall() }

// Save writes the floor to path, in whole seconds. Without a floor there is
// nothing to write.
func (c *Clock) Save(fsys durable.FS, path string) error {
	floor := c.Floor()
	if floor.IsZero() {
		return nil
	}
	text := floor.UTC().Format(layout) + "\n"
	if err := durable.WriteFile(fsys, path, []byte(text), 0o644); err != nil {
		return fmt.Errorf("save the time: %w", err)
	}
	return nil
}

// Load raises the floor to what Save wrote. A missing file is no error; after
// an error the clock is as before and can be used.
func (c *Clock) Load(fsys durable.FS, path string) error {
	info, err := fsys.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load the time: %w", err)
	}
	if info.Size() > maxFileBytes {
		return fmt.Errorf("load the time: %s is longer than %d bytes", path, maxFileBytes)
	}
	text, err := fsys.ReadFile(path)
	if err != nil {
		return fmt.Errorf("load the time: %w", err)
	}
	saved, err := time.Parse(layout, strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("load the time: %s holds none", path)
	}
	c.Observe(saved)
	return nil
}
