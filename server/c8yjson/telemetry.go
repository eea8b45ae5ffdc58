package c8yjson

import (
	"strings"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Where measurements, events and alarms live.
const (
	PathMeasurements = "/measurement/measurements/"
	PathEvents       = "/event/events/"
	PathAlarms       = "/alarm/alarms/"
)

// The members of telemetry that are no fragments.
var (
	measurementMembers = map[string]bool{"id": true, "self": true, "source": true, "type": true, "time": true}
	eventMembers       = map[string]bool{"id": true, "self": true, "source": true, "type": true, "time": true,
		"text": true, "creationTime": true, "lastUpdated": true}
	alarmMembers = map[string]bool{"id": true, "self": true, "source": true, "type": true, "time": true,
		"text": true, "creationTime": true, "lastUpdated": true, "severity": true, "status": true, "count": true,
		"firstOccurrenceTime": true, "history": true}
)

// Measurement writes m (rest.md §6.4).
func Measurement(w *Writer, base string, m platform.Measurement) {
	w.Open('{')
	w.ID("id", m.ID)
	w.Link("self", base, PathMeasurements, m.ID.String())
	source(w, base, m.Source)
	w.Text("type", m.Type)
	w.Time("time", m.Time)
	w.Members(m.Body)
	w.Close('}')
}

// ParseMeasurement reads a measurement; source, time and type are mandatory.
func ParseMeasurement(o Object) (platform.Measurement, error) {
	if err := o.require("source", "type", "time"); err != nil {
		return platform.Measurement{}, err
	}
	m := platform.Measurement{Body: o.rest(measurementMembers)}
	var err error
	m.Source, m.Type, m.Time, err = parseCommon(o)
	return m, err
}

// Event writes e (rest.md §6.5).
func Event(w *Writer, base string, e platform.Event) {
	w.Open('{')
	w.ID("id", e.ID)
	w.Link("self", base, PathEvents, e.ID.String())
	namedSource(w, base, e.Source, e.SourceName)
	w.Text("type", e.Type)
	w.Text("text", e.Text)
	w.Time("time", e.Time)
	w.Time("creationTime", e.Created)
	w.Time("lastUpdated", e.Updated)
	w.Members(e.Body)
	w.Close('}')
}

// ParseEvent reads an event; source, type, text and time are mandatory.
func ParseEvent(o Object) (platform.Event, error) {
	if err := o.require("source", "type", "text", "time"); err != nil {
		return platform.Event{}, err
	}
	e := platform.Event{Body: o.rest(eventMembers)}
	var err error
	if e.Source, e.Type, e.Time, err = parseCommon(o); err != nil {
		return platform.Event{}, err
	}
	e.Text, err = o.Text("text")
	return e, err
}

// Alarm writes a (rest.md §6.6).
func Alarm(w *Writer, base string, a platform.Alarm) {
	w.Open('{')
	w.ID("id", a.ID)
	w.Link("self", base, PathAlarms, a.ID.String())
	namedSource(w, base, a.Source, a.SourceName)
	w.Text("type", a.Type)
	w.Text("text", a.Text)
	w.Text("severity", string(a.Severity))
	w.Text("status", string(a.Status))
	w.Int("count", a.Count)
	w.Time("time", a.Time)
	w.TimeIf("firstOccurrenceTime", a.FirstOccurrence)
	w.Time("creationTime", a.Created)
	w.Time("lastUpdated", a.Updated)
	w.Members(a.Body)
	w.Close('}')
}

// AlarmUpsert writes the answer to an upsert (OpenAPI, alarmUpsertResponse).
func AlarmUpsert(w *Writer, base string, before *platform.Alarm, after platform.Alarm) {
	w.Open('{')
	w.Key("alarm")
	Alarm(w, base, after)
	w.Key("previousState")
	if before == nil {
		w.Raw(nil)
	} else {
		Alarm(w, base, *before)
	}
	w.Close('}')
}

// ParseAlarm reads an alarm; source, type, text, severity and time are
// mandatory, the status is ACTIVE unless it is given.
func ParseAlarm(o Object) (platform.Alarm, error) {
	if err := o.require("source", "type", "text", "severity", "time"); err != nil {
		return platform.Alarm{}, err
	}
	a := platform.Alarm{Body: o.rest(alarmMembers), Status: platform.Active}
	var err error
	if a.Source, a.Type, a.Time, err = parseCommon(o); err != nil {
		return platform.Alarm{}, err
	}
	if a.Text, err = o.Text("text"); err != nil {
		return platform.Alarm{}, err
	}
	severity, err := o.Text("severity")
	if err != nil {
		return platform.Alarm{}, err
	}
	if a.Severity, err = ParseSeverity(severity); err != nil || !o.Has("status") {
		return a, err
	}
	status, err := o.Text("status")
	if err != nil {
		return platform.Alarm{}, err
	}
	a.Status, err = ParseAlarmStatus(status)
	return a, err
}

func parseCommon(o Object) (id platform.ID, typ string, at time.Time, err error) {
	if id, err = parseSource(o); err != nil {
		return 0, "", at, err
	}
	if typ, err = o.Text("type"); err != nil {
		return 0, "", at, err
	}
	text, err := o.Text("time")
	if err != nil {
		return 0, "", at, err
	}
	at, err = ParseTime(text)
	return id, typ, at, err
}

// ParseSeverity reads one of the four severities, in any case.
func ParseSeverity(s string) (platform.Severity, error) {
	switch v := platform.Severity(strings.ToUpper(s)); v {
	case platform.Critical, platform.Major, platform.Minor, platform.Warning:
		return v, nil
	}
	return "", problem.WithCode(problem.Unprocessable, "undefined/validationError",
		"'severity' must be CRITICAL, MAJOR, MINOR or WARNING.", nil)
}

// ParseAlarmStatus reads one of the three states, in any case.
func ParseAlarmStatus(s string) (platform.AlarmStatus, error) {
	switch v := platform.AlarmStatus(strings.ToUpper(s)); v {
	case platform.Active, platform.Acknowledged, platform.Cleared:
		return v, nil
	}
	return "", problem.WithCode(problem.Unprocessable, "undefined/validationError",
		"'status' must be ACTIVE, ACKNOWLEDGED or CLEARED.", nil)
}
