package query

import (
	"bytes"
	"strconv"
)

// maxNesting bounds how deep walk follows a value; what is stored is at most 64
// deep.
const maxNesting = 128

// walk calls yield for each value that path names below value, until yield
// returns true; it returns whether one did. Arrays on the way stand for each of
// their elements, or for one if the path has a number there; at the end, yield
// gets an array and then its elements. Of what is no JSON nothing is said, but
// nothing breaks.
func walk(value []byte, path Path, nesting int, yield func([]byte) bool) bool {
	value = bytes.TrimSpace(value)
	if len(value) == 0 || nesting == 0 {
		return false
	}
	if len(path) == 0 && yield(value) {
		return true
	}
	switch {
	case value[0] == '{' && len(path) > 0:
		return members(value, func(key, v []byte) bool {
			return isKey(key, path[0]) && walk(v, path[1:], nesting-1, yield)
		})
	case value[0] == '[':
		return elements(value, func(i int, v []byte) bool {
			if len(path) == 0 {
				return v[0] != '[' && yield(v)
			}
			return walk(v, path, nesting-1, yield) || path[0] == strconv.Itoa(i) && walk(v, path[1:], nesting-1, yield)
		})
	}
	return false
}

// members calls f for each member of an object until it returns true.
func members(object []byte, f func(key, value []byte) bool) bool {
	for i := space(object, 1); i < len(object) && object[i] == '"'; i = space(object, i+1) {
		end := skip(object, i)
		colon := space(object, max(end, 0))
		if end < 0 || colon >= len(object) || object[colon] != ':' {
			return false
		}
		key, start := object[i:end], space(object, colon+1)
		if i = skip(object, start); i < 0 {
			return false
		}
		if f(key, object[start:i]) {
			return true
		}
		i = space(object, i)
	}
	return false
}

// elements calls f for each element of an array until it returns true.
func elements(array []byte, f func(i int, value []byte) bool) bool {
	n := 0
	for i := space(array, 1); i < len(array) && array[i] != ']'; i = space(array, i+1) {
		start := i
		if i = skip(array, start); i < 0 {
			return false
		}
		if f(n, array[start:i]) {
			return true
		}
		i = space(array, i)
		n++
	}
	return false
}

// space returns where the white space ends that begins at i.
func space(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// skip returns where the value ends that begins at i; -1 if it has no end.
func skip(b []byte, i int) int {
	start, depth, quoted := i, 0, false
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			if quoted = !quoted; !quoted && depth == 0 {
				return i + 1
			}
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth < 0 {
				return ended(start, i)
			}
			if depth == 0 {
				return i + 1
			}
		case (c == ',' || isSpace(c)) && depth == 0:
			return ended(start, i)
		}
	}
	if quoted || depth != 0 {
		return -1
	}
	return ended(start, i)
}

// ended is the end of a number or a word; an empty one is none.
func ended(start, i int) int {
	if i == start {
		return -1
	}
	return i
}

func isKey(quoted []byte, name string) bool {
	if len(quoted) < 2 {
		return false
	}
	if inner := quoted[1 : len(quoted)-1]; string(inner) == name {
		return true
	}
	s, ok := unquote(quoted)
	return ok && s == name
}
