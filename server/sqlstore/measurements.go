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

func (s *session) insertMeasurements(t tenantKey, list []platform.Measurement) error {
	for i := range list {
		m := &list[i]
		if err := s.run("INSERT INTO measurements (tenant, "+measurementColumns+") VALUES ($1, $2, $3, $4, $5, $6)",
			t, m.ID, m.Source, m.Type, m.Time, []byte(m.Body)); err != nil {
			return err
		}
	}
	return nil
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
		return tx.must("measurement", "DELETE FROM measurements WHERE tenant = $1 AND id = $2", t, id)
	})
}
