package sqlstore

import (
	"context"
	"encoding/json"

	"mooring/server/platform"
)

const eventColumns = "id, source, type, text, time, created, updated, body"

func scanEvent(r *row) platform.Event {
	return platform.Event{
		ID: r.id(), Source: r.id(), Type: r.text(), Text: r.text(), Time: r.time(), Created: r.time(), Updated: r.time(),
		Body: json.RawMessage(r.bytes()),
	}
}

func (s *session) insertEvents(t tenantKey, list []platform.Event) error {
	for _, e := range list {
		if err := s.run("INSERT INTO events (tenant, "+eventColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
			t, e.ID, e.Source, e.Type, e.Text, e.Time, e.Created, e.Updated, []byte(e.Body)); err != nil {
			return err
		}
	}
	return nil
}

// Event implements platform.Telemetry.
func (s *Store) Event(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Event, error) {
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) (platform.Event, error) {
		return one(tx, "event", scanEvent, "SELECT "+eventColumns+" FROM events WHERE tenant = $1 AND id = $2", t, id)
	})
}

// Events implements platform.Telemetry.
func (s *Store) Events(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter, page platform.Page) (platform.List[platform.Event], error) {
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) (platform.List[platform.Event], error) {
		return filtered(tx, tx.d.eventsWhere(eventColumns, t, f), page, f, scanEvent, func(e *platform.Event) []byte { return e.Body })
	})
}

// UpdateEvent implements platform.Telemetry: fields that the update does not
// set stay, whatever else happens at the same time.
func (s *Store) UpdateEvent(ctx context.Context, tenant platform.TenantID, u platform.EventUpdate) (platform.Event, error) {
	var e platform.Event
	err := s.writeTelemetryThen(ctx, tenant, func(tx *session, t tenantKey) (err error) {
		e, err = one(tx, "event", scanEvent, "SELECT "+eventColumns+" FROM events WHERE tenant = $1 AND id = $2"+tx.d.lockRow, t, u.ID)
		if err != nil {
			return err
		}
		e, err = tx.updateEvent(t, e, u)
		return err
	}, func() {
		if u.Committed != nil {
			u.Committed(e)
		}
	})
	return e, err
}

// updateEvent carries out u on the event that was just read and locked.
func (s *session) updateEvent(t tenantKey, e platform.Event, u platform.EventUpdate) (platform.Event, error) {
	if u.Text != nil {
		e.Text = *u.Text
	}
	var err error
	if e.Body, err = patched(e.Body, u.Set, u.Remove); err != nil {
		return e, err
	}
	e.Updated = u.At
	return e, s.run("UPDATE events SET text = $3, updated = $4, body = $5 WHERE tenant = $1 AND id = $2",
		t, e.ID, e.Text, e.Updated, []byte(e.Body))
}

// changeEvents changes the newest events of their source and type.
func (s *session) changeEvents(t tenantKey, list []platform.EventChange, outcome *platform.Outcome) error {
	for _, c := range list {
		e, found, err := first(s, scanEvent, "SELECT "+eventColumns+` FROM events
			WHERE tenant = $1 AND source = $2 AND type = $3 ORDER BY time DESC, id DESC LIMIT 1`+s.d.lockRow, t, c.Source, c.Type)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if e, err = s.updateEvent(t, e, platform.EventUpdate{At: c.At, Remove: c.Remove}); err != nil {
			return err
		}
		if outcome != nil {
			outcome.ChangedEvents = append(outcome.ChangedEvents, e)
		}
	}
	return nil
}

// DeleteEvent implements platform.Telemetry.
func (s *Store) DeleteEvent(ctx context.Context, tenant platform.TenantID, id platform.ID) error {
	return s.writeTelemetry(ctx, tenant, func(tx *session, t tenantKey) error {
		return tx.must("event", "DELETE FROM events WHERE tenant = $1 AND id = $2", t, id)
	})
}
