package legacy

import (
	"encoding/json"

	"mooring/internal/smartrest/template"
)

// text is a decoded JSON value as a field of a line.
var text = template.Text

type loose = template.LooseText

// document is the fragment of a collection in the inventory.
type document struct {
	Requests  []documentRequest  `json:"requestTemplates"`
	Responses []documentResponse `json:"responseTemplates"`
}

type documentRequest struct {
	MessageID   loose   `json:"msgId"`
	Method      loose   `json:"method"`
	URI         loose   `json:"resourceUri"`
	ContentType loose   `json:"contentType"`
	Accept      loose   `json:"accept"`
	Placeholder loose   `json:"placeholder"`
	Params      []loose `json:"values"`
	Template    loose   `json:"templateString"`
}

type documentResponse struct {
	MessageID loose   `json:"msgId"`
	Base      loose   `json:"base"`
	Condition loose   `json:"condition"`
	Patterns  []loose `json:"pattern"`
}

// ParseDocument reads the fragment of a collection that a client made by REST.
// Templates that make no sense are left out, so that one of them does not take the
// others away; the error says that it is no collection at all.
func ParseDocument(fragment []byte) (*Collection, error) {
	var d document
	if len(fragment) > MaxDocumentBytes {
		return nil, refuse("The template collection has more than 262144 bytes")
	}
	if err := json.Unmarshal(fragment, &d); err != nil {
		return nil, refuse("The template collection cannot be read")
	}
	c := &Collection{}
	for _, in := range d.Requests[:min(len(d.Requests), MaxTemplates)] {
		r := Request{MessageID: string(in.MessageID), Method: string(in.Method), URI: string(in.URI), ContentType: string(in.ContentType),
			Accept: string(in.Accept), Placeholder: string(in.Placeholder), Template: string(in.Template)}
		for _, p := range in.Params {
			r.Params = append(r.Params, ParamType(p))
		}
		_ = c.addRequest(r) // one that makes no sense is left out
	}
	for _, in := range d.Responses[:min(len(d.Responses), MaxTemplates)] {
		r := Response{MessageID: string(in.MessageID), Base: string(in.Base), Condition: string(in.Condition)}
		for _, p := range in.Patterns {
			r.Patterns = append(r.Patterns, string(p))
		}
		_ = c.addResponse(r) // likewise
	}
	return c, nil
}

// Document is the fragment under which c is kept.
func (c *Collection) Document() json.RawMessage {
	d := document{Requests: []documentRequest{}, Responses: []documentResponse{}}
	for _, r := range c.Requests {
		out := documentRequest{MessageID: loose(r.MessageID), Method: loose(r.Method), URI: loose(r.URI), ContentType: loose(r.ContentType),
			Accept: loose(r.Accept), Placeholder: loose(r.Placeholder), Params: []loose{}, Template: loose(r.Template)}
		for _, p := range r.Params {
			out.Params = append(out.Params, loose(p))
		}
		d.Requests = append(d.Requests, out)
	}
	for _, r := range c.Responses {
		out := documentResponse{MessageID: loose(r.MessageID), Base: loose(r.Base), Condition: loose(r.Condition), Patterns: []loose{}}
		for _, p := range r.Patterns {
			out.Patterns = append(out.Patterns, loose(p))
		}
		d.Responses = append(d.Responses, out)
	}
	b, err := json.Marshal(d)
	if err != nil {
		panic("template document: " + err.Error()) // texts always marshal
	}
	return b
}
