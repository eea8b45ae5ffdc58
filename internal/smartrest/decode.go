package smartrest

import (
	"strings"
	"time"
)

// Decode turns a parsed line into the record of its static template. A value that
// is empty and not mandatory gets the template's default; times default to now,
// the moment of arrival. Values beyond the last parameter are ignored.
//
// The error is an *Error: the line's own, 40 for an unknown template, 45 for a
// missing or wrong value.
func Decode(l Line, now time.Time) (Record, error) {
	if l.Err != nil {
		return nil, l.Err
	}
	t := byID(l.TemplateID)
	if t == nil {
		return nil, NewError(CodeNoTemplate, l.TemplateID, TextNoTemplate)
	}
	a := args{template: t, line: l, now: now}
	if !a.check() {
		return nil, a.err
	}
	r := t.decode(&a)
	if a.err != nil {
		return nil, a.err
	}
	return r, nil
}

// args gives a template's decoder its values. The first problem found is kept in
// err; the decoder goes on with zero values and its record is thrown away.
type args struct {
	template *Template
	line     Line
	now      time.Time
	err      *Error
}

// check holds the line against the template's parameters.
func (a *args) check() bool {
	t := a.template
	fixed := len(t.Params) - t.Repeat
	for i, p := range t.Params[:fixed] {
		a.checkValue(p, a.line.Field(i))
	}
	groups := 0
	for i := fixed; t.Repeat > 0 && i < len(a.line.Fields); i += t.Repeat {
		if a.empty(i) {
			continue
		}
		groups++
		for j, p := range t.Params[fixed:] {
			a.checkValue(p, a.line.Field(i+j))
		}
	}
	if groups < t.AtLeast {
		a.fail("Wrong number of arguments: " + t.Params[fixed].Name + " is missing")
	}
	return a.err == nil
}

// empty reports whether the group at i has no value at all.
func (a *args) empty(i int) bool {
	for j := range a.template.Repeat {
		if a.line.Field(i+j) != "" {
			return false
		}
	}
	return true
}

func (a *args) checkValue(p Param, v string) {
	if v == "" {
		if p.Mandatory {
			a.fail("Wrong number of arguments: " + p.Name + " is missing")
		}
		return
	}
	ok := true
	switch p.Kind {
	case Decimal:
		_, ok = ParseNumber(v)
	case Integer:
		_, ok = parseInteger(v)
	case Boolean:
		_, ok = parseBool(v)
	case Date:
		_, ok = ParseTime(v, a.now)
	case Severe:
		_, ok = parseSeverity(v)
	}
	if !ok {
		a.failKind(p.Kind, v)
	}
}

func (a *args) fail(text string) {
	if a.err == nil {
		a.err = NewError(CodeArgument, a.template.ID, text)
	}
}

func (a *args) failKind(kind Kind, v string) {
	a.fail("Value is not a " + string(kind) + ": " + v)
}

func (a *args) text(i int) string { return a.line.Field(i) }

// or returns the i-th value, or the default if it is empty.
func (a *args) or(i int, byDefault string) string {
	if v := a.line.Field(i); v != "" {
		return v
	}
	return byDefault
}

func (a *args) number(i int) Number {
	n, _ := ParseNumber(a.line.Field(i))
	return n
}

func (a *args) time(i int) time.Time {
	t, _ := ParseTime(a.line.Field(i), a.now)
	return t
}

// list returns the values from i on that are not empty.
func (a *args) list(i int) []string {
	var list []string
	for ; i < len(a.line.Fields); i++ {
		if v := a.line.Fields[i]; v != "" {
			list = append(list, v)
		}
	}
	return list
}

// rest returns the values from i on as they are, empty ones included.
func (a *args) rest(i int) []string {
	if i >= len(a.line.Fields) {
		return nil
	}
	return a.line.Fields[i:]
}

// groups calls f with the place of every group from i on that has a value.
func (a *args) groups(i int, f func(i int)) {
	for ; i < len(a.line.Fields); i += a.template.Repeat {
		if !a.empty(i) {
			f(i)
		}
	}
}

func parseSeverity(s string) (Severity, bool) {
	for _, v := range []Severity{Critical, Major, Minor, Warning} {
		if strings.EqualFold(s, string(v)) {
			return v, true
		}
	}
	return "", false
}
