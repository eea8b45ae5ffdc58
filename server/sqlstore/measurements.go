package sqlstore

import (
	"context"
	"encoding/json"

	"mooring/server/platform"
)

const measurementColumns = "id, source, type, time, body"

func scanMeasurement(r *row) platform.Measurement {
	return platform.Measurement{
		ID: r.id(), Source: r.id(), Type: r.text(), Time: r.time(), Body: json.RawMessage(r.bytes()),
	}
}

// Measurement implements platform.Telemetry.
func (s *Store) Measurement(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Measurement, error) {
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) (platform.Measurement, error) {
		return one(tx, "measurement", scanMeasurement,
			"SELECT "+measurementColumns+" FROM measurements WHERE tenant = $1 AND id = $2", t, id)
	})
}

// Measurements implements platform.Telemetry.
func (s *Store) Measurements(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter, page platform.Page) (platform.List[platform.Measurement], error) {
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) (platform.List[platform.Measurement], error) {
		q := telemetryWhere("measurements", measurementColumns, t, f)
		return filtered(tx, q, page, f, scanMeasurement, func(m *platform.Measurement) []byte { return m.Body })
	})
}

// DeleteMeasurement implements platform.Telemetry.
func (s *Store) DeleteMeasurement(ctx context.Context, tenant platform.TenantID, id platform.ID) error {
	return s.writeTelemetry(ctx, tenant, func(tx *session, t tenantKey) error {
		if err := tx.flush(); err != nil { // it may be among those taken on just now
			return err
		}
		return tx.must("measurement", "DELETE FROM measurements WHERE tenant = $1 AND id = $2", t, id)
	})
}
