package c8yjson

import (
	"encoding/json"

	"mooring/server/platform"
)

// PathAuditRecords is where audit records live.
const PathAuditRecords = "/audit/auditRecords/"

// AuditRecord writes r (rest.md §6.8).
func AuditRecord(w *Writer, base string, r platform.AuditRecord) {
	severity := r.Severity
	if severity == "" {
		severity = "information"
	}
	w.Open('{')
	w.ID("id", r.ID)
	w.Link("self", base, PathAuditRecords, r.ID.String())
	created := r.Created
	if created.IsZero() {
		created = r.At
	}
	w.Time("creationTime", created)
	w.Time("time", r.At)
	w.Text("type", r.Type)
	w.Text("activity", r.Activity)
	w.Text("text", r.Text)
	w.Text("severity", severity)
	w.TextIf("user", r.User)
	w.TextIf("application", r.Application)
	if r.Source != "" {
		w.Key("source")
		w.Open('{')
		w.Text("id", r.Source)
		if id, ok := platform.ParseID(r.Source); ok {
			w.Link("self", base, PathManagedObjects, id.String())
		}
		w.Close('}')
	}
	if r.Changes != "" {
		w.Key("changes")
		w.Raw(json.RawMessage(r.Changes))
	}
	w.Close('}')
}

// ParseAuditRecord reads a record that a client adds; activity, text, time and
// type are mandatory.
func ParseAuditRecord(o Object) (platform.AuditRecord, error) {
	if err := o.require("activity", "text", "time", "type"); err != nil {
		return platform.AuditRecord{}, err
	}
	var r platform.AuditRecord
	for name, into := range map[string]*string{"activity": &r.Activity, "text": &r.Text, "type": &r.Type, "severity": &r.Severity, "application": &r.Application} {
		var err error
		if *into, err = o.Text(name); err != nil {
			return r, err
		}
	}
	at, err := o.Text("time")
	if err != nil {
		return r, err
	}
	if r.At, err = ParseTime(at); err != nil {
		return r, err
	}
	if o.Has("changes") {
		if _, err := o.Objects("changes"); err != nil {
			return r, err
		}
		r.Changes = string(o["changes"])
	}
	inner, err := o.Object("source")
	if err != nil {
		return r, err
	}
	r.Source, err = inner.Text("id")
	return r, err
}
