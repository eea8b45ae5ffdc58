package c8yjson

import (
	"encoding/json"

	"mooring/server/platform"
)

// ParseEventUpdate reads the body of an update: text and fragments change, a
// fragment sent as null goes, what else an event has stays (rest.md §0.2).
func ParseEventUpdate(id platform.ID, o Object) (platform.EventUpdate, error) {
	u := platform.EventUpdate{ID: id}
	var err error
	if u.Text, err = o.optionalText("text"); err != nil {
		return u, err
	}
	u.Set, u.Remove = o.fragments(eventMembers)
	return u, nil
}

// ParseAlarmUpdate reads the body of an update: text, status, severity and
// fragments change.
func ParseAlarmUpdate(id platform.ID, o Object) (platform.AlarmUpdate, error) {
	u := platform.AlarmUpdate{ID: id}
	var err error
	if u.Text, err = o.optionalText("text"); err != nil {
		return u, err
	}
	if severity, err := o.optionalText("severity"); err != nil {
		return u, err
	} else if severity != nil {
		if u.Severity, err = ParseSeverity(*severity); err != nil {
			return u, err
		}
	}
	if status, err := o.optionalText("status"); err != nil {
		return u, err
	} else if status != nil {
		if u.Status, err = ParseAlarmStatus(*status); err != nil {
			return u, err
		}
	}
	u.Set, u.Remove = o.fragments(alarmMembers)
	return u, nil
}

// ParseAlarmUpsert reads what is either a new alarm or a change of one; source
// and type alone are mandatory (OpenAPI, alarmUpsert). An empty time is for the
// service to fill.
func ParseAlarmUpsert(o Object) (platform.AlarmUpsert, error) {
	var u platform.AlarmUpsert
	if err := o.require("source", "type"); err != nil {
		return u, err
	}
	var err error
	if u.Update, err = ParseAlarmUpdate(0, o); err != nil {
		return u, err
	}
	a := platform.Alarm{Severity: platform.Major, Status: platform.Active, Body: o.rest(alarmMembers)}
	if a.Source, err = parseSource(o); err != nil {
		return u, err
	}
	if a.Type, err = o.Text("type"); err != nil {
		return u, err
	}
	if u.Update.Text != nil {
		a.Text = *u.Update.Text
	}
	if u.Update.Severity != "" {
		a.Severity = u.Update.Severity
	}
	if u.Update.Status != "" {
		a.Status = u.Update.Status
	}
	if at, err := o.optionalText("time"); err != nil {
		return u, err
	} else if at != nil {
		if a.Time, err = ParseTime(*at); err != nil {
			return u, err
		}
	}
	u.Alarm = a
	return u, nil
}

// optionalText is nil if the member is missing or null.
func (o Object) optionalText(name string) (*string, error) {
	if !o.Has(name) {
		return nil, nil
	}
	s, err := o.Text(name)
	return &s, err
}

// fragments are the members besides the known ones: those to set, and the names
// of those sent as null.
func (o Object) fragments(known map[string]bool) (set platform.Fragments, remove []string) {
	for name, v := range o {
		switch {
		case known[name]:
		case isNull(v):
			remove = append(remove, name)
		default:
			if set == nil {
				set = platform.Fragments{}
			}
			set[name] = json.RawMessage(v)
		}
	}
	return set, remove
}
