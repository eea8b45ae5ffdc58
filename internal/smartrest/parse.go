package smartrest

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Parse splits a payload into lines. Empty lines are dropped. A line that cannot
// be parsed carries its error and the lines after it go on; the returned error is
// set only when the payload as a whole breaks a bound, and then nothing of it may
// be carried out.
//
// A quoted field is read strictly first: a quote inside is written `\"` or `""`
// and the closing quote is followed by a comma or the end of the line. If that
// fails the field is read again as if nothing were escaped: the closing quote is
// the first one that a comma or the end of a line follows. That second reading
// does not run into a line that looks like a static template of its own, so that
// one forgotten quote costs one line.
//
// A backslash before any other character is a backslash: `\n` stays two
// characters.
func Parse(payload []byte) ([]Line, error) {
	if len(payload) > MaxPayload {
		return nil, NewError(CodeMalformed, "", "payload is larger than 16184 bytes")
	}
	return parse(payload, parser{})
}

// ParseLegacy is Parse for SmartREST 1.0, which comes over HTTP, too, and where a
// backslash is a character like any other: a quote inside is written `""`.
func ParseLegacy(payload []byte) ([]Line, error) {
	if len(payload) > MaxLegacyPayload {
		return nil, NewError(CodeMalformed, "", "payload is larger than 262144 bytes")
	}
	return parse(payload, parser{pairsOnly: true})
}

func parse(payload []byte, p parser) ([]Line, error) {
	p.text = string(payload)
	p.utf8 = utf8.ValidString(p.text)
	ends := bytes.Count(payload, []byte{'\n'})
	p.fields = make([]string, 0, min(bytes.Count(payload, []byte{','})+ends+1, len(payload)))
	lines := make([]Line, 0, min(ends+1, MaxLines))
	for p.pos < len(p.text) {
		if p.skipEmpty() {
			continue
		}
		if len(lines) == MaxLines {
			return nil, NewError(CodeMalformed, "", "payload has more than 1000 lines")
		}
		lines = append(lines, p.line())
	}
	return lines, nil
}

// parser walks over text once; only a line that cannot be read strictly is
// looked at a second time.
type parser struct {
	text   string
	pos    int
	utf8   bool     // all of text is UTF-8
	fields []string // backing array of every line's Fields

	pairsOnly bool // a backslash escapes nothing
}

// skipEmpty steps over a line that has nothing in it but blanks.
func (p *parser) skipEmpty() bool {
	for i := p.pos; i < len(p.text); i++ {
		switch p.text[i] {
		case ' ', '\t', '\r':
		case '\n':
			p.pos = i + 1
			return true
		default:
			return false
		}
	}
	p.pos = len(p.text)
	return true
}

// line reads one line and leaves pos at the start of the next.
func (p *parser) line() Line {
	start, first := p.pos, len(p.fields)
	for {
		field, more, ok := p.field()
		if !ok {
			return p.malformed(start, first, "unterminated quote")
		}
		p.fields = append(p.fields, field)
		if len(p.fields)-first > MaxFields+1 {
			return p.malformed(start, first, "more than 1000 fields")
		}
		if !more {
			break
		}
	}
	l := Line{TemplateID: p.fields[first], Raw: trimEnd(p.text[start:p.pos])}
	l.Fields = p.fields[first+1 : len(p.fields) : len(p.fields)]
	if e := p.check(l); e != nil {
		l.TemplateID, l.Fields, l.Err = e.TemplateID, nil, e
	}
	return l
}

// malformed gives up the line that began at start and goes on behind the next LF.
func (p *parser) malformed(start, first int, text string) Line {
	id := ""
	if len(p.fields) > first && validTemplateID(p.fields[first]) {
		id = p.fields[first]
	}
	p.fields = p.fields[:first]
	p.pos = len(p.text)
	if i := strings.IndexByte(p.text[start:], '\n'); i >= 0 {
		p.pos = start + i + 1
	}
	return Line{TemplateID: id, Raw: trimEnd(p.text[start:p.pos]), Err: NewError(CodeMalformed, id, text)}
}

