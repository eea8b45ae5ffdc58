package c8yjson

import (
	"encoding/json"

	"mooring/server/telemetry"
)

// Names writes an object whose one member is a list of texts.
func Names(w *Writer, member string, names []string) {
	w.Open('{')
	w.Key(member)
	w.Open('[')
	for _, n := range names {
		w.String(n)
	}
	w.Close(']')
	w.Close('}')
}

// LatestValues is the value of c8y_LatestMeasurements: fragment → series →
// value. values are in the order of fragments.
func LatestValues(values []telemetry.LatestValue) json.RawMessage {
	var w Writer
	w.Open('{')
	for i, v := range values {
		if i == 0 || values[i-1].Fragment != v.Fragment {
			if i > 0 {
				w.Close('}')
			}
			w.Key(v.Fragment)
			w.Open('{')
		}
		w.Key(v.Series)
		w.Open('{')
		w.Key("value")
		w.Raw(v.Value)
		w.TextIf("unit", v.Unit)
		w.Time("time", v.Time)
		w.Close('}')
	}
	if len(values) > 0 {
		w.Close('}')
	}
	w.Close('}')
	return w.Bytes()
}
