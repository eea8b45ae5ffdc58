// Package telemetry measures the device and the agent: processor, memory, disk,
// network, temperature, the days that the certificate has left, and what waits
// in the spool; and raises an alarm when the certificate should have been renewed
// long ago.
//
// All values of one moment are one measurement of type mooring_Telemetry, so
// that a moment costs one message and one write to the disk. What the device does
// not have is left out.
package telemetry

import (
	"context"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mooring/agent/spool"
	"mooring/internal/durable"
)

const (
	topicUp      = "s/us"
	intervalFile = "measurement-interval"
)

// Config is what a Telemetry is made from.
type Config struct {
	// FS and Dir are where the interval and the alarm are noted.
	FS  durable.FS
	Dir string
	// System is the root of the file system, with proc and sys; nil: the real one.
	System fs.FS
	// Disk is a path on the file system that is measured.
	Disk string
	// Interval is between measurements; zero: there are none.
	Interval time.Duration
	// ExpiryAlarm is the part of the certificate's life that is left when an alarm
	// is raised; zero: never.
	ExpiryAlarm float64

	// Certificate is the device's; false if it has none.
	Certificate func() (Validity, bool)
	Spool       func() spool.Stats
	// Publish puts a message on the disk, to be delivered.
	Publish func(topic string, payload []byte, qos byte) (uint64, error)
	// Now is the time, and whether it is known to be right.
	Now func() (time.Time, bool)
	Log *slog.Logger // nil discards
	// Random spreads the first measurements of a fleet; nil is a random source.
	Random func() float64
}

// Telemetry measures while it runs.
type Telemetry struct {
	cfg   Config
	log   *slog.Logger
	meter meter

	mu       sync.Mutex // guards what follows
	interval time.Duration
	changed  chan struct{} // holds one: the interval changed
}

// New returns a Telemetry. An interval that was set while it ran counts until the
// configuration names another.
func New(cfg Config) *Telemetry {
	if cfg.System == nil {
		cfg.System = os.DirFS("/")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	t := &Telemetry{cfg: cfg, log: cfg.Log, meter: meter{fs: cfg.System}, changed: make(chan struct{}, 1)}
	t.interval = t.noted()
	return t
}

// Interval is between measurements; zero: there are none.
func (t *Telemetry) Interval() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.interval
}

// SetInterval changes the time between measurements, over restarts; zero ends
// them. The caller has judged it.
func (t *Telemetry) SetInterval(d time.Duration) error {
	note := t.cfg.Interval.String() + " " + d.String()
	if err := durable.WriteFile(t.cfg.FS, t.intervalPath(), []byte(note), 0o600); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.interval = d
	select {
	case t.changed <- struct{}{}:
	default:
	}
	return nil
}

func (t *Telemetry) intervalPath() string { return filepath.Join(t.cfg.Dir, intervalFile) }

// noted is the interval that was set, if the configuration has not changed since:
//
//	configured SP set
func (t *Telemetry) noted() time.Duration {
	text, err := t.cfg.FS.ReadFile(t.intervalPath())
	if err != nil {
		return t.cfg.Interval // none was set, or it is lost
	}
	configured, set, _ := strings.Cut(string(text), " ")
	d, err := time.ParseDuration(set)
	if err != nil || d < 0 || configured != t.cfg.Interval.String() {
		return t.cfg.Interval
	}
	return d
}

// Run measures until ctx ends.
func (t *Telemetry) Run(ctx context.Context) {
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	t.checkExpiry()
	next := t.first()
	for {
		select {
		case <-ctx.Done():
			return
		case <-check.C:
			t.checkExpiry()
		case <-t.changed:
			next = t.first()
		case <-next:
			t.measure()
			next = after(t.Interval())
		}
	}
}

// first begins to count for the rates, and is the moment of the first
// measurement.
func (t *Telemetry) first() <-chan time.Time {
	interval := t.Interval()
	if interval == 0 {
		return nil
	}
	t.meter.look(&values{}, time.Now())
	return after(max(time.Second, time.Duration(t.cfg.Random()*float64(interval))))
}

func after(d time.Duration) <-chan time.Time {
	if d <= 0 {
		return nil
	}
	return time.After(d)
}

func (t *Telemetry) measure() {
	var v values
	t.meter.look(&v, time.Now())
	if d, err := statfs(t.cfg.Disk); err == nil {
		v.disk(d)
	} else {
		t.log.Debug("the disk cannot be measured", "err", err)
	}
	now, trusted := t.cfg.Now()
	if c, ok := t.cfg.Certificate(); ok && trusted {
		v.certificate(c.NotAfter.Sub(now))
	}
	v.spool(t.cfg.Spool())
	if _, err := t.cfg.Publish(topicUp, v.line(), 1); err != nil {
		t.log.Warn("measurements cannot be published", "err", err)
	}
}
