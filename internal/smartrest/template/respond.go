package template

import (
	"slices"

	"mooring/internal/smartrest"
)

// Bounds of the lines made of one object; ours. They keep a collection of many
// greedy patterns from eating the server.
const (
	MaxResponseBytes = 32 << 10
	maxLooks         = 100_000 // values looked at
)

// Respond makes the lines of all response templates that match object, a decoded
// JSON object. deviceID is the external ID of the device of an operation and
// becomes the second field of each line; empty for the answer to a request.
//
// A pattern that finds nothing is an empty field. One with [*] gives as many
// fields as there are values. What goes beyond the bounds is not there.
func (c *Collection) Respond(object any, deviceID string) [][]byte {
	var lines [][]byte
	b := budget{bytes: MaxResponseBytes, looks: maxLooks}
	for i := range c.Responses {
		if line := c.Responses[i].line(object, deviceID, &b); line != nil && b.bytes >= 0 {
			lines = append(lines, line)
		}
	}
	return lines
}

// Asks reports whether a response template looks into a member of one of the names
// at the top of its object.
func (c *Collection) Asks(names ...string) bool {
	for i := range c.Responses {
		r := &c.Responses[i]
		if r.condition != nil && slices.ContainsFunc(names, r.condition.Mentions) {
			return true
		}
		for _, p := range r.patterns {
			if slices.ContainsFunc(names, p.Mentions) {
				return true
			}
		}
	}
	return false
}

// budget is what is left of the bounds.
type budget struct{ bytes, looks int }

func (r *Response) line(object any, deviceID string, b *budget) []byte {
	if r.condition != nil && len(r.condition.within(object, &b.looks)) == 0 {
		return nil
	}
	line := smartrest.AppendLine(nil, r.MessageID)
	if deviceID != "" {
		line = append(line, ',')
		line = smartrest.AppendLine(line, deviceID)
	}
	b.bytes -= len(line) + 1
	for _, p := range r.patterns {
		found := p.within(object, &b.looks)
		if len(found) == 0 {
			found = nothing
		}
		for _, v := range found {
			if b.bytes < 0 {
				return nil
			}
			before := len(line)
			line = append(line, ',')
			line = smartrest.AppendLine(line, Text(v))
			b.bytes -= len(line) - before
		}
	}
	return line
}

// nothing is what a pattern finds that finds nothing.
var nothing = []any{nil}

// compile reads the paths of a response. The condition is one of the whole object
// (mqtt.md §6.3), the patterns lie below the base.
func (r *Response) compile() error {
	base, ok := ParsePath(r.Base)
	if !ok || len(r.Patterns) > MaxPatterns {
		return refuse(r.MessageID, "Invalid JsonPath")
	}
	if r.Condition != "" {
		p, ok := ParsePath(r.Condition)
		if !ok {
			return refuse(r.MessageID, "Invalid JsonPath")
		}
		r.condition = &p
	}
	r.patterns = make([]Path, len(r.Patterns))
	for i, s := range r.Patterns {
		p, ok := ParsePath(s)
		if !ok {
			return refuse(r.MessageID, "Invalid JsonPath")
		}
		r.patterns[i] = p.after(base)
	}
	return nil
}
