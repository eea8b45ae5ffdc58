package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"mooring/server/platform"
)

// outboxTable holds the audit rows of alarms where the log is in another file:
// they are written in the transaction of what they tell, and moved to the log
// before anybody reads it. Their IDs are given when they are written, so a row
// that is moved twice is there once.
const outboxTable = "audit_outbox"

// audit writes a row about an alarm, in the transaction that changes it.
func (c *alarmCommand) audit(a platform.Alarm, activity, text string, changes []auditChange) error {
	id, err := c.newID()
	if err != nil {
		return err
	}
	r := auditRow{id: id, tenant: c.t, AuditRecord: platform.AuditRecord{
		At: a.Updated, Type: "Alarm", Activity: activity, Text: text, User: c.by, Severity: string(a.Severity), Source: a.ID.String(),
	}}
	if changes != nil {
		list, err := json.Marshal(changes)
		if err != nil {
			return err
		}
		r.Changes = string(list)
	}
	return c.insertAuditInto(c.d.alarmAudits, r)
}

func (c *alarmCommand) auditCreated(a platform.Alarm) error {
	return c.audit(a, "Alarm created", fmt.Sprintf("Device: '%d', alarm text: '%s'", a.Source, a.Text), nil)
}

// auditUpdated writes nothing if nothing changed that people look for.
func (c *alarmCommand) auditUpdated(before, after platform.Alarm) error {
	var changes []auditChange
	for _, f := range []struct{ name, typ, before, after string }{
		{"status", "com.cumulocity.model.event.CumulocityAlarmStatuses", string(before.Status), string(after.Status)},
		{"severity", "com.cumulocity.model.event.CumulocitySeverities", string(before.Severity), string(after.Severity)},
		{"text", "java.lang.String", before.Text, after.Text},
	} {
		if f.before != f.after {
			changes = append(changes, auditChange{Attribute: f.name, Type: f.typ, Kind: "REPLACED", New: f.after, Previous: f.before})
		}
	}
	if changes == nil {
		return nil
	}
	return c.audit(after, "Alarm updated", fmt.Sprintf("Device: '%d', alarm text: '%s'", after.Source, after.Text), changes)
}

// auditChange is one attribute that was changed (rest.md §6.8).
type auditChange struct {
	Attribute string `json:"attribute"`
	Kind      string `json:"changeType"`
	New       string `json:"newValue"`
	Previous  string `json:"previousValue"`
	Type      string `json:"type"` // of the values, as the platform names them
}

// outboxPart is how many rows are moved at once.
const outboxPart = 500

// forwardAudits moves what is in the outbox to the log.
func (s *Store) forwardAudits(ctx context.Context) error {
	if s.d.alarmAudits != outboxTable {
		return nil
	}
	if err := s.forwarding.Take(ctx); err != nil {
		return err
	}
	defer s.forwarding.Give()
	for {
		rows, err := read1(ctx, s.telemetryR, func(tx *session) ([]auditRow, error) {
			return all(tx, scanOutbox, "SELECT tenant, "+auditColumns+" FROM "+outboxTable+" LIMIT $1", outboxPart)
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := s.identity.do(ctx, func(tx *session) error { return tx.insertAudits(rows) }); err != nil {
			return err
		}
		if err := s.telemetry.do(ctx, func(tx *session) error { return tx.emptyOutbox(rows) }); err != nil {
			return err
		}
		if len(rows) < outboxPart {
			return nil
		}
	}
}

func scanOutbox(r *row) auditRow {
	t := tenantKey(r.int())
	a := scanAudit("")(r)
	return auditRow{AuditRecord: a, id: a.ID, tenant: t}
}

func (s *session) emptyOutbox(rows []auditRow) error {
	for _, r := range rows {
		if err := s.run("DELETE FROM "+outboxTable+" WHERE tenant = $1 AND id = $2", r.tenant, r.id); err != nil {
			return err
		}
	}
	return nil
}
