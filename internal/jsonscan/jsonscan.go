// Package jsonscan walks over JSON objects and arrays without decoding
// them: no allocation, no reflection. It is for text that was checked before,
// and for stores that look into what they keep; what is no JSON ends the walk
// early and never panics.
package jsonscan

import (
	"encoding/json"
	"iter"
)

// Name is the name of a member as it stands between its quotes, escapes and
// all. It is valid as long as the text it was found in.
type Name []byte

// Is tells whether the name is s.
func (n Name) Is(s string) bool {
	if !n.escaped() {
		return string(n) == s
	}
	return n.String() == s
}

// String is the name with its escapes resolved.
func (n Name) String() string {
	if !n.escaped() {
		return string(n)
	}
	var s string
	if json.Unmarshal([]byte(`"`+string(n)+`"`), &s) != nil {
		return ""
	}
	return s
}

func (n Name) escaped() bool {
	for _, c := range n {
		if c == '\\' {
			return true
		}
	}
	return false
}

// Members yields the members of the object at the beginning of b. A value is a
// part of b, without white space around it. What is no object has none.
func Members(b []byte) iter.Seq2[Name, []byte] {
	return func(yield func(Name, []byte) bool) {
		i := space(b, 0)
		if i >= len(b) || b[i] != '{' {
			return
		}
		for i = space(b, i+1); i < len(b) && b[i] == '"'; i = space(b, i+1) {
			end := text(b, i)
			if end < 0 {
				return
			}
			name := Name(b[i+1 : end-1])
			if i = space(b, end); i >= len(b) || b[i] != ':' {
				return
			}
			i = space(b, i+1)
			if end = value(b, i); end < 0 || !yield(name, b[i:end]) {
				return
			}
			if i = space(b, end); i >= len(b) || b[i] != ',' {
				return
			}
			i = space(b, i+1) - 1
		}
	}
}

// Elements yields the elements of the array at the beginning of b, like Members.
func Elements(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i := space(b, 0)
		if i >= len(b) || b[i] != '[' {
			return
		}
		for i = space(b, i+1); i < len(b) && b[i] != ']'; i = space(b, i+1) {
			end := value(b, i)
			if end < 0 || !yield(b[i:end]) {
				return
			}
			if i = space(b, end); i >= len(b) || b[i] != ',' {
				return
			}
		}
	}
}

// Member returns the last value of that name, as a decoder would; nil if there
// is none.
func Member(b []byte, name string) []byte {
	var found []byte
	for n, v := range Members(b) {
		if n.Is(name) {
			found = v
		}
	}
	return found
}

// IsNumber tells whether a value begins as a number does.
func IsNumber(v []byte) bool { return len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') }

// Text is the value of a JSON text; ok is false if it is none.
func Text(v []byte) (s string, ok bool) {
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		return "", false
	}
	n := Name(v[1 : len(v)-1])
	return n.String(), true
}

// space returns the first index from i on that holds no white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// text returns the end of the text that begins at i with its quote.
func text(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// value returns the end of the value that begins at i; -1 if there is none.
func value(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return text(b, i)
	case '{', '[':
		return nested(b, i)
	}
	end := i
	for end < len(b) && !delimiter(b[end]) {
		end++
	}
	if end == i {
		return -1
	}
	return end
}

func delimiter(c byte) bool {
	switch c {
	case ',', '}', ']', ':', '"', '{', '[', ' ', '\n', '\t', '\r':
		return true
	}
	return false
}

// nested returns the end of an object or array by counting brackets.
func nested(b []byte, i int) int {
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			if i = text(b, i) - 1; i < 0 {
				return -1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}
