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
		q := telemetryWhere("events", eventColumns, t, f)
		q.between("created", f.CreatedFrom, f.CreatedTo)
		q.between("updated", f.UpdatedFrom, f.UpdatedTo)
		return filtered(tx, q, page, f, scanEvent, func(e *platform.Event) []byte { return e.Body })
	})
}

// UpdateEvent implements platform.Telemetry: source and creation time stay.
func (s *Store) UpdateEvent(ctx context.Context, tenant platform.TenantID, e platform.Event) error {
	return s.writeTelemetry(ctx, tenant, func(tx *session, t tenantKey) error {
		return tx.must("event", "UPDATE events SET type = $3, text = $4, time = $5, updated = $6, body = $7 WHERE tenant = $1 AND id = $2",
			t, e.ID, e.Type, e.Text, e.Time, e.Updated, []byte(e.Body))
	})
}

// DeleteEvent implements platform.Telemetry.
func (s *Store) DeleteEvent(ctx context.Context, tenant platform.TenantID, id platform.ID) error {
	return s.writeTelemetry(ctx, tenant, func(tx *session, t tenantKey) error {
		return tx.must("event", "DELETE FROM events WHERE tenant = $1 AND id = $2", t, id)
	})
}
