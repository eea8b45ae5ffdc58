package agent

import (
	"context"
	"path/filepath"
	"time"

	"mooring/agent/config"
	"mooring/agent/spool"
	"mooring/agent/telemetry"
	"mooring/internal/durable"
	"mooring/internal/problem"
	"mooring/internal/smartrest"
)

const (
	spoolDir = "spool"
	topicUp  = "s/us"
	// serviceName is the agent among the services of the device (contract mqtt.md
	// §4.2, template 102).
	serviceName = "mooring-agent"
)

func (a *Agent) openSpool(fsys durable.FS) error {
	s, err := spool.Open(spool.Config{
		FS:         fsys,
		Dir:        filepath.Join(a.cfg.State, spoolDir),
		MaxBytes:   int64(a.cfg.Spool.MaxBytes),
		KeepOldest: a.cfg.Spool.Drop == config.DropNewest,
		MaxAge:     time.Duration(a.cfg.Spool.MaxAge),
		Now:        a.now,
		Log:        a.log,
	})
	a.spool = s
	return err
}

func (a *Agent) closeSpool() {
	if err := a.spool.Close(); err != nil {
		a.log.Warn("the spool cannot be closed", "err", err)
	}
}

// spoolStats is nil while nothing runs.
func (a *Agent) spoolStats() *spool.Stats {
	select {
	case <-a.ready:
		stats := a.spool.Stats()
		return &stats
	default:
		return nil
	}
}

// newTelemetry measures once it runs.
func (a *Agent) newTelemetry() *telemetry.Telemetry {
	return telemetry.New(telemetry.Config{
		FS:          a.o.FS,
		Dir:         a.cfg.State,
		Disk:        a.cfg.Telemetry.Disk,
		Interval:    time.Duration(a.cfg.Telemetry.Interval),
		ExpiryAlarm: a.cfg.Telemetry.ExpiryAlarm,
		Certificate: a.validity,
		Spool:       a.spool.Stats,
		Publish:     a.up.Publish,
		Now:         a.now,
		Log:         a.log,
	})
}

// now is the time, and whether it is known to be right.
func (a *Agent) now() (time.Time, bool) { return a.clock.Now(), a.clock.Trusted() }

func (a *Agent) validity() (telemetry.Validity, bool) {
	v, _ := a.look()
	if v.current == nil {
		return telemetry.Validity{}, false
	}
	leaf := v.current.Chain.Leaf()
	return telemetry.Validity{NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}, true
}

// SetMeasurementInterval changes the time between measurements, over restarts;
// zero ends them.
func (a *Agent) SetMeasurementInterval(ctx context.Context, d time.Duration) error {
	if err := config.ValidInterval(config.Duration(d)); err != nil {
		return problem.New(problem.Invalid, err.Error(), nil)
	}
	select {
	case <-a.ready:
		return a.telemetry.SetInterval(d)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// service is the line that says how the agent is, as thin-edge.io names its own
// services (contract mqtt.md §8).
func (a *Agent) service(status string) string {
	return string(smartrest.AppendLine(nil, "102", a.cfg.DeviceID+":device:main:service:"+serviceName, "service", serviceName, status))
}

// Publish hands SmartREST lines over and returns when the server has them. When
// ctx ends before that they are kept, and sent later.
func (a *Agent) Publish(ctx context.Context, lines []string) error {
	if err := a.enrolled(ctx); err != nil {
		return err
	}
	seq, err := a.queue(lines)
	if err != nil {
		return err
	}
	if err := a.up.Delivered(ctx, seq); err != nil {
		return a.whyKept(ctx, err)
	}
	return nil
}

// Queue hands SmartREST lines over and returns when they are on the disk.
func (a *Agent) Queue(ctx context.Context, lines []string) error {
	if err := a.enrolled(ctx); err != nil {
		return err
	}
	_, err := a.queue(lines)
	return err
}

func (a *Agent) queue(lines []string) (uint64, error) {
	var payload []byte
	for _, l := range lines {
		payload = append(append(payload, l...), '\n')
	}
	if err := checkLines(payload); err != nil {
		return 0, err
	}
	return a.up.Publish(topicUp, payload, 1)
}

// checkLines refuses what is not SmartREST, before it waits for the server.
func checkLines(payload []byte) error {
	parts, ok := smartrest.Split(payload, smartrest.MaxPayload)
	if !ok {
		return problem.New(problem.TooLarge, "a line is longer than 16184 bytes", nil)
	}
	found := 0
	for _, part := range parts {
		parsed, err := smartrest.Parse(part)
		if err != nil {
			return problem.New(problem.Invalid, "not SmartREST", err)
		}
		for _, l := range parsed {
			if l.Err != nil {
				return problem.New(problem.Invalid, "not SmartREST: "+l.Err.Text, nil)
			}
		}
		found += len(parsed)
	}
	if found == 0 {
		return problem.New(problem.Invalid, "nothing to publish", nil)
	}
	return nil
}
