package legacy

// Respond makes the lines of all response templates that match object, a decoded
// JSON object that REST answered line number with. Where the base of a template
// finds a list, each of its elements is looked at.
//
// Other than in SmartREST 2.0 a template makes a line only of an element in which
// all of its values are found, and its condition is asked of the element. Lines
// beyond maxBytes altogether are not there.
func (c *Collection) Respond(object any, number, maxBytes int) [][]byte {
	var lines [][]byte
	for i := range c.Responses {
		r := &c.Responses[i]
		for _, element := range r.elements(object) {
			line := r.line(element, number)
			if line == nil {
				continue
			}
			if maxBytes -= len(line) + 1; maxBytes < 0 {
				return lines
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// elements lists what the base of the template finds.
func (r *Response) elements(object any) []any {
	found := r.base.Select(object)
	if len(found) == 1 {
		if list, ok := found[0].([]any); ok {
			return list
		}
	}
	return found
}

func (r *Response) line(element any, number int) []byte {
	if r.condition != nil && len(r.condition.Select(element)) == 0 {
		return nil
	}
	values := make([]string, len(r.patterns))
	for i, p := range r.patterns {
		found := p.Select(element)
		if len(found) == 0 {
			return nil
		}
		values[i] = text(found[0])
	}
	return Line(r.MessageID, number, values...)
}
