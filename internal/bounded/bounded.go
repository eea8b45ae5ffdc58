// Package bounded makes text from elsewhere fit for a log, a line or a message:
// of a bounded length, cut between runes, and on one line.
package bounded

import (
	"strings"
	"unicode/utf8"
)

// Text is s, or as much of its beginning as fits into maxBytes bytes and ends
// between runes. What is no UTF-8 may be cut anywhere.
func Text(s string, maxBytes int) string {
	if len(s) <= maxBytes {
		return s
	}
	for maxBytes > 0 && !utf8.RuneStart(s[maxBytes]) {
		maxBytes--
	}
	return s[:maxBytes]
}

// OneLine is s with blanks for control characters of ASCII, which would end a
// line or take over a terminal, and U+FFFD for what is no UTF-8.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
