package sqlstore

import (
	"mooring/internal/problem"
	"mooring/server/platform"
)

// alarmCommand changes alarms in one transaction and writes their audit rows.
type alarmCommand struct {
	*session
	t       tenantKey
	by      string // user
	newID   func() (platform.ID, error)
	outcome *platform.Outcome
}

// begin comes before the first change of an alarm in a command.
func (c *alarmCommand) begin() error {
	if c.d.alarmLock == "" {
		return nil
	}
	return c.run(c.d.alarmLock)
}

func (c *alarmCommand) apply(raised []platform.Alarm, changes []platform.AlarmChange) error {
	if len(raised)+len(changes) == 0 {
		return nil
	}
	if err := c.begin(); err != nil {
		return err
	}
	for _, a := range raised {
		if err := c.raise(a); err != nil {
			return err
		}
	}
	for _, ch := range changes {
		if err := c.change(ch); err != nil {
			return err
		}
	}
	return nil
}

// raise adds an alarm. The unique index over alarms that are not cleared finds
// the one that is there already; an alarm that comes in cleared is always a new
// row.
func (c *alarmCommand) raise(a platform.Alarm) error {
	a.Count = max(a.Count, 1)
	stored, err := one(c.session, "alarm", scanAlarm, "INSERT INTO alarms (tenant, "+alarmColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (tenant, source, type) WHERE status <> 'CLEARED' DO UPDATE SET count = alarms.count + 1,
		first_occurrence = CASE WHEN alarms.count = 1 THEN alarms.time ELSE alarms.first_occurrence END,
		text = excluded.text, severity = excluded.severity, time = excluded.time, updated = excluded.updated, body = excluded.body
		RETURNING `+alarmColumns,
		c.t, a.ID, a.Source, a.Type, a.Text, string(a.Severity), string(a.Status), a.Time, a.FirstOccurrence, a.Count,
		a.Created, a.Updated, []byte(a.Body))
	if err != nil {
		return err
	}
	c.told(stored)
	if stored.ID != a.ID {
		return nil // counted up: not worth an audit row (OpenAPI, POST /alarm/alarms)
	}
	return c.auditCreated(stored)
}

// told adds an alarm as it is now to the outcome, if somebody asks for it.
func (c *alarmCommand) told(a platform.Alarm) {
	if c.outcome != nil {
		c.outcome.Alarms = append(c.outcome.Alarms, a)
	}
}

// open reads the alarm that is not cleared; there is at most one.
func (c *alarmCommand) open(source platform.ID, alarmType string) (platform.Alarm, bool, error) {
	return first(c.session, scanAlarm, "SELECT "+alarmColumns+` FROM alarms
		WHERE tenant = $1 AND source = $2 AND type = $3 AND status <> 'CLEARED'`+c.d.lockRow, c.t, source, alarmType)
}

// change changes the alarm that is not cleared, if there is one.
func (c *alarmCommand) change(ch platform.AlarmChange) error {
	a, found, err := c.open(ch.Source, ch.Type)
	if err != nil || !found {
		return err
	}
	after, err := c.update(a, platform.AlarmUpdate{At: ch.At, Text: ch.Text, Severity: ch.Severity, Status: ch.Status, Set: ch.Set, Remove: ch.Remove})
	c.told(after)
	return err
}

// update carries out u on the alarm that was just read and locked.
func (c *alarmCommand) update(a platform.Alarm, u platform.AlarmUpdate) (platform.Alarm, error) {
	before := a
	if u.Text != nil {
		a.Text = *u.Text
	}
	if u.Severity != "" {
		a.Severity = u.Severity
	}
	if u.Status != "" {
		a.Status = u.Status
	}
	a.Updated = u.At
	var err error
	if a.Body, err = patched(a.Body, u.Set, u.Remove); err != nil {
		return a, err
	}
	if err := c.run("UPDATE alarms SET text = $3, severity = $4, status = $5, updated = $6, body = $7 WHERE tenant = $1 AND id = $2",
		c.t, a.ID, a.Text, string(a.Severity), string(a.Status), a.Updated, []byte(a.Body)); err != nil {
		return a, err
	}
	return a, c.auditUpdated(before, a)
}

// setStatus changes the status of one alarm. done is false if it has that
// status, is gone, or would be a second one that is not cleared.
func (c *alarmCommand) setStatus(id platform.ID, u platform.AlarmUpdate) (a platform.Alarm, done bool, err error) {
	a, err = one(c.session, "alarm", scanAlarm, "SELECT "+alarmColumns+" FROM alarms WHERE tenant = $1 AND id = $2"+c.d.lockRow, c.t, id)
	if problem.KindOf(err) == problem.NotFound || err == nil && a.Status == u.Status {
		return a, false, nil
	}
	if err != nil {
		return a, false, err
	}
	if a.Status == platform.Cleared {
		if _, taken, err := c.open(a.Source, a.Type); taken || err != nil {
			return a, false, err
		}
	}
	a, err = c.update(a, u)
	return a, err == nil, err
}
