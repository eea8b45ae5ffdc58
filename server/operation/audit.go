package operation

import (
	"encoding/json"
	"strings"
	"time"

	"mooring/server/platform"
)

// auditType is the type of audit records about operations (rest.md §6.8).
const auditType = "Operation"

// maxAuditText bounds what of a client's text goes into an audit record; ours.
const maxAuditText = 500

func createdAudit(o platform.Operation) platform.AuditRecord {
	return record(o, "Operation created", o.Creator, o.Created)
}

// changedAudit is about o as it is after the change.
func changedAudit(o platform.Operation, user string) platform.AuditRecord {
	return record(o, "Operation updated", user, o.Updated)
}

func record(o platform.Operation, activity, user string, at time.Time) platform.AuditRecord {
	text := activity + ": status='" + string(o.Status) + "'"
	var description string
	if json.Unmarshal(o.Fragments["description"], &description) == nil && description != "" {
		text += ", description='" + cut(description) + "'"
	}
	if o.FailureReason != "" {
		text += ", failureReason='" + cut(o.FailureReason) + "'"
	}
	return platform.AuditRecord{Tenant: o.Tenant, At: at, Type: auditType, Activity: activity, Text: text, User: user, Source: o.ID.String()}
}

// describe tells which operations a filter selects.
func describe(f platform.OperationFilter) string {
	var parts []string
	for _, p := range []struct {
		name string
		id   platform.ID
	}{{"deviceId", f.Device}, {"agentId", f.Agent}, {"bulkOperationId", f.Bulk}} {
		if p.id != 0 {
			parts = append(parts, p.name+"="+p.id.String())
		}
	}
	if f.Status != "" {
		parts = append(parts, "status="+string(f.Status))
	}
	if f.Fragment != "" {
		parts = append(parts, "fragmentType="+cut(f.Fragment))
	}
	if !f.From.IsZero() {
		parts = append(parts, "dateFrom="+f.From.Format(timeFormat))
	}
	if !f.To.IsZero() {
		parts = append(parts, "dateTo="+f.To.Format(timeFormat))
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ", ")
}

// cut shortens text between runes.
func cut(s string) string { return cutTo(s, maxAuditText) }

func cutTo(s string, maxBytes int) string {
	if len(s) <= maxBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxBytes], "")
}
