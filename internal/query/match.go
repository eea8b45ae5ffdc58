package query

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"mooring/internal/jsonscan"
)

// holds tells whether a comparison with result c is true.
func (o Op) holds(c int) bool {
	switch o {
	case Greater:
		return c > 0
	case GreaterEqual:
		return c >= 0
	case Less:
		return c < 0
	case LessEqual:
		return c <= 0
	}
	return c == 0
}

// MatchText says whether a comparison is true of a text; the empty one is null.
// A number counts as it is written.
func (n *Node) MatchText(s string) bool {
	v := n.Value
	switch {
	case v.Kind == Null:
		return n.Op == Equal && s == ""
	case v.Kind == Bool:
		return false
	case v.Pattern != nil:
		return matchPattern(v.Pattern, s) && s != ""
	}
	return n.Op.holds(cmp.Compare(s, v.Text))
}

// MatchTime says whether a comparison is true of a date.
func (n *Node) MatchTime(t time.Time) bool {
	switch v := n.Value; {
	case v.IsDate():
		return n.Op.holds(t.Compare(v.Time))
	case v.Kind == Number: // milliseconds since 1970
		return n.Op.holds(cmp.Compare(float64(t.UnixMilli()), v.Number))
	}
	return false
}

// MatchJSON says whether a comparison or Has is true of the property that the
// path names below value, which is JSON, or nil if there is none. An array on
// the way or at the end matches if one of its elements does.
func (n *Node) MatchJSON(path Path, value []byte) bool {
	switch {
	case n.Kind == Has:
		return len(value) > 0 && walk(value, path, maxNesting, func(v []byte) bool { return string(v) != "null" })
	case n.Value.Kind == Null:
		return n.Op == Equal && (len(value) == 0 || !walk(value, path, maxNesting, func(v []byte) bool { return string(v) != "null" }))
	case len(value) == 0:
		return false
	}
	if walk(value, path, maxNesting, n.matchScalar) {
		return true
	}
	if last := len(path) - 1; last >= 0 && path[last] == "date" && n.Value.IsDate() {
		return walk(value, path[:last], maxNesting, n.matchScalar)
	}
	return false
}

func (n *Node) matchScalar(raw []byte) bool {
	v := n.Value
	switch raw[0] {
	case '"':
		s, ok := jsonscan.Text(raw)
		if !ok || v.Kind == Bool {
			return false
		}
		if v.IsDate() {
			if t, ok := parseTime(s); ok {
				return n.Op.holds(t.Compare(v.Time))
			}
		}
		if v.Kind == Number && n.Op != Equal {
			return false
		}
		if v.Pattern != nil {
			return matchPattern(v.Pattern, s)
		}
		return n.Op.holds(cmp.Compare(s, v.Text))
	case 't', 'f':
		return v.Kind == Bool && n.Op == Equal && v.Bool == (raw[0] == 't')
	case '{', '[', 'n':
		return false
	}
	if v.Kind != Number {
		return false
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && n.Op.holds(cmp.Compare(f, v.Number))
}

// matchPattern tells whether s is the pieces with anything between them.
func matchPattern(pieces []string, s string) bool {
	s = strings.ToLower(s)
	s, ok := strings.CutPrefix(s, pieces[0])
	last := pieces[len(pieces)-1]
	if !ok {
		return false
	}
	for _, piece := range pieces[1 : len(pieces)-1] {
		i := strings.Index(s, piece)
		if i < 0 {
			return false
		}
		s = s[i+len(piece):]
	}
	return strings.HasSuffix(s, last)
}

// LongestPiece is the longest text, in lower case, that everything has that an
// equality with a text or pattern is true of.
func (v Value) LongestPiece() string {
	if v.Pattern == nil {
		return strings.ToLower(v.Text)
	}
	longest := ""
	for _, p := range v.Pattern {
		if len(p) > len(longest) {
			longest = p
		}
	}
	return longest
}

// Key is what a property is sorted by: what is missing first, then numbers,
// texts, truth values.
type Key struct {
	rank   int
	number float64
	text   string
}

// maxKeyBytes bounds what of a text counts for the order.
const maxKeyBytes = 256

// TextKey is the key of a text; an empty one is missing.
func TextKey(s string) Key {
	if s == "" {
		return Key{}
	}
	return Key{rank: 2, text: strings.Clone(s[:min(len(s), maxKeyBytes)])}
}

// NumberKey is the key of a number.
func NumberKey(f float64) Key { return Key{rank: 1, number: f} }

// JSONKey is the key of the property that the path names below value.
func JSONKey(path Path, value []byte) (k Key) {
	if len(value) == 0 {
		return k
	}
	walk(value, path, maxNesting, func(raw []byte) bool {
		switch raw[0] {
		case '"':
			s, _ := jsonscan.Text(raw)
			k = TextKey(s)
		case 't', 'f':
			k = Key{rank: 3, number: float64(len("false") - len(raw))}
		case '{', '[', 'n':
		default:
			f, _ := strconv.ParseFloat(string(raw), 64)
			k = NumberKey(f)
		}
		return k.rank > 0
	})
	if k.rank == 0 && len(path) > 0 && path[len(path)-1] == "date" {
		return JSONKey(path[:len(path)-1], value)
	}
	return k
}

// Compare orders two keys.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.rank, o.rank), cmp.Compare(k.number, o.number), cmp.Compare(k.text, o.text))
}
