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
	MessageID      LooseText       `json:"msgId"`
	Name           LooseText       `json:"name,omitempty"`
	Method         LooseText       `json:"method"`
	API            LooseText       `json:"api"`
	ByID           bool            `json:"byId"`
	Response       bool            `json:"response"`
	ExternalIDType *LooseText      `json:"externalIdType,omitempty"`
	Mandatory      []documentValue `json:"mandatoryValues"`
	Custom         []documentValue `json:"customValues"`
}

type documentValue struct {
	Path  LooseText  `json:"path"`
	Type  LooseText  `json:"type"`
	Value *LooseText `json:"value"`
}

type documentResponse struct {
	MessageID LooseText   `json:"msgId"`
	Name      LooseText   `json:"name,omitempty"`
	Base      LooseText   `json:"base"`
	Condition LooseText   `json:"condition"`
	Patterns  []LooseText `json:"pattern"`
}

// LooseText is written as a text and read from any JSON: numbers and truth values
// as their text, null as empty.
type LooseText string

// UnmarshalJSON reads any JSON value.
func (t *LooseText) UnmarshalJSON(b []byte) error {
	v, err := Decode(b)
	if err != nil {
		return err
	}
	*t = LooseText(Text(v))
	return nil
}

func (t *LooseText) text() string {
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
		out := documentRequest{MessageID: LooseText(r.MessageID), Name: LooseText(nameOr(r.Name, r.MessageID)), Method: LooseText(r.Method),
			API: LooseText(r.API), ByID: r.ByID, Response: r.Response, Mandatory: values(r.Mandatory), Custom: values(r.Custom)}
		if r.API == Inventory {
			typ := LooseText(r.ExternalIDType)
			out.ExternalIDType = &typ
		}
		d.Requests = append(d.Requests, out)
	}
	for _, r := range c.Responses {
		out := documentResponse{MessageID: LooseText(r.MessageID), Name: LooseText(nameOr(r.Name, r.MessageID)), Base: LooseText(r.Base),
			Condition: LooseText(r.Condition), Patterns: []LooseText{}}
		for _, p := range r.Patterns {
			out.Patterns = append(out.Patterns, LooseText(p))
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
		out[i] = documentValue{Path: LooseText(v.Path.String()), Type: LooseText(v.Type)}
		if v.Fixed != "" {
			fixed := LooseText(v.Fixed)
			out[i].Value = &fixed
		}
	}
	return out
}
