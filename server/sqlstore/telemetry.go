package sqlstore

import (
	"context"
	"encoding/json"

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
	return n + elementSize*len(b.AlarmChanges)
}

// Submit implements platform.Telemetry.
func (s *Store) Submit(b platform.Batch, done func(error)) {
	s.submit(b.Tenant, batchSize(&b), done, func(tx *session, t tenantKey) error { return tx.append(t, &b) })
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
	key, err := s.tenantKey(ctx, tenant)
	if err != nil {
		return err
	}
	return s.telemetry.do(ctx, func(tx *session) error { return run(tx, key) })
}

func (s *session) append(t tenantKey, b *platform.Batch) error {
	if err := s.insertMeasurements(t, b.Measurements); err != nil {
		return err
	}
	if err := s.insertEvents(t, b.Events); err != nil {
		return err
	}
	if len(b.Alarms)+len(b.AlarmChanges) > 0 {
		if err := s.lockAlarms(); err != nil {
			return err
		}
	}
	if b.Outcome != nil {
		*b.Outcome = platform.Outcome{} // of an attempt that was rolled back
	}
	if err := s.raiseAlarms(t, b.Alarms, b.Outcome); err != nil {
		return err
	}
	if err := s.changeAlarms(t, b.AlarmChanges, b.Outcome); err != nil {
		return err
	}
	if b.Release == nil {
		return nil
	}
	return s.release(t, *b.Release)
}

// telemetryWhere is what the lists of measurements, events and alarms share.
func telemetryWhere(table, columns string, t tenantKey, f platform.TelemetryFilter) *selection {
	q := selection{columns: columns, from: table, order: "time, id"}
	if f.NewestFirst {
		q.order = "time DESC, id DESC"
	}
	q.and("tenant = ?", t)
	if f.Source != 0 {
		q.and("source = ?", f.Source)
	}
	q.equal("type", f.Type)
	q.between("time", f.From, f.To)
	return &q
}

// filtered reads a page. A filter by fragment looks into each body in turn and
// stops when the page is full: an index over fragments would cost every
// measurement more than such a search is worth.
func filtered[T any](s *session, q *selection, page platform.Page, f platform.TelemetryFilter, scan func(*row) T, body func(*T) []byte) (platform.List[T], error) {
	if f.Fragment == "" {
		return list(s, q, page, scan)
	}
	var l platform.List[T]
	if err := checkPage(page); err != nil {
		return l, err
	}
	err := s.each(func(r *row) error {
		v := scan(r)
		if r.err != nil || !hasFragment(body(&v), f.Fragment, f.Series) {
			return r.err
		}
		l.Total++
		if l.Total > int64(page.Offset()) && len(l.Items) <= page.Size {
			l.Items = append(l.Items, v)
		}
		if len(l.Items) > page.Size && !page.WithTotal {
			return errEnough
		}
		return nil
	}, q.sql(), q.args...)
	if err != nil && err != errEnough {
		return platform.List[T]{}, err
	}
	l.Items, l.More = cutPage(l.Items, page)
	return l, nil
}

// hasFragment tells whether a body has the fragment, and in it the series if
// one is asked for.
func hasFragment(body []byte, fragment, series string) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return false
	}
	value, ok := members[fragment]
	if !ok || series == "" {
		return ok
	}
	var nested map[string]json.RawMessage
	if json.Unmarshal(value, &nested) != nil {
		return false
	}
	_, ok = nested[series]
	return ok
}
