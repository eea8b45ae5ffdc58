package legacy

import (
	"slices"
	"strings"

	"mooring/internal/smartrest"
	"mooring/internal/smartrest/template"
)

// Texts of errors as the vendor's reference has them.
const (
	badRequest   = "Bad request template definition"
	badResponse  = "Bad response template definition"
	badPath      = "Invalid JsonPath"
	badList      = "Using JsonPath to refer to a list of objects is not allowed for SmartRest"
	badFilter    = "Using Filters (?) in JsonPath is not allowed for SmartRest"
	duplicate    = "Duplicate message identifiers are not allowed"
	notATemplate = "Not a valid message identifier for template creation"
)

// Parse makes a collection of lines 10 and 11. bad is the place of the line, among
// lines, that the error is of; -1 if it is of none.
func Parse(lines []smartrest.Line) (c *Collection, bad int, err error) {
	c = &Collection{}
	for i, l := range lines {
		if err := c.add(l); err != nil {
			return nil, i, err
		}
	}
	if len(c.Requests) > MaxTemplates || len(c.Responses) > MaxTemplates {
		return nil, -1, refuse("More than 1000 templates")
	}
	return c, -1, nil
}

func (c *Collection) add(l smartrest.Line) error {
	if l.Err != nil {
		return l.Err
	}
	switch l.TemplateID {
	case MessageRequest:
		r := Request{MessageID: l.Field(0), Method: l.Field(1), URI: l.Field(2), ContentType: l.Field(3), Accept: l.Field(4),
			Placeholder: l.Field(5), Template: l.Field(7)}
		for p := range strings.FieldsSeq(l.Field(6)) {
			r.Params = append(r.Params, ParamType(p))
		}
		return c.addRequest(r)
	case MessageResponse:
		r := Response{MessageID: l.Field(0), Base: l.Field(1), Condition: l.Field(2)}
		if len(l.Fields) > 3 {
			r.Patterns = slices.Clone(l.Fields[3:])
		}
		return c.addResponse(r)
	}
	return refuse(notATemplate)
}

func (c *Collection) addRequest(r Request) error {
	if err := r.compile(); err != nil {
		return err
	}
	if _, there := c.Request(r.MessageID); there {
		return refuse(duplicate)
	}
	c.Requests = append(c.Requests, r)
	return nil
}

func (c *Collection) addResponse(r Response) error {
	if err := r.compile(); err != nil {
		return err
	}
	if slices.ContainsFunc(c.Responses, func(o Response) bool { return o.MessageID == r.MessageID }) {
		return refuse(duplicate)
	}
	c.Responses = append(c.Responses, r)
	return nil
}

// ValidMessageID reports whether s is an unsigned integer, as message IDs are.
func ValidMessageID(s string) bool {
	return s != "" && len(s) <= 18 && strings.Trim(s, "0123456789") == ""
}

func (r *Response) compile() error {
	for len(r.Patterns) > 0 && r.Patterns[len(r.Patterns)-1] == "" {
		r.Patterns = r.Patterns[:len(r.Patterns)-1] // of a trailing comma
	}
	if !ValidMessageID(r.MessageID) || len(r.Patterns) == 0 || len(r.Patterns) > MaxPatterns {
		return refuse(badResponse)
	}
	var err error
	if r.base, err = path(r.Base); err != nil {
		return err
	}
	if r.Condition != "" {
		p, err := path(r.Condition)
		if err != nil {
			return err
		}
		r.condition = &p
	}
	r.patterns = make([]template.Path, len(r.Patterns))
	for i, s := range r.Patterns {
		if r.patterns[i], err = path(s); err != nil {
			return err
		}
	}
	return nil
}

func path(s string) (template.Path, error) {
	p, ok := template.ParsePath(s)
	switch {
	case !ok:
		return p, refuse(badPath)
	case p.Filtered():
		return p, refuse(badFilter)
	case !p.Definite():
		return p, refuse(badList)
	}
	return p, nil
}
