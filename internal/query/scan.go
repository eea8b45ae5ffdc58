package query

import (
	"strconv"
	"strings"
	"time"
)

// scanner takes a query apart.
type scanner struct {
	text string
	at   int
}

func (s *scanner) done() bool { return s.at >= len(s.text) }

// peek is the next byte, which must be there.
func (s *scanner) peek() byte { return s.text[s.at] }

// skip passes white space and the bytes of also.
func (s *scanner) skip(also string) {
	for !s.done() && (isSpace(s.peek()) || strings.IndexByte(also, s.peek()) >= 0) {
		s.at++
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// ends tells whether a name ends before b.
func ends(b byte) bool { return isSpace(b) || strings.IndexByte(`(),'"&;`, b) >= 0 }

// symbol reads b if it comes next.
func (s *scanner) symbol(b byte) bool {
	if s.skip(""); s.done() || s.peek() != b {
		return false
	}
	s.at++
	return true
}

// name reads up to where a name ends; it may be empty.
func (s *scanner) name() string {
	s.skip("")
	start := s.at
	for !s.done() && !ends(s.peek()) {
		s.at++
	}
	return s.text[start:s.at]
}

// word reads w, in any case, if it is the whole next word.
func (s *scanner) word(w string) bool {
	before := s.at
	if strings.EqualFold(s.name(), w) {
		return true
	}
	s.at = before
	return false
}

// section reads "$filter=", say.
func (s *scanner) section(name string) bool {
	before := s.at
	if len(s.text)-s.at >= len(name) && strings.EqualFold(s.text[s.at:s.at+len(name)], name) {
		s.at += len(name)
		if s.symbol('=') {
			return true
		}
	}
	s.at = before
	return false
}

// argument reads what a function is given, with or without quotes.
func (p *parser) argument() (string, error) {
	p.skip("")
	if !p.done() && p.peek() == '\'' {
		v, err := p.quoted()
		return v.Text, err
	}
	name := p.name()
	if name == "" {
		return "", p.fail("an argument")
	}
	return name, nil
}

// value reads the right side of a comparison.
func (p *parser) value() (Value, error) {
	p.skip("")
	if !p.done() && (p.peek() == '\'' || p.peek() == '"') {
		return p.quoted()
	}
	word := p.name()
	if !p.done() && p.peek() == '\'' && strings.HasPrefix(strings.ToLower(word), "datetime") {
		return p.quoted() // OData's datetime'…'
	}
	switch strings.ToLower(word) {
	case "":
		return Value{}, p.fail("a value")
	case "null":
		return Value{Kind: Null}, nil
	case "true", "false":
		return Value{Kind: Bool, Bool: word[0] == 't' || word[0] == 'T'}, nil
	}
	if n, ok := number(word); ok {
		return Value{Kind: Number, Number: n, Text: word}, nil
	}
	return textValue(strings.Split(word, "*")), nil
}

// number reads digits with an optional suffix.
func number(word string) (float64, bool) {
	if c := word[len(word)-1] | 0x20; len(word) > 1 && (c == 'f' || c == 'd' || c == 'l') {
		word = word[:len(word)-1]
	}
	for i := range len(word) {
		if c := word[i]; (c < '0' || c > '9') && strings.IndexByte("+-.eE", c) < 0 {
			return 0, false // neither hexadecimal nor infinite
		}
	}
	n, err := strconv.ParseFloat(word, 64)
	return n, err == nil
}

// quoted reads a text in quotes.
func (p *parser) quoted() (Value, error) {
	quote := p.peek()
	p.at++
	var pieces []string
	var piece []byte
	for ; !p.done(); p.at++ {
		switch c := p.peek(); {
		case c == quote && p.at+1 < len(p.text) && p.text[p.at+1] == quote:
			p.at++
			piece = append(piece, quote)
		case c == quote:
			p.at++
			return textValue(append(pieces, string(piece))), nil
		case c == '\\' && p.at+1 < len(p.text):
			p.at++
			piece = append(piece, p.peek())
		case c == '*':
			pieces, piece = append(pieces, string(piece)), nil
		default:
			piece = append(piece, c)
		}
	}
	return Value{}, p.fail("a closing quote")
}

// textValue is a text whose wildcards stand between pieces.
func textValue(pieces []string) Value {
	v := Value{Kind: Text, Text: strings.Join(pieces, "*")}
	if len(pieces) > 1 {
		for i := range pieces {
			pieces[i] = strings.ToLower(pieces[i])
		}
		v.Pattern = pieces
		return v
	}
	v.Time, _ = parseTime(v.Text)
	return v
}

// layouts of dates; Go takes a fraction of a second after the seconds by itself.
var layouts = []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02"}

// maxDateBytes bounds a date: "2020-02-18T13:13:00.123456789+02:00" has 35.
const maxDateBytes = 40

// parseTime reads a date, in UTC if it has no zone. A space before the offset
// is a plus that was not encoded (rest.md §0.6).
func parseTime(s string) (time.Time, bool) {
	if len(s) < len("2006-01-02") || len(s) > maxDateBytes || s[4] != '-' {
		return time.Time{}, false
	}
	if i := strings.LastIndexByte(s, ' '); i > len("2006-01-02T") {
		s = s[:i] + "+" + s[i+1:]
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Truncate(time.Millisecond), true
		}
	}
	return time.Time{}, false
}
