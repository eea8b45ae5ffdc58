package template

import (
	"strconv"
	"strings"
)

// Path is a parsed JSONPath, as much of the language as templates use:
//
//	path = [ "$" ] *( "." name / "[" index "]" / "[" quoted name "]" / "[*]" / ".*" )
//
// The dot before the first name may be missing. Filters, slices and ".." are not
// understood. A negative index counts from the end.
type Path struct {
	text  string
	steps []step
}

type step struct {
	kind  stepKind
	name  string
	index int
}

type stepKind byte

const (
	member  stepKind = iota // .name
	element                 // [1]
	every                   // [*]
)

// Bounds of a path and of what it selects; ours.
const (
	MaxPathBytes = 512
	maxSteps     = 32
	maxIndex     = 999
	MaxSelected  = 1000
)

// ParsePath reads a path. An empty one, like "$", is the object itself.
func ParsePath(s string) (Path, bool) {
	p := Path{text: s}
	if len(s) > MaxPathBytes {
		return Path{}, false
	}
	rest, rooted := strings.CutPrefix(s, "$")
	if !rooted && rest != "" && rest[0] != '[' && rest[0] != '.' {
		rest = "." + rest
	}
	for rest != "" {
		var st step
		var ok bool
		if st, rest, ok = cutStep(rest); !ok || len(p.steps) == maxSteps {
			return Path{}, false
		}
		p.steps = append(p.steps, st)
	}
	return p, true
}

// cutStep reads the step that s begins with.
func cutStep(s string) (st step, rest string, ok bool) {
	if s[0] == '.' {
		end := strings.IndexAny(s[1:], ".[") + 1
		if end == 0 {
			end = len(s)
		}
		if s[1:end] == "*" {
			return step{kind: every}, s[end:], true
		}
		return step{name: s[1:end]}, s[end:], end > 1
	}
	if s[0] != '[' || len(s) < 3 {
		return st, "", false
	}
	if q := s[1]; q == '\'' || q == '"' {
		name, after, found := strings.Cut(s[2:], string(q)+"]")
		return step{name: name}, after, found && name != ""
	}
	inner, after, found := strings.Cut(s[1:], "]")
	if inner == "*" {
		return step{kind: every}, after, found
	}
	n, err := strconv.Atoi(inner)
	return step{kind: element, index: n}, after, found && err == nil && n <= maxIndex && n >= -maxIndex
}

// mustPath is for paths that stand in the program.
func mustPath(s string) Path {
	p, ok := ParsePath(s)
	if !ok {
		panic("path " + s)
	}
	return p
}

// String is the path as it was written.
func (p Path) String() string { return p.text }

// First is the name of the member that the path leads into; empty if it begins
// otherwise.
func (p Path) First() string {
	if len(p.steps) == 0 || p.steps[0].kind != member {
		return ""
	}
	return p.steps[0].name
}

// after returns the path p below base.
func (p Path) after(base Path) Path {
	steps := make([]step, 0, len(base.steps)+len(p.steps))
	return Path{text: p.text, steps: append(append(steps, base.steps...), p.steps...)}
}

// settable says whether the path names one place: members and whole positions.
func (p Path) settable() bool {
	for i, st := range p.steps {
		if st.kind == every || st.kind == element && (st.index < 0 || i == 0) {
			return false
		}
	}
	return len(p.steps) > 0
}

// Select returns what the path finds in a decoded JSON value, at most MaxSelected.
func (p Path) Select(v any) []any {
	steps := maxSteps * MaxSelected
	return p.within(v, &steps)
}

// within is Select that looks at *left values at most and counts them off.
func (p Path) within(v any, left *int) []any {
	found := []any{v}
	for _, st := range p.steps {
		var next []any
		for _, v := range found {
			before := len(next)
			next = st.appendFrom(next, v)
			if *left -= 1 + len(next) - before; *left < 0 {
				return nil
			}
			if len(next) > MaxSelected {
				next = next[:MaxSelected]
				break
			}
		}
		if found = next; len(found) == 0 {
			return nil
		}
	}
	return found
}

// appendFrom appends what the step finds in v.
func (st step) appendFrom(list []any, v any) []any {
	switch v := v.(type) {
	case map[string]any:
		if st.kind == member {
			if inner, ok := v[st.name]; ok {
				list = append(list, inner)
			}
		} else if st.kind == every {
			list = append(list, sorted(v)...)
		}
	case []any:
		i := st.index
		if i < 0 {
			i += len(v)
		}
		if st.kind == every {
			list = append(list, v...)
		} else if st.kind == element && i >= 0 && i < len(v) {
			list = append(list, v[i])
		}
	}
	return list
}

// Set puts value at the path of o, making what lies between. What is in the way and
// no object or list gives way. A list grows by one element at a time.
func (p Path) Set(o map[string]any, value any) bool {
	if !p.settable() {
		return false
	}
	var slot any = o
	put := func(any) {}
	for _, st := range p.steps {
		if st.kind == member {
			m, ok := slot.(map[string]any)
			if !ok {
				m = map[string]any{}
				put(m)
			}
			put, slot = func(v any) { m[st.name] = v }, m[st.name]
			continue
		}
		l, _ := slot.([]any)
		if st.index > len(l) {
			return false
		}
		if st.index == len(l) {
			l = append(l, nil)
			put(l)
		}
		put, slot = func(v any) { l[st.index] = v }, l[st.index]
	}
	put(value)
	return true
}
