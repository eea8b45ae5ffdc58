package mqttapi

import (
	"encoding/json"

	"mooring/internal/smartrest"
)

// reserved are the properties of a measurement that are no fragments (rest.md §6);
// a fragment of such a name would hide one of them.
var reserved = map[string]bool{"id": true, "self": true, "source": true, "time": true, "type": true}

// measurementJSON writes {"<fragment>":{"<series>":{"value":25,"unit":"C"}}}.
// Numbers stay as sent. Of two values for the same series the last one counts.
func measurementJSON(r smartrest.Measurement) (json.RawMessage, error) {
	var fragments []string // in the order they come
	values := r.Values
	for _, v := range values {
		if reserved[v.Fragment] {
			return nil, smartrest.NewError(smartrest.CodeArgument, "", "Fragment "+v.Fragment+" is a reserved name")
		}
		if !contains(fragments, v.Fragment) {
			fragments = append(fragments, v.Fragment)
		}
	}
	b := make([]byte, 0, 64*len(values))
	for i, f := range fragments {
		b = append(b, separator(i)...)
		b = appendText(b, f)
		b = append(b, ':')
		b = appendSeries(b, f, values)
	}
	return append(b, '}'), nil
}

// separator opens an object before its first member.
func separator(i int) string {
	if i == 0 {
		return "{"
	}
	return ","
}

func appendSeries(b []byte, fragment string, values []smartrest.Value) []byte {
	n := 0
	for i, v := range values {
		if v.Fragment != fragment || again(values[i+1:], v) {
			continue
		}
		b = append(b, separator(n)...)
		n++
		b = appendText(b, v.Series)
		b = append(b, `:{"value":`...)
		b = append(b, v.Value...)
		if v.Unit != "" {
			b = append(b, `,"unit":`...)
			b = appendText(b, v.Unit)
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

// again reports whether the series of v comes again.
func again(values []smartrest.Value, v smartrest.Value) bool {
	for i := range values {
		if values[i].Fragment == v.Fragment && values[i].Series == v.Series {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// appendText writes a JSON string; nearly all need no escape.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always marshals
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
