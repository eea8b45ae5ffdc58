package template

import (
	"encoding/json"
	"strings"
	"time"
)

var zeroTime time.Time

// document is the fragment of a collection in the inventory (mqtt.md §6.4).
type document struct {
	Requests  []documentRequest  `json:"requestTemplates"`
	Responses []documentResponse `json:"responseTemplates"`
}

type documentRequest struct {
	MessageID      looseText       `json:"msgId"`
	Name           looseText       `json:"name,omitempty"`
	Method         looseText       `json:"method"`
	API            looseText       `json:"api"`
	ByID           bool            `json:"byId"`
	Response       bool            `json:"response"`
	ExternalIDType *looseText      `json:"externalIdType,omitempty"`
	Mandatory      []documentValue `json:"mandatoryValues"`
	Custom         []documentValue `json:"customValues"`
}

type documentValue struct {
	Path  looseText  `json:"path"`
	Type  looseText  `json:"type"`
	Value *looseText `json:"value"`
}

type documentResponse struct {
	MessageID looseText   `json:"msgId"`
	Name      looseText   `json:"name,omitempty"`
	Base      looseText   `json:"base"`
	Condition looseText   `json:"condition"`
	Patterns  []looseText `json:"pattern"`
}

// looseText reads numbers and truth values as their text, null as empty.
type looseText string

func (t *looseText) UnmarshalJSON(b []byte) error {
	v, err := Decode(b)
	if err != nil {
		return err
	}
	*t = looseText(Text(v))
	return nil
}

func (t *looseText) text() string {
	if t == nil {
		return ""
	}
	return string(*t)
}

// ParseDocument reads the fragment of a collection that a client made by REST.
// Templates that make no sense are left out, so that one of them does not take the
// others away; the error says that it is no collection at all.
func ParseDocument(fragment []byte) (*Collection, error) {
	var d document
	if len(fragment) > MaxDocumentBytes {
		return nil, refuse("", "The template collection has more than 262144 bytes")
	}
	if err := json.Unmarshal(fragment, &d); err != nil {
		return nil, refuse("", "The template collection cannot be read")
	}
	c := &Collection{}
	seen := map[string]bool{}
	for _, in := range d.Requests[:min(len(d.Requests), MaxTemplates)] {
		if r, err := in.request(); err == nil && !seen[r.MessageID] {
			seen[r.MessageID] = true
			c.Requests = append(c.Requests, r)
		}
	}
	clear(seen)
	for _, in := range d.Responses[:min(len(d.Responses), MaxTemplates)] {
		if r, err := in.response(); err == nil && !seen[r.MessageID] {
			seen[r.MessageID] = true
			c.Responses = append(c.Responses, r)
		}
	}
	return c, nil
}

func (d documentRequest) request() (Request, error) {
	r := Request{
		MessageID: string(d.MessageID), Name: string(d.Name), Response: d.Response, ByID: d.ByID,
		Method: Method(strings.ToUpper(string(d.Method))), API: API(strings.ToUpper(string(d.API))),
		ExternalIDType: d.ExternalIDType.text(),
	}
	if err := r.checkHead(); err != nil {
		return r, err
	}
	given := d.Mandatory
	if r.API == Inventory {
		// The web application keeps the type of the external ID of POST here.
		if r.Method == Post && r.ExternalIDType == "" && len(given) > 0 {
			r.ExternalIDType = given[0].Value.text()
		}
		given = nil
	}
	for i, v := range mandatory[r.API][r.Method] {
		for j, g := range given {
			if strings.TrimPrefix(string(g.Path), "$.") == strings.TrimPrefix(v.Path.String(), "$.") || string(g.Path) == "" && i == j {
				v.Fixed = g.Value.text()
			}
		}
		r.Mandatory = append(r.Mandatory, v)
	}
	for _, g := range d.Custom[:min(len(d.Custom), MaxValues+1)] {
		v, err := newValue(r.MessageID, string(g.Path), string(g.Type), g.Value.text())
		if err != nil {
			return r, err
		}
		r.Custom = append(r.Custom, v)
	}
	return r, r.check()
}

func (d documentResponse) response() (Response, error) {
	r := Response{MessageID: string(d.MessageID), Name: string(d.Name), Base: string(d.Base), Condition: string(d.Condition)}
	for _, p := range d.Patterns {
		r.Patterns = append(r.Patterns, string(p))
	}
	if !validMessageID(r.MessageID) {
		return r, refuse(r.MessageID, badResponse)
	}
	return r, r.compile()
}

// Document is the fragment under which c is kept.
func (c *Collection) Document() json.RawMessage {
	d := document{Requests: []documentRequest{}, Responses: []documentResponse{}}
	for _, r := range c.Requests {
		out := documentRequest{MessageID: looseText(r.MessageID), Name: looseText(nameOr(r.Name, r.MessageID)), Method: looseText(r.Method),
			API: looseText(r.API), ByID: r.ByID, Response: r.Response, Mandatory: values(r.Mandatory), Custom: values(r.Custom)}
		if r.API == Inventory {
			typ := looseText(r.ExternalIDType)
			out.ExternalIDType = &typ
		}
		d.Requests = append(d.Requests, out)
	}
	for _, r := range c.Responses {
		out := documentResponse{MessageID: looseText(r.MessageID), Name: looseText(nameOr(r.Name, r.MessageID)), Base: looseText(r.Base),
			Condition: looseText(r.Condition), Patterns: []looseText{}}
		for _, p := range r.Patterns {
			out.Patterns = append(out.Patterns, looseText(p))
		}
		d.Responses = append(d.Responses, out)
	}
	b, err := json.Marshal(d)
	if err != nil {
		panic("template document: " + err.Error()) // texts and truth values always marshal
	}
	return b
}

// nameOr is the name that the web application shows.
func nameOr(name, messageID string) string {
	if name == "" {
		return messageID
	}
	return name
}

func values(list []Value) []documentValue {
	out := make([]documentValue, len(list))
	for i, v := range list {
		out[i] = documentValue{Path: looseText(v.Path.String()), Type: looseText(v.Type)}
		if v.Fixed != "" {
			fixed := looseText(v.Fixed)
			out[i].Value = &fixed
		}
	}
	return out
}
