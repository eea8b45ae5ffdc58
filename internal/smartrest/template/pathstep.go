package template

import (
	"strconv"
	"strings"
)

// cutStep reads the step that s begins with.
func cutStep(s string) (st step, rest string, ok bool) {
	if after, deep := strings.CutPrefix(s, ".."); deep {
		if after != "" && after[0] != '[' {
			after = "." + after
		}
		if after == "" {
			return st, "", false
		}
		st, rest, ok = cutPlainStep(after)
		st.deep = true
		return st, rest, ok
	}
	return cutPlainStep(s)
}

func cutPlainStep(s string) (st step, rest string, ok bool) {
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
	if s[0] != '[' {
		return st, "", false
	}
	inner, rest, ok := cutBrackets(s)
	if !ok {
		return st, "", false
	}
	switch {
	case inner == "*":
		return step{kind: every}, rest, true
	case inner != "" && (inner[0] == '\'' || inner[0] == '"'):
		st, ok = namedStep(inner)
	case strings.HasPrefix(inner, "?"):
		st.kind = filtered
		st.filter, ok = parseCondition(strings.TrimSpace(inner[1:]))
	case strings.Contains(inner, ":"):
		st.kind = part
		st.slice, ok = parseSlice(inner)
	default:
		st, ok = indexStep(inner)
	}
	return st, rest, ok
}

// cutBrackets returns what stands between the bracket that s begins with and the
// one that belongs to it. Brackets in quotes do not count.
func cutBrackets(s string) (inner, rest string, ok bool) {
	depth := 0
	var quote byte
	for i := range len(s) {
		switch c := s[i]; {
		case quote != 0:
			if c == quote && s[i-1] != '\\' {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			if depth--; depth == 0 {
				return strings.TrimSpace(s[1:i]), s[i+1:], true
			}
		}
	}
	return "", "", false
}

// namedStep reads quoted names.
func namedStep(s string) (step, bool) {
	var names []string
	for {
		name, rest, ok := cutQuoted(s)
		if !ok || name == "" {
			return step{}, false
		}
		names = append(names, name)
		rest = strings.TrimSpace(rest)
		if rest == "" {
			break
		}
		if rest[0] != ',' {
			return step{}, false
		}
		s = strings.TrimSpace(rest[1:])
	}
	if len(names) == 1 {
		return step{name: names[0]}, true
	}
	return step{kind: members, names: names}, true
}

// cutQuoted reads the text in quotes that s begins with. A quote in it stands
// behind a backslash.
func cutQuoted(s string) (text, rest string, ok bool) {
	if s == "" || s[0] != '\'' && s[0] != '"' {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == s[0] || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == s[0]:
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

// indexStep reads one position, or several.
func indexStep(s string) (step, bool) {
	var list []int
	for f := range strings.SplitSeq(s, ",") {
		n, ok := parseIndex(strings.TrimSpace(f))
		if !ok {
			return step{}, false
		}
		list = append(list, n)
	}
	if len(list) == 1 {
		return step{kind: element, index: list[0]}, true
	}
	return step{kind: elements, indexes: list}, true
}

func parseIndex(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= maxIndex && n >= -maxIndex
}

// slice is [from:to:by]; absent ends are those of the list.
type slice struct {
	from, to       int
	hasFrom, hasTo bool
	by             int
}

func parseSlice(s string) (sl slice, ok bool) {
	fields := strings.Split(s, ":")
	if len(fields) > 3 {
		return sl, false
	}
	sl.by = 1
	for i, f := range fields {
		if f = strings.TrimSpace(f); f == "" {
			continue
		}
		n, ok := parseIndex(f)
		if !ok {
			return sl, false
		}
		switch i {
		case 0:
			sl.from, sl.hasFrom = n, true
		case 1:
			sl.to, sl.hasTo = n, true
		default:
			sl.by = n
		}
	}
	return sl, sl.by > 0
}

// of returns what the slice takes of a list.
func (sl slice) of(list []any) []any {
	from, to := 0, len(list)
	if sl.hasFrom {
		from = within(sl.from, len(list))
	}
	if sl.hasTo {
		to = within(sl.to, len(list))
	}
	if from >= to {
		return nil
	}
	if sl.by == 1 {
		return list[from:to]
	}
	var found []any
	for i := from; i < to; i += sl.by {
		found = append(found, list[i])
	}
	return found
}

// within brings a position of a list of n elements between 0 and n.
func within(i, n int) int {
	if i < 0 {
		i += n
	}
	return min(max(i, 0), n)
}
