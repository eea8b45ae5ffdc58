// Package telemetry takes in measurements, events and alarms and lists them.
//
// It gives IDs and times, holds everything to its bounds and passes batches on
// to the store, which acknowledges them when they are durable.
package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Bounds of what a client may send. The platform states none of them; a
// publish over MQTT has at most 16,184 bytes (mqtt.md §1), so only REST comes
// near.
const (
	MaxTypeBytes = 1024
	MaxTextBytes = 16 << 10
	MaxBodyBytes = 256 << 10
	MaxBatch     = 20_000 // measurements in one request
)

// Config says what a Service works on.
type Config struct {
	Store platform.Telemetry
	IDs   platform.IDs
	// Notices hears what was stored; nil: nobody does.
	Notices platform.Notices
	Live    Live // nil: nobody keeps the presence of devices
	// Options has the tenants' mappings of alarms; nil: there are none.
	Options Options
	Watcher AlarmWatcher     // nil: nobody counts alarms
	Now     func() time.Time // nil is time.Now
}

// Service is the telemetry of an instance.
type Service struct {
	store   platform.Telemetry
	ids     platform.IDs
	notices platform.Notices
	live    Live
	options Options
	watcher AlarmWatcher
	now     func() time.Time
}

// New returns a Service on the stores of c.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Service{store: c.Store, ids: c.IDs, notices: c.Notices, live: c.Live, options: c.Options, watcher: c.Watcher, now: c.Now}
}

// NewID returns the next identifier.
func (s *Service) NewID(ctx context.Context) (platform.ID, error) { return s.ids.NewID(ctx) }

// Stage passes a QoS 2 publish on to the store.
func (s *Service) Stage(p platform.StagedPublish, done func(error)) { s.store.Stage(p, done) }

// Staged returns a publish that waits for its release.
func (s *Service) Staged(ctx context.Context, key platform.StagedKey) (platform.StagedPublish, error) {
	return s.store.Staged(ctx, key)
}

// DropStaged forgets what a device staged.
func (s *Service) DropStaged(ctx context.Context, tenant platform.TenantID, device string) error {
	return s.store.DropStaged(ctx, tenant, device)
}

// submit waits until the batch is durable.
func (s *Service) submit(ctx context.Context, b platform.Batch) error {
	done := make(chan error, 1)
	b.Mode = platform.ModeOf(ctx)
	s.heard(&b)
	s.Submit(b, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return problem.New(problem.Unavailable, "The request was given up before it was stored.", ctx.Err())
	}
}

// Check holds the parts of a measurement, event or alarm to the bounds. Who calls
// Submit calls it before.
func Check(typ, text string, body json.RawMessage) error { return check(typ, text, body) }

func check(typ, text string, body json.RawMessage) error {
	switch {
	case typ == "" || len(typ) > MaxTypeBytes || strings.ContainsRune(typ, 0):
		return problem.WithCode(problem.Unprocessable, "undefined/validationError", "'type' has 1 to 1024 bytes and no zero byte.", nil)
	case len(text) > MaxTextBytes || strings.ContainsRune(text, 0):
		return problem.WithCode(problem.Unprocessable, "undefined/validationError", "'text' has at most 16384 bytes and no zero byte.", nil)
	case len(body) > MaxBodyBytes:
		return problem.WithCode(problem.Unprocessable, "undefined/validationError", "The fragments have more than 262144 bytes.", nil)
	}
	return nil
}

// checkUpdate holds what an update brings to the bounds.
func checkUpdate(text *string, set platform.Fragments) error {
	size := 0
	for name, v := range set {
		size += len(name) + len(v)
	}
	t := ""
	if text != nil {
		t = *text
	}
	if size > MaxBodyBytes {
		return problem.WithCode(problem.Unprocessable, "undefined/validationError", "The fragments have more than 262144 bytes.", nil)
	}
	return check("-", t, nil)
}

// notFound puts the contract's text on a problem.NotFound (rest.md §0.4).
func notFound(area string, err error) error {
	if !errors.Is(err, problem.NotFound) {
		return err
	}
	return problem.WithCode(problem.NotFound, area+"/Not Found", "Finding "+area+" from database failed", err)
}
