package sqlstore

import (
	"context"

	"mooring/server/platform"
)

// What an element of a batch holds in memory besides its texts, roughly.
const elementSize = 200

func batchSize(b *platform.Batch) int {
	n := elementSize
	for i := range b.Measurements {
		n += elementSize + len(b.Measurements[i].Body)
	}
	for i := range b.Events {
		n += elementSize + len(b.Events[i].Body) + len(b.Events[i].Text)
	}
	for i := range b.Alarms {
		n += elementSize + len(b.Alarms[i].Body) + len(b.Alarms[i].Text)
	}
	return n + elementSize*(len(b.AlarmChanges)+len(b.EventChanges))
}

// Submit implements platform.Telemetry.
func (s *Store) Submit(b platform.Batch, done func(error)) {
	s.submit(b.Tenant, batchSize(&b), done, func(tx *session, t tenantKey) error { return tx.append(t, &b, s.newIDNow) })
}

// submit queues a command of a tenant.
func (s *Store) submit(tenant platform.TenantID, size int, done func(error), run func(*session, tenantKey) error) {
	c := &command{size: size, done: done}
	key, err := s.tenantKey(context.Background(), tenant)
	if err != nil {
		c.err = err // answered in its turn
	} else {
		c.run = func(tx *session) error { return run(tx, key) }
	}
	s.telemetry.submit(c)
}

// writeTelemetry carries out a command of a tenant and waits for it.
func (s *Store) writeTelemetry(ctx context.Context, tenant platform.TenantID, run func(*session, tenantKey) error) error {
	return s.writeTelemetryThen(ctx, tenant, run, nil)
}

// writeTelemetryThen is writeTelemetry that calls committed, unless that is nil,
// after the commit: in the order of commits.
func (s *Store) writeTelemetryThen(ctx context.Context, tenant platform.TenantID, run func(*session, tenantKey) error, committed func()) error {
	key, err := s.tenantKey(ctx, tenant)
	if err != nil {
		return err
	}
	answer := make(chan error, 1)
	s.telemetry.submit(&command{ctx: ctx, run: func(tx *session) error { return run(tx, key) }, done: func(err error) {
		if err == nil && committed != nil {
			committed()
		}
		answer <- err
	}})
	return <-answer
}

func (s *session) append(t tenantKey, b *platform.Batch, newID func() (platform.ID, error)) error {
	if err := s.insertMeasurements(t, b.Measurements); err != nil {
		return err
	}
	if err := s.insertEvents(t, b.Events); err != nil {
		return err
	}
	if b.Outcome != nil {
		*b.Outcome = platform.Outcome{} // of an attempt that was rolled back
	}
	if err := s.changeEvents(t, b.EventChanges, b.Outcome); err != nil {
		return err
	}
	alarms := alarmCommand{session: s, t: t, by: b.By, newID: newID, outcome: b.Outcome}
	if err := alarms.apply(b.Alarms, b.AlarmChanges); err != nil {
		return err
	}
	if b.Release == nil {
		return nil
	}
	return s.release(t, *b.Release)
}
