package c8yjson

import "mooring/server/platform"

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
	w.Time("creationTime", r.At)
	w.Time("time", r.At)
	w.Text("type", r.Type)
	w.Text("activity", r.Activity)
	w.Text("text", r.Text)
	w.Text("severity", severity)
	w.TextIf("user", r.User)
	if r.Source != "" {
		w.Key("source")
		w.Open('{')
		w.Text("id", r.Source)
		w.Close('}')
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
	for name, into := range map[string]*string{"activity": &r.Activity, "text": &r.Text, "type": &r.Type, "severity": &r.Severity} {
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
	inner, err := o.Object("source")
	if err != nil {
		return r, err
	}
	r.Source, err = inner.Text("id")
	return r, err
}
