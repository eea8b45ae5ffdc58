package template

import "strings"

// Path is a parsed JSONPath, as much of the language as templates use:
//
//	path  = [ "$" ] *( "." name / ".*" / ".." name / "..*" / [ ".." ] "[" inner "]" )
//	inner = "*" / index *( "," index ) / [ index ] ":" [ index ] [ ":" step ]
//	      / quoted *( "," quoted ) / "?(" condition ")"
//
// The dot before the first name may be missing. A negative index counts from the
// end. Conditions are those of parseCondition.
type Path struct {
	text  string
	steps []step
}

type step struct {
	kind    stepKind
	deep    bool // ".." stands before it: here and wherever below
	name    string
	names   []string // of several
	index   int
	indexes []int // of several
	slice   slice
	filter  condition
}

type stepKind byte

const (
	member   stepKind = iota // .name
	members                  // ['a','b']
	element                  // [1]
	elements                 // [0,2]
	part                     // [1:3]
	every                    // [*]
	filtered                 // [?(@.a > 1)]
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
	if len(p.steps) == 0 || p.steps[0].kind != member || p.steps[0].deep {
		return ""
	}
	return p.steps[0].name
}

// Mentions reports whether the path may look into a member of the name at the top.
func (p Path) Mentions(name string) bool {
	if len(p.steps) == 0 {
		return false // the object itself, which is no field anybody reads
	}
	st := p.steps[0]
	if st.kind == member && !st.deep {
		return st.name == name
	}
	return st.deep || st.kind == every || st.kind == filtered || st.kind == members && contains(st.names, name)
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// Definite reports whether the path finds one value at most, and Filtered whether
// it has a condition.
func (p Path) Definite() bool {
	for _, st := range p.steps {
		if st.deep || st.kind != member && st.kind != element {
			return false
		}
	}
	return true
}

// Filtered: see Definite.
func (p Path) Filtered() bool {
	for _, st := range p.steps {
		if st.kind == filtered {
			return true
		}
	}
	return false
}

// after returns the path p below base.
func (p Path) after(base Path) Path {
	steps := make([]step, 0, len(base.steps)+len(p.steps))
	return Path{text: p.text, steps: append(append(steps, base.steps...), p.steps...)}
}

// settable says whether the path names one place: members and whole positions.
func (p Path) settable() bool {
	for i, st := range p.steps {
		if st.kind == element && (st.index < 0 || i == 0) {
			return false
		}
	}
	return len(p.steps) > 0 && p.Definite()
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