// check looks at what holds for a line as a whole.
func (p *parser) check(l Line) *Error {
	switch {
	case !validTemplateID(l.TemplateID):
		return NewError(CodeNoMessageID, "", "the first value is not a message id")
	case !p.utf8 && !utf8.ValidString(l.Raw):
		return NewError(CodeMalformed, l.TemplateID, "text is not UTF-8")
	case strings.IndexByte(l.Raw, 0) >= 0:
		return NewError(CodeMalformed, l.TemplateID, "text has a NUL character")
	}
	return nil
}

// field reads one field and steps over the comma or line end behind it. more says
// that another field follows in this line.
func (p *parser) field() (text string, more, ok bool) {
	for p.pos < len(p.text) && (p.text[p.pos] == ' ' || p.text[p.pos] == '\t') {
		p.pos++
	}
	if p.pos < len(p.text) && p.text[p.pos] == '"' {
		return p.quoted()
	}
	end := p.pos
	for end < len(p.text) && p.text[end] != ',' && p.text[end] != '\n' {
		end++
	}
	text = strings.TrimRight(p.text[p.pos:end], " \t\r")
	return text, p.stepOver(end), true
}

// stepOver moves behind the separator at end and reports whether it was a comma.
func (p *parser) stepOver(end int) bool {
	p.pos = min(end+1, len(p.text))
	return end < len(p.text) && p.text[end] == ','
}

// quoted reads a field that starts with a quote at pos.
func (p *parser) quoted() (text string, more, ok bool) {
	body := p.pos + 1
	end, escaped := p.strictEnd(body)
	if end >= 0 {
		text = p.text[body:end]
		if escaped {
			text = p.unescape(text, true)
		}
	} else {
		if end = p.lenientEnd(body); end < 0 {
			return "", false, false
		}
		text = p.unescape(p.text[body:end], false)
	}
	sep, _ := p.separator(end + 1)
	return text, p.stepOver(sep), true
}

// strictEnd finds the closing quote of a field whose quotes are all escaped, -1
// if there is none.
func (p *parser) strictEnd(from int) (end int, escaped bool) {
	for i := from; i < len(p.text); i++ {
		switch p.text[i] {
		case '\\':
			if !p.pairsOnly && i+1 < len(p.text) && p.text[i+1] == '"' {
				i, escaped = i+1, true
			}
		case '"':
			if i+1 < len(p.text) && p.text[i+1] == '"' {
				i, escaped = i+1, true
				continue
			}
			if _, ok := p.separator(i + 1); ok {
				return i, escaped
			}
			return -1, false
		}
	}
	return -1, false
}

// lenientEnd finds the first quote that a separator follows, -1 if there is none
// before the end or before what looks like the next line.
func (p *parser) lenientEnd(from int) int {
	for i := from; i < len(p.text); i++ {
		switch p.text[i] {
		case '\n':
			if startsLine(p.text[i+1:]) {
				return -1
			}
		case '"':
			if _, ok := p.separator(i + 1); ok {
				return i
			}
		}
	}
	return -1
}

// separator reports whether a comma, a line end or the end of the payload stands
// at i, and where exactly (behind a CR).
func (p *parser) separator(i int) (int, bool) {
	if i < len(p.text) && p.text[i] == '\r' && (i+1 == len(p.text) || p.text[i+1] == '\n') {
		i++
	}
	return i, i >= len(p.text) || p.text[i] == ',' || p.text[i] == '\n'
}

// startsLine reports whether s begins like a static template: three digits, then
// a comma or the end of the line.
func startsLine(s string) bool {
	if len(s) < 3 || !isDigit(s[0]) || !isDigit(s[1]) || !isDigit(s[2]) {
		return false
	}
	return len(s) == 3 || s[3] == ',' || s[3] == '\n' || s[3] == '\r'
}

// unescape replaces `\"`, and `""` where pairs is set, by a quote.
func (p *parser) unescape(s string, pairs bool) string {
	if strings.IndexByte(s, '"') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if i+1 < len(s) && s[i+1] == '"' && (s[i] == '\\' && !p.pairsOnly || pairs && s[i] == '"') {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func trimEnd(s string) string { return strings.TrimRight(s, "\r\n") }

func validTemplateID(s string) bool {
	if s == "" || len(s) > MaxTemplateID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'z') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
