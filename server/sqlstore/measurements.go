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
		if err := tx.narrow(t, &f); err != nil {
			return platform.List[platform.Measurement]{}, err
		}
		q := tx.d.telemetryWhere("measurements", measurementColumns, t, f)
		return filtered(tx, q, page, f, scanMeasurement, func(m *platform.Measurement) []byte { return m.Body })
	})
}

// DeleteMeasurement implements platform.Telemetry.
func (s *Store) DeleteMeasurement(ctx context.Context, tenant platform.TenantID, id platform.ID) error {
	return s.writeTelemetry(ctx, tenant, func(tx *session, t tenantKey) error { return tx.deleteMeasurement(t, id) })
}

// deleteMeasurement misses one that waits for its INSERT in this transaction;
// then the batch is repeated with savepoints, and without waiting.
func (s *session) deleteMeasurement(t tenantKey, id platform.ID) error {
	return s.must("measurement", "DELETE FROM measurements WHERE tenant = $1 AND id = $2", t, id)
}
