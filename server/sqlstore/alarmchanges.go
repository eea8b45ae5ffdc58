package sqlstore

import (
	"encoding/json"

	"mooring/server/platform"
)

// lockAlarms comes before the first change of an alarm in a command.
func (s *session) lockAlarms() error {
	if s.d.alarmLock == "" {
		return nil
	}
	return s.run(s.d.alarmLock)
}

// raiseAlarms adds alarms. The unique index over alarms that are not cleared
// finds the one that is there already; an alarm that comes in cleared is
// always a new row.
func (s *session) raiseAlarms(t tenantKey, list []platform.Alarm, outcome *platform.Outcome) error {
	for _, a := range list {
		if err := s.run("INSERT INTO alarms (tenant, "+alarmColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
			ON CONFLICT (tenant, source, type) WHERE status <> 'CLEARED' DO UPDATE SET count = alarms.count + 1,
			first_occurrence = CASE WHEN alarms.count = 1 THEN alarms.time ELSE alarms.first_occurrence END,
			text = excluded.text, severity = excluded.severity, time = excluded.time, updated = excluded.updated, body = excluded.body`,
			t, a.ID, a.Source, a.Type, a.Text, string(a.Severity), string(a.Status), a.Time, a.FirstOccurrence, max(a.Count, 1),
			a.Created, a.Updated, []byte(a.Body)); err != nil {
			return err
		}
		if err := s.note(outcome, t, a); err != nil {
			return err
		}
	}
	return nil
}

// note adds what became of an alarm that was raised to the outcome, if
// somebody asks for it.
func (s *session) note(outcome *platform.Outcome, t tenantKey, a platform.Alarm) error {
	if outcome == nil {
		return nil
	}
	which, key := "source = $2 AND type = $3 AND status <> 'CLEARED'", []any{t, a.Source, a.Type}
	if a.Status == platform.Cleared {
		which, key = "id = $2", []any{t, a.ID}
	}
	stored, err := one(s, "alarm", scanAlarm, "SELECT "+alarmColumns+" FROM alarms WHERE tenant = $1 AND "+which, key...)
	outcome.Alarms = append(outcome.Alarms, stored)
	return err
}

func (s *session) changeAlarms(t tenantKey, list []platform.AlarmChange, outcome *platform.Outcome) error {
	for _, c := range list {
		if err := s.changeAlarm(t, c, outcome); err != nil {
			return err
		}
	}
	return nil
}

// changeAlarm changes the alarm that is not cleared; there is at most one.
func (s *session) changeAlarm(t tenantKey, c platform.AlarmChange, outcome *platform.Outcome) error {
	a, found, err := first(s, scanAlarm, "SELECT "+alarmColumns+` FROM alarms
		WHERE tenant = $1 AND source = $2 AND type = $3 AND status <> 'CLEARED'`+s.d.lockRow, t, c.Source, c.Type)
	if err != nil || !found {
		return err
	}
	if c.Severity != "" {
		a.Severity = c.Severity
	}
	if c.Status != "" {
		a.Status = c.Status
	}
	body, err := without(a.Body, c.Remove)
	if err != nil {
		return err
	}
	if outcome != nil {
		a.Updated, a.Body = c.At, body
		outcome.Alarms = append(outcome.Alarms, a)
	}
	return s.run("UPDATE alarms SET severity = $3, status = $4, updated = $5, body = $6 WHERE tenant = $1 AND id = $2",
		t, a.ID, string(a.Severity), string(a.Status), c.At, body)
}

// without removes members of a JSON object.
func without(body []byte, names []string) ([]byte, error) {
	if len(body) == 0 || len(names) == 0 {
		return body, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	for _, name := range names {
		delete(members, name)
	}
	if len(members) == 0 {
		return nil, nil
	}
	return json.Marshal(members)
}
