package template

import (
	"slices"
	"strings"

	"mooring/internal/smartrest"
)

// The message IDs of template lines (mqtt.md §6.2, §6.3).
const (
	lineRequest  = "10"
	lineResponse = "11"
)

// ParseLines reads a collection as it comes over MQTT.
//
// The error is a *smartrest.Error of code 41, or 42 if the payload cannot be read.
func ParseLines(payload []byte) (*Collection, error) {
	lines, err := smartrest.Parse(payload)
	if err != nil {
		return nil, err
	}
	c := &Collection{}
	for _, l := range lines {
		if l.Err != nil {
			return nil, l.Err
		}
		switch l.TemplateID {
		case lineRequest:
			r, err := parseRequest(l)
			if err != nil {
				return nil, err
			}
			c.Requests = append(c.Requests, r)
		case lineResponse:
			r, err := parseResponse(l)
			if err != nil {
				return nil, err
			}
			c.Responses = append(c.Responses, r)
		default:
			return nil, refuse(l.TemplateID, "Only templates can be created here")
		}
	}
	if len(c.Requests)+len(c.Responses) == 0 {
		return nil, refuse("", "No templates")
	}
	return c, c.check()
}

const (
	badRequest  = "Bad request template definition"
	badResponse = "Bad response template definition"
)

// parseRequest reads msgId, method, api, response, mandatory values and groups of
// path, type and value.
func parseRequest(l smartrest.Line) (Request, error) {
	r := Request{
		MessageID: l.Field(0),
		Method:    Method(strings.ToUpper(l.Field(1))), API: API(strings.ToUpper(l.Field(2))),
	}
	if err := r.checkHead(); err != nil {
		return r, err
	}
	switch strings.ToLower(l.Field(3)) {
	case "":
		r.Response = r.Method == Get
	case "true":
		r.Response = true
	case "false":
	default:
		return r, refuse(r.MessageID, badRequest)
	}
	next := 4
	if r.API == Inventory {
		if r.Method != Post {
			switch strings.ToLower(l.Field(next)) {
			case "true":
				r.ByID = true
			case "", "false":
			default:
				return r, refuse(r.MessageID, badRequest)
			}
			next++
		}
		// By ID the column of the type of the external ID may be left out.
		if !r.ByID || !ValueType(l.Field(next+1)).Known() {
			r.ExternalIDType = l.Field(next)
			next++
		}
	}
	for _, v := range mandatory[r.API][r.Method] {
		v.Fixed = l.Field(next)
		r.Mandatory = append(r.Mandatory, v)
		next++
	}
	if r.Method == Get {
		return r, nil
	}
	for ; next < len(l.Fields); next += 3 {
		path, typ, fixed := l.Field(next), l.Field(next+1), l.Field(next+2)
		if path == "" && typ == "" && fixed == "" {
			continue
		}
		v, err := newValue(r.MessageID, path, typ, fixed)
		if err != nil {
			return r, err
		}
		r.Custom = append(r.Custom, v)
	}
	return r, r.check()
}

// checkHead holds message ID, method and API to what there is.
func (r *Request) checkHead() error {
	if !validMessageID(r.MessageID) || !slices.Contains(allowed[r.API], r.Method) {
		return refuse(r.MessageID, badRequest)
	}
	return nil
}

func (r *Request) check() error {
	if len(r.Mandatory)+len(r.Custom) > MaxValues {
		return refuse(r.MessageID, badRequest)
	}
	for _, v := range slices.Concat(r.Mandatory, r.Custom) {
		if _, ok := v.Type.JSON(v.Fixed, zeroTime); v.Fixed != "" && !ok {
			return refuse(r.MessageID, "Value is not a "+string(v.Type)+": "+v.Fixed)
		}
	}
	return nil
}

func newValue(messageID, path, typ, fixed string) (Value, error) {
	p, ok := ParsePath(path)
	if !ok || !p.settable() {
		return Value{}, refuse(messageID, "Invalid JsonPath")
	}
	v := Value{Path: p, Type: ValueType(strings.ToUpper(typ)), Fixed: fixed}
	if v.Type == "" {
		v.Type = String
	}
	if !v.Type.Known() {
		return Value{}, refuse(messageID, badRequest)
	}
	return v, nil
}

// parseResponse reads msgId, base, condition and patterns; empty patterns at the
// end are those of a trailing comma.
func parseResponse(l smartrest.Line) (Response, error) {
	r := Response{MessageID: l.Field(0), Base: l.Field(1), Condition: l.Field(2)}
	if len(l.Fields) > 3 {
		r.Patterns = slices.Clone(l.Fields[3:])
	}
	for len(r.Patterns) > 0 && r.Patterns[len(r.Patterns)-1] == "" {
		r.Patterns = r.Patterns[:len(r.Patterns)-1]
	}
	if !validMessageID(r.MessageID) || len(r.Patterns) == 0 {
		return r, refuse(r.MessageID, badResponse)
	}
	return r, r.compile()
}

// validMessageID accepts what smartrest.Parse reads as the first value of a line.
func validMessageID(s string) bool {
	lines, err := smartrest.Parse([]byte(s))
	return err == nil && len(lines) == 1 && lines[0].Err == nil && lines[0].TemplateID == s && len(lines[0].Fields) == 0
}
