package c8yjson

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"mooring/server/platform"
)

// Writer appends JSON text to a buffer. It puts the commas; the caller opens
// and closes in pairs. The zero value is ready.
type Writer struct{ buf []byte }

// Bytes returns what was written. It is valid until the next call.
func (w *Writer) Bytes() []byte { return w.buf }

// Reset empties the Writer and keeps its memory.
func (w *Writer) Reset() { w.buf = w.buf[:0] }

// separate puts a comma unless a value begins an object, an array or the text.
// No value ends in one of the three bytes, so the last byte tells.
func (w *Writer) separate() {
	if len(w.buf) == 0 {
		return
	}
	switch w.buf[len(w.buf)-1] {
	case '{', '[', ':':
	default:
		w.buf = append(w.buf, ',')
	}
}

// Open begins an object or an array: '{' or '['.
func (w *Writer) Open(bracket byte) {
	w.separate()
	w.buf = append(w.buf, bracket)
}

// Close ends what Open began: '}' or ']'.
func (w *Writer) Close(bracket byte) { w.buf = append(w.buf, bracket) }

// Key begins a member of an object; one value follows.
func (w *Writer) Key(name string) {
	w.separate()
	w.buf = appendString(w.buf, name)
	w.buf = append(w.buf, ':')
}

// String writes a text value.
func (w *Writer) String(s string) {
	w.separate()
	w.buf = appendString(w.buf, s)
}

// Raw writes a value that is JSON already.
func (w *Writer) Raw(v json.RawMessage) {
	w.separate()
	if len(v) == 0 {
		v = []byte("null")
	}
	w.buf = append(w.buf, v...)
}

// Members writes the members of a JSON object into the object that is open.
func (w *Writer) Members(object json.RawMessage) {
	inner := bytes.TrimSpace(object)
	if len(inner) < 2 {
		return
	}
	inner = bytes.TrimSpace(inner[1 : len(inner)-1])
	if len(inner) == 0 {
		return
	}
	w.separate()
	w.buf = append(w.buf, inner...)
}

// Text writes a member with a text value.
func (w *Writer) Text(name, value string) {
	w.Key(name)
	w.buf = appendString(w.buf, value)
}

// TextIf writes the member unless the value is empty.
func (w *Writer) TextIf(name, value string) {
	if value != "" {
		w.Text(name, value)
	}
}

// Int writes a member with a whole number.
func (w *Writer) Int(name string, value int64) {
	w.Key(name)
	w.buf = strconv.AppendInt(w.buf, value, 10)
}

// Bool writes a member with a truth value.
func (w *Writer) Bool(name string, value bool) {
	w.Key(name)
	w.buf = strconv.AppendBool(w.buf, value)
}

// Time writes a member with a date as the platform writes it.
func (w *Writer) Time(name string, value time.Time) {
	w.Key(name)
	w.buf = append(w.buf, '"')
	w.buf = AppendTime(w.buf, value)
	w.buf = append(w.buf, '"')
}

// TimeIf writes the member unless the time is zero.
func (w *Writer) TimeIf(name string, value time.Time) {
	if !value.IsZero() {
		w.Time(name, value)
	}
}

// ID writes a member with an identifier: a string of digits.
func (w *Writer) ID(name string, id platform.ID) {
	w.Key(name)
	w.buf = append(w.buf, '"')
	w.buf = strconv.AppendInt(w.buf, int64(id), 10)
	w.buf = append(w.buf, '"')
}

// Link writes a member with a URL: base followed by the parts.
func (w *Writer) Link(name, base string, parts ...string) {
	w.Key(name)
	w.buf = append(w.buf, '"')
	w.buf = appendEscaped(w.buf, base)
	for _, p := range parts {
		w.buf = appendEscaped(w.buf, p)
	}
	w.buf = append(w.buf, '"')
}

const hexDigits = "0123456789abcdef"

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	b = appendEscaped(b, s)
	return append(b, '"')
}

// appendEscaped appends s as the inside of a JSON string (RFC 8259 §7). Bytes
// that are no UTF-8 become U+FFFD.
func appendEscaped(b []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[start:i]...), `\ufffd`...)
				start = i + 1
			}
			i += size
			continue
		}
		b = append(b, s[start:i]...)
		b = appendEscape(b, c)
		i++
		start = i
	}
	return append(b, s[start:]...)
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
