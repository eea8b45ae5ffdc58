package template

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"mooring/internal/smartrest"
)

// ValueType is what a value must look like (mqtt.md §6.2).
type ValueType string

// The types.
const (
	String          ValueType = "STRING"
	Date            ValueType = "DATE"
	Number          ValueType = "NUMBER"
	Integer         ValueType = "INTEGER"
	Unsigned        ValueType = "UNSIGNED"
	Flag            ValueType = "FLAG" // an empty object; the device sends nothing
	Severity        ValueType = "SEVERITY"
	AlarmStatus     ValueType = "ALARMSTATUS"
	OperationStatus ValueType = "OPERATIONSTATUS"
	Boolean         ValueType = "BOOLEAN" // ours: template 408 has it
)

// words are the values of the types that have few.
var words = map[ValueType][]string{
	Severity:        {"CRITICAL", "MAJOR", "MINOR", "WARNING"},
	AlarmStatus:     {"ACTIVE", "ACKNOWLEDGED", "CLEARED"},
	OperationStatus: {"PENDING", "EXECUTING", "SUCCESSFUL", "FAILED"},
	Boolean:         {"TRUE", "FALSE"},
}

// TimeFormat is how times are written into documents (rest.md §0.6).
const TimeFormat = "2006-01-02T15:04:05.000Z"

// Known reports whether there is such a type.
func (t ValueType) Known() bool {
	switch t {
	case String, Date, Number, Integer, Unsigned, Flag:
		return true
	}
	return words[t] != nil
}

// JSON makes a JSON value of what was sent. An empty date is now.
func (t ValueType) JSON(s string, now time.Time) (any, bool) {
	switch t {
	case String:
		return s, true
	case Date:
		at, ok := smartrest.ParseTime(s, now)
		return at.UTC().Format(TimeFormat), ok
	case Number:
		n, ok := smartrest.ParseNumber(s)
		return json.Number(n), ok
	case Integer:
		n, err := strconv.ParseInt(s, 10, 64)
		return json.Number(strconv.FormatInt(n, 10)), err == nil
	case Unsigned:
		n, err := strconv.ParseUint(s, 10, 63)
		return json.Number(strconv.FormatUint(n, 10)), err == nil
	case Flag:
		return map[string]any{}, true
	}
	word := strings.ToUpper(s)
	ok := slices.Contains(words[t], word)
	if t == Boolean {
		return word == "TRUE", ok
	}
	return word, ok
}

// Decode reads a JSON value so that numbers stay as they are written.
func Decode(b []byte) (any, error) {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// Text is a decoded JSON value as a field of a line.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	b, _ := json.Marshal(v) // what was decoded marshals
	return string(b)
}

// sorted lists the members of an object in the order of their names.
func sorted(m map[string]any) []any {
	list := make([]any, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[name])
	}
	return list
}
