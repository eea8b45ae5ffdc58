package sqlstore

import (
	"context"
	"time"

	"mooring/server/platform"
)

// writeAlarms carries out a command about alarms and waits for it; committed is as
// in writeTelemetryThen.
func (s *Store) writeAlarms(ctx context.Context, tenant platform.TenantID, by string, run func(*alarmCommand) error, committed func()) error {
	return s.writeTelemetryThen(ctx, tenant, func(tx *session, t tenantKey) error {
		c := alarmCommand{session: tx, t: t, by: by, newID: s.newIDNow}
		if err := c.begin(); err != nil {
			return err
		}
		return run(&c)
	}, committed)
}

// newIDNow is for the telemetry writer: it may wait for the identity writer,
// which waits for nobody.
func (s *Store) newIDNow() (platform.ID, error) { return s.NewID(context.Background()) }

// UpdateAlarm implements platform.Telemetry.
func (s *Store) UpdateAlarm(ctx context.Context, tenant platform.TenantID, u platform.AlarmUpdate) (before, after platform.Alarm, err error) {
	err = s.writeAlarms(ctx, tenant, u.By, func(c *alarmCommand) (err error) {
		before, err = one(c.session, "alarm", scanAlarm,
			"SELECT "+alarmColumns+" FROM alarms WHERE tenant = $1 AND id = $2"+c.d.lockRow, c.t, u.ID)
		if err != nil {
			return err
		}
		after, err = c.update(before, u)
		return err
	}, func() {
		if u.Committed != nil {
			u.Committed(after)
		}
	})
	return before, after, err
}

// UpsertAlarm implements platform.Telemetry.
func (s *Store) UpsertAlarm(ctx context.Context, tenant platform.TenantID, u platform.AlarmUpsert) (before, after platform.Alarm, found bool, err error) {
	err = s.writeAlarms(ctx, tenant, u.Update.By, func(c *alarmCommand) (err error) {
		before, found, err = c.open(u.Alarm.Source, u.Alarm.Type)
		if err != nil {
			return err
		}
		if !found {
			after = u.Alarm
			return c.raise(u.Alarm)
		}
		if after, err = c.update(before, u.Update); err != nil || !u.Increment {
			return err
		}
		return c.countUp(&after)
	}, func() {
		if u.Committed != nil {
			u.Committed(after, found)
		}
	})
	return before, after, found, err
}

// countUp counts a without touching anything else.
func (c *alarmCommand) countUp(a *platform.Alarm) error {
	if a.Count == 1 {
		a.FirstOccurrence = a.Time
	}
	a.Count++
	return c.run("UPDATE alarms SET count = $3, first_occurrence = $4 WHERE tenant = $1 AND id = $2", c.t, a.ID, a.Count, a.FirstOccurrence)
}

// SetAlarmStatus implements platform.Telemetry.
func (s *Store) SetAlarmStatus(ctx context.Context, tenant platform.TenantID, ids []platform.ID, status platform.AlarmStatus, at time.Time, by string,
	committed func([]platform.Alarm),
) ([]platform.Alarm, error) {
	if len(ids) > platform.MaxDeleted {
		return nil, invalid("too many alarms at once")
	}
	var changed []platform.Alarm
	err := s.writeAlarms(ctx, tenant, by, func(c *alarmCommand) error {
		changed = changed[:0]
		for _, id := range ids {
			a, done, err := c.setStatus(id, platform.AlarmUpdate{At: at, Status: status})
			if err != nil {
				return err
			}
			if done {
				changed = append(changed, a)
			}
		}
		return nil
	}, func() {
		if committed != nil {
			committed(changed)
		}
	})
	return changed, err
}
