package c8yjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Bounds of a body. The platform states none for JSON; 16 MiB is its limit
// for one managed object, and no client nests deeper than a handful.
const (
	MaxBodyBytes = 16 << 20
	MaxDepth     = 64
)

// Object is a JSON object, by its members. A member that occurs twice counts
// with its last value.
type Object map[string]json.RawMessage

// ReadBody reads at most MaxBodyBytes. An empty body is an empty slice.
func ReadBody(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, MaxBodyBytes+1))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || len(body) > MaxBodyBytes {
		return nil, problem.New(problem.TooLarge, "The body is larger than "+strconv.Itoa(MaxBodyBytes)+" bytes.", err)
	}
	if err != nil {
		return nil, problem.New(problem.Invalid, "The body could not be read.", err)
	}
	return body, nil
}

// ParseObject checks body and takes it apart. An empty body is an empty object.
//
// Errors: problem.Invalid unless body is one JSON object in UTF-8, at most
// MaxDepth deep.
func ParseObject(body []byte) (Object, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return Object{}, nil
	}
	compact, err := Compact(body)
	if err != nil {
		return nil, err
	}
	return parseMembers(compact)
}

// ReadObject is ReadBody and ParseObject.
func ReadObject(r io.Reader) (Object, error) {
	body, err := ReadBody(r)
	if err != nil {
		return nil, err
	}
	return ParseObject(body)
}

// Compact checks one JSON value and drops its white space.
func Compact(value []byte) (json.RawMessage, error) {
	switch {
	case len(value) > MaxBodyBytes:
		return nil, problem.New(problem.TooLarge, "The JSON text is too large.", nil)
	case !utf8.Valid(value):
		return nil, problem.New(problem.Invalid, "The body is not UTF-8.", nil)
	case tooDeep(value):
		return nil, problem.New(problem.Invalid, "The JSON is nested deeper than "+strconv.Itoa(MaxDepth)+" levels.", nil)
	}
	var b bytes.Buffer
	b.Grow(len(value))
	if err := json.Compact(&b, value); err != nil {
		return nil, problem.New(problem.Invalid, "The JSON cannot be read.", err)
	}
	return b.Bytes(), nil
}

func parseMembers(compact []byte) (Object, error) {
	if compact[0] != '{' {
		return nil, problem.New(problem.Invalid, "The body must be a JSON object.", nil)
	}
	var o Object
	if err := json.Unmarshal(compact, &o); err != nil {
		return nil, problem.New(problem.Invalid, "The JSON cannot be read.", err)
	}
	return o, nil
}

// tooDeep counts brackets outside of strings, before any decoder recurses.
func tooDeep(b []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// Has reports whether the member is there and not null.
func (o Object) Has(name string) bool {
	v, ok := o[name]
	return ok && !isNull(v)
}

// Text reads a text member; numbers and truth values count as their text, as
// the platform takes them. It is empty if the member is missing or null.
func (o Object) Text(name string) (string, error) {
	v := o[name]
	if isNull(v) {
		return "", nil
	}
	switch v[0] {
	case '"':
		var s string
		if err := json.Unmarshal(v, &s); err != nil || strings.ContainsRune(s, 0) {
			return "", wrongType(name, "a text")
		}
		return s, nil
	case '{', '[':
		return "", wrongType(name, "a text")
	}
	return string(v), nil
}

// Bool reads a truth value, also as the text "true" or "false". set is false
// if the member is missing or null.
func (o Object) Bool(name string) (value, set bool, err error) {
	switch string(o[name]) {
	case "", "null":
		return false, false, nil
	case "true", `"true"`:
		return true, true, nil
	case "false", `"false"`:
		return false, true, nil
	}
	return false, false, wrongType(name, "true or false")
}

// Object reads a member that is an object; nil if it is missing or null.
func (o Object) Object(name string) (Object, error) {
	v := o[name]
	if isNull(v) {
		return nil, nil
	}
	if v[0] != '{' {
		return nil, wrongType(name, "an object")
	}
	return parseMembers(v)
}

// Objects reads a member that is an array of objects.
func (o Object) Objects(name string) ([]Object, error) {
	v := o[name]
	if isNull(v) {
		return nil, nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(v, &items); err != nil {
		return nil, wrongType(name, "an array")
	}
	objects := make([]Object, len(items))
	for i, item := range items {
		if item[0] != '{' {
			return nil, wrongType(name, "an array of objects")
		}
		var err error
		if objects[i], err = parseMembers(item); err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// ID reads an identifier, a string of digits or a number; zero if it is
// missing or null.
func (o Object) ID(name string) (platform.ID, error) {
	s, err := o.Text(name)
	if err != nil || s == "" {
		return 0, err
	}
	id, ok := platform.ParseID(s)
	if !ok {
		return 0, wrongType(name, "an identifier")
	}
	return id, nil
}

// rest is the object without the named members, as one JSON object; nil if
// nothing is left. Null members are left out. Members are in order of names.
func (o Object) rest(known map[string]bool) json.RawMessage {
	var w Writer
	w.Open('{')
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !known[name] && !isNull(o[name]) {
			w.Key(name)
			w.Raw(o[name])
		}
	}
	w.Close('}')
	if len(w.buf) == len("{}") {
		return nil
	}
	return w.buf
}

func isNull(v json.RawMessage) bool { return len(v) == 0 || string(v) == "null" }

func wrongType(name, want string) error {
	return problem.WithCode(problem.Unprocessable, "undefined/validationError", "'"+name+"' must be "+want+".", nil)
}

// Missing is the problem of mandatory members that are not there (rest.md §0.4).
func Missing(names ...string) error {
	return problem.WithCode(problem.Unprocessable, "undefined/validationError",
		"Following mandatory fields should be included: "+strings.Join(names, ","), nil)
}

// require lists those of names that are missing, as a problem, in alphabetical order.
func (o Object) require(names ...string) error {
	var missing []string
	for _, n := range names {
		if !o.Has(n) {
			missing = append(missing, n)
		}
	}
	if missing == nil {
		return nil
	}
	slices.Sort(missing)
	return Missing(missing...)
}
