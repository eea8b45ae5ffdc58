package smartrest

import "strings"

// Names of the built-in measurements (mqtt.md §4.3; series and units inferred
// there, no source states them).
const (
	typeSignalStrength = "c8y_SignalStrength"
	typeTemperature    = "c8y_TemperatureMeasurement"
	typeBattery        = "c8y_Battery"
)

// Types and texts of the built-in events. The text of a location event is not
// documented.
const (
	TypeLocationUpdate  = "c8y_LocationUpdate"
	TextLocationUpdate  = "Location updated"
	TypeParameterUpdate = "c8y_ParameterUpdate"
)

func customMeasurement(a *args) Record {
	v := Value{Fragment: a.text(0), Series: a.text(1), Value: a.number(2), Unit: a.text(3)}
	return Measurement{Type: v.Fragment, Time: a.time(4), Values: []Value{v}}
}

func measurementList(a *args) Record {
	r := Measurement{Type: a.text(0), Time: a.time(1)}
	a.groups(2, func(i int) {
		r.Values = append(r.Values, Value{Fragment: a.text(i), Series: a.text(i + 1), Value: a.number(i + 2), Unit: a.text(i + 3)})
	})
	return r
}

func signalStrength(a *args) Record {
	r := Measurement{Type: typeSignalStrength, Time: a.time(2)}
	if n := a.number(0); n != "" {
		r.Values = append(r.Values, Value{typeSignalStrength, "rssi", n, "dBm"})
	}
	if n := a.number(1); n != "" {
		r.Values = append(r.Values, Value{typeSignalStrength, "ber", n, "%"})
	}
	if r.Values == nil {
		a.fail("Wrong number of arguments: RSSI or BER is missing")
	}
	return r
}

func temperature(a *args) Record { return single(a, typeTemperature, "T", "C") }
func battery(a *args) Record     { return single(a, typeBattery, "level", "%") }

func single(a *args, name, series, unit string) Record {
	return Measurement{Type: name, Time: a.time(1), Values: []Value{{name, series, a.number(0), unit}}}
}

func alarm(s Severity) func(*args) Record {
	return func(a *args) Record {
		t := a.text(0)
		return Alarm{Severity: s, Type: t, Text: a.or(1, "Alarm of type "+t+" raised"), Time: a.time(2)}
	}
}

func alarmSeverity(a *args) Record {
	s, _ := parseSeverity(a.text(1))
	return AlarmSeverity{Type: a.text(0), Severity: s}
}

func clearAlarm(a *args) Record { return ClearAlarm{Type: a.text(0)} }

func removeAlarmFragments(a *args) Record {
	return RemoveAlarmFragments{Type: a.text(0), Fragments: a.list(1)}
}

func event(a *args) Record { return Event{Type: a.text(0), Text: a.text(1), Time: a.time(2)} }

// locationEvent reads the time as fifth value, and as fourth where that is not a
// number: the vendor's parameter table and its tracking page disagree.
func locationEvent(updateDevice bool) func(*args) Record {
	return func(a *args) Record {
		at, p := a.time(4), positionOf(a)
		if v := a.text(3); v != "" && p.Accuracy == "" {
			t, ok := ParseTime(v, a.now)
			if !ok || a.text(4) != "" {
				a.failKind(Decimal, v)
			}
			at = t
		}
		return Event{Type: TypeLocationUpdate, Text: TextLocationUpdate, Time: at, Position: &p, UpdateDevice: updateDevice}
	}
}

func removeEventFragments(a *args) Record {
	return RemoveEventFragments{Type: a.text(0), Fragments: a.list(1)}
}

func parameterUpdate(a *args) Record {
	onlyChanges, _ := parseBool(a.text(2))
	r := ParameterUpdate{Text: a.text(0), Time: a.time(1), OnlyChanges: onlyChanges}
	a.groups(3, func(i int) {
		r.Parameters = append(r.Parameters, Parameter{Path: a.text(i), Type: strings.ToUpper(a.text(i + 1)), Value: a.text(i + 2)})
	})
	if r.Text == "" && len(r.Parameters) > 0 {
		fragment, _, _ := strings.Cut(r.Parameters[0].Path, ".")
		r.Text = "Parameter '" + fragment + "' was updated"
	}
	return r
}
