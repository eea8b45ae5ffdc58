package c8yjson

import (
	"encoding/json"
	"maps"

	"mooring/server/platform"
)

// PatchEvent applies the body of an update to e: text and fragments change,
// a fragment sent as null goes (rest.md §0.2).
func PatchEvent(e *platform.Event, o Object) error {
	if o.Has("text") {
		text, err := o.Text("text")
		if err != nil {
			return err
		}
		e.Text = text
	}
	var err error
	e.Body, err = patchBody(e.Body, o, eventMembers)
	return err
}

// PatchAlarm applies the body of an update to a: text, status, severity and
// fragments change.
func PatchAlarm(a *platform.Alarm, o Object) error {
	if o.Has("text") {
		text, err := o.Text("text")
		if err != nil {
			return err
		}
		a.Text = text
	}
	if o.Has("severity") {
		text, err := o.Text("severity")
		if err != nil {
			return err
		}
		if a.Severity, err = ParseSeverity(text); err != nil {
			return err
		}
	}
	if o.Has("status") {
		text, err := o.Text("status")
		if err != nil {
			return err
		}
		if a.Status, err = ParseAlarmStatus(text); err != nil {
			return err
		}
	}
	var err error
	a.Body, err = patchBody(a.Body, o, alarmMembers)
	return err
}

// patchBody replaces or removes whole fragments of body. It makes a new one.
func patchBody(body json.RawMessage, o Object, known map[string]bool) (json.RawMessage, error) {
	merged, err := ParseObject(body)
	if err != nil {
		return nil, err
	}
	changes := maps.Clone(o)
	maps.DeleteFunc(changes, func(name string, _ json.RawMessage) bool { return known[name] })
	maps.Copy(merged, changes)
	return merged.rest(known), nil
}
