package sqlstore

import (
	"context"
	"encoding/json"

	"mooring/server/platform"
)

const alarmColumns = "id, source, type, text, severity, status, time, first_occurrence, count, created, updated, body"

func scanAlarm(r *row) platform.Alarm {
	return platform.Alarm{
		ID: r.id(), Source: r.id(), Type: r.text(), Text: r.text(), Severity: platform.Severity(r.text()),
		Status: platform.AlarmStatus(r.text()), Time: r.time(), FirstOccurrence: r.time(), Count: r.int(),
		Created: r.time(), Updated: r.time(), Body: json.RawMessage(r.bytes()),
	}
}

// Alarm implements platform.Telemetry.
func (s *Store) Alarm(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Alarm, error) {
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) (platform.Alarm, error) {
		return one(tx, "alarm", scanAlarm, "SELECT "+alarmColumns+" FROM alarms WHERE tenant = $1 AND id = $2", t, id)
	})
}

func alarmBody(a *platform.Alarm) []byte { return a.Body }

// Alarms implements platform.Telemetry.
func (s *Store) Alarms(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter, page platform.Page) (platform.List[platform.Alarm], error) {
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) (platform.List[platform.Alarm], error) {
		return filtered(tx, tx.d.alarmsWhere(alarmColumns, t, f), page, f, scanAlarm, alarmBody)
	})
}

// CountAlarms implements platform.Telemetry.
func (s *Store) CountAlarms(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter) (int64, error) {
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) (int64, error) {
		q := tx.d.alarmsWhere(alarmColumns, t, f)
		if f.Fragment == "" {
			return q.count(tx)
		}
		l, err := filtered(tx, q, platform.Page{Number: 1, Size: 1, WithTotal: true}, f, scanAlarm, alarmBody)
		return l.Total, err
	})
}

// OpenAlarm implements platform.Telemetry.
func (s *Store) OpenAlarm(ctx context.Context, tenant platform.TenantID, source platform.ID, alarmType string) (platform.Alarm, error) {
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) (platform.Alarm, error) {
		return one(tx, "alarm", scanAlarm, "SELECT "+alarmColumns+` FROM alarms
			WHERE tenant = $1 AND source = $2 AND type = $3 AND status <> 'CLEARED'`, t, source, alarmType)
	})
}
