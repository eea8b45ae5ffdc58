package query

import (
	"bytes"
	"strconv"

	"mooring/internal/jsonscan"
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
	if value[0] == '[' {
		return walkArray(value, path, nesting, yield)
	}
	if len(path) == 0 {
		return false
	}
	for name, v := range jsonscan.Members(value) {
		if name.Is(path[0]) && walk(v, path[1:], nesting-1, yield) {
			return true
		}
	}
	return false
}

func walkArray(array []byte, path Path, nesting int, yield func([]byte) bool) bool {
	i := 0
	for v := range jsonscan.Elements(array) {
		switch {
		case len(path) == 0:
			if v[0] != '[' && yield(v) {
				return true
			}
		case walk(v, path, nesting-1, yield):
			return true
		case path[0] == strconv.Itoa(i) && walk(v, path[1:], nesting-1, yield):
			return true
		}
		i++
	}
	return false
}
