package smartrest

import (
	"strings"
	"time"
)

// dateBytes is what Dated adds to a line at most, if nothing in it has to be
// quoted anew: five commas and the time.
const dateBytes = 5 + len("2006-01-02T15:04:05.000Z")

// Split cuts a payload at line ends into parts of at most limit bytes and
// MaxLines lines, with room for what Dated adds, and takes off what is no line.
// ok is false if one line alone is too long.
func Split(payload []byte, limit int) (parts [][]byte, ok bool) {
	p := parser{text: string(payload), utf8: true}
	begin, end, dates, lines := 0, 0, 0, 0
	for p.pos < len(p.text) {
		start := p.pos
		if p.skipEmpty() {
			continue
		}
		p.fields = p.fields[:0]
		date := 0
		if timeOf(p.line()) >= 0 {
			date = dateBytes
		}
		after := p.pos
		if p.text[after-1] == '\n' {
			after--
		}
		if after-start > limit {
			return nil, false
		}
		if lines > 0 && (after-begin+dates+date > limit || lines == MaxLines) {
			parts = append(parts, payload[begin:end])
			begin, dates, lines = start, 0, 0
		}
		if lines == 0 {
			begin = start
		}
		end, dates, lines = after, dates+date, lines+1
	}
	return append(parts, payload[begin:end]), true
}

// Dated puts at into each line whose time is empty, which else means the time of
// its arrival. What cannot be parsed stays as it is.
func Dated(payload []byte, at time.Time) []byte {
	lines, err := Parse(payload)
	if err != nil {
		return payload
	}
	var b []byte
	changed := false
	for n, l := range lines {
		if n > 0 {
			b = append(b, '\n')
		}
		i := timeOf(l)
		if i < 0 || l.Field(i) != "" {
			b = append(b, l.Raw...)
			continue
		}
		fields := append([]string{l.TemplateID}, l.Fields...)
		for len(fields) < i+2 {
			fields = append(fields, "")
		}
		fields[i+1] = at.UTC().Format("2006-01-02T15:04:05.000Z")
		b, changed = AppendLine(b, fields...), true
	}
	if !changed {
		return payload
	}
	return b
}

// timeOf is the index of a line's time among its fields, -1 if its template has
// none. It says what the table of templates says, without needing it.
func timeOf(l Line) int {
	if l.Err != nil {
		return -1
	}
	switch l.TemplateID {
	case "201", "211", "212", "408":
		return 1
	case "210", "301", "302", "303", "304", "400":
		return 2
	case "120":
		return 3
	case "200", "401", "402":
		return 4
	}
	return -1
}

// IsStatic reports whether lines of static templates are published on topic, of
// the device or a child (mqtt.md §2.2).
func IsStatic(topic string) bool {
	if len(topic) < 4 || !strings.Contains("stqc", topic[:1]) {
		return false
	}
	return topic[1:4] == "/us" && (len(topic) == 4 || topic[4] == '/')
}

// IsLines reports whether SmartREST lines of any kind are published on topic.
func IsLines(topic string) bool {
	if IsStatic(topic) {
		return true
	}
	return len(topic) >= 4 && strings.Contains("stqc", topic[:1]) && (topic[1:] == "/ud" || strings.HasPrefix(topic[1:], "/ud/") || strings.HasPrefix(topic[1:], "/uc/"))
}
