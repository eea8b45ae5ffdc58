package openapi_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"mooring/server/openapi"
	"mooring/server/openapi/openapitest"
)

var shapes = openapi.Shapes{
	openapi.ErrorShape: openapi.JSON("error: string, message: string"),
	"thing":            openapi.Of("application/vnd.x.thing+json", "id: id, name?: string, kind: A|B, at: date, parts: [part], more: {number}, self: uri"),
	"part":             openapi.JSON("n: integer, *"),
	"things":           openapi.JSON("= [thing]"),
	"newThing":         openapi.JSON("name: string, *"),
}

var calls = []openapi.Call{
	{Method: "GET", Path: "/things", Text: openapi.Text{Does: "List things", Query: "paging, kind: A|B, @X-Y", Gives: "things"}, Roles: []string{"ROLE_R"}},
	{Method: "POST", Path: "/things", Text: openapi.Text{Does: "Make a thing", Takes: "newThing | form file note?", Gives: "thing", Also: "409 202!"}},
	{Method: "GET", Path: "/things/count", Text: openapi.Text{Does: "Count things", Gives: "text/plain"}, Open: true},
	{Method: "GET", Path: "/things/{id}", Text: openapi.Text{Does: "Read a thing", Gives: "thing"}},
	{Method: "DELETE", Path: "/things/{id}", Text: openapi.Text{Does: "Delete a thing"}, Certificate: true},
}

func document(t *testing.T) (*openapitest.Document, []byte) {
	t.Helper()
	text, err := openapi.Describe("Things", "1", "about", shapes, calls)
	if err != nil {
		t.Fatal(err)
	}
	d, err := openapitest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d, text
}

func TestDescribe(t *testing.T) {
	d, text := document(t)
	for _, fault := range d.Faults() {
		t.Error(fault)
	}
	if got := strings.Join(d.Calls(), ", "); got != "DELETE /things/{id}, GET /things, GET /things/count, GET /things/{id}, POST /things" {
		t.Errorf("got %s", got)
	}
	for _, want := range []string{`"operationId":"getThingsId"`, `"x-roles":["ROLE_R"]`, `"name":"X-Y"`, `"in":"header"`, `"multipart/form-data"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

func TestDescribeRefuses(t *testing.T) {
	tests := []struct {
		name string
		call openapi.Call
		want string
	}{
		{name: "no doc", call: openapi.Call{Method: "GET", Path: "/x"}, want: "GET /x: is not described"},
		{name: "unknown shape given", call: openapi.Call{Method: "GET", Path: "/x", Text: openapi.Text{Does: "x", Gives: "y"}}, want: `no shape "y"`},
		{name: "unknown shape taken", call: openapi.Call{Method: "GET", Path: "/x", Text: openapi.Text{Does: "x", Takes: "y"}}, want: `no shape "y"`},
		{name: "unknown type", call: openapi.Call{Method: "GET", Path: "/x", Text: openapi.Text{Does: "x", Query: "a: thing"}}, want: `"a: thing"`},
		{name: "parameter twice", call: openapi.Call{Method: "GET", Path: "/x", Text: openapi.Text{Does: "x", Query: "a, a"}}, want: `" a"`},
		{name: "no status", call: openapi.Call{Method: "GET", Path: "/x", Text: openapi.Text{Does: "x", Also: "999"}}, want: `"999"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := openapi.Describe("", "", "", shapes, []openapi.Call{tt.call}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	for _, bad := range []string{"a", "a: nothing", "a: [nothing]"} {
		if _, err := openapi.Describe("", "", "", openapi.Shapes{openapi.ErrorShape: openapi.JSON(bad)}, nil); err == nil {
			t.Errorf("the shape %q is taken", bad)
		}
	}
}

const goodThing = `{"id":"1","kind":"A","at":"2020-01-01T00:00:00.000Z","parts":[{"n":1,"x":2}],"more":{"a":1.5},"self":"https://x/things/1"}`

func TestCheck(t *testing.T) {
	d, _ := document(t)
	get := func(change func(*openapitest.Exchange)) openapitest.Exchange {
		x := openapitest.Exchange{Method: "GET", Path: "/things/1", Asked: true, Status: 200, AnswerType: "application/vnd.x.thing+json;ver=1", Answer: []byte(goodThing)}
		change(&x)
		return x
	}
	answer := func(old, with string) func(*openapitest.Exchange) {
		return func(x *openapitest.Exchange) { x.Answer = []byte(strings.Replace(goodThing, old, with, 1)) }
	}
	tests := []struct {
		name   string
		change func(*openapitest.Exchange)
		want   string // empty: as described
	}{
		{"good", func(*openapitest.Exchange) {}, ""},
		{"HEAD", func(x *openapitest.Exchange) { x.Method, x.Answer = "HEAD", nil }, ""},
		{"empty", func(x *openapitest.Exchange) { x.Answer = nil }, "empty"},
		{"empty, unasked", func(x *openapitest.Exchange) { x.Answer, x.Asked = nil, false }, ""},
		{"id a number", answer(`"1"`, `1`), "body.id"},
		{"id no digits", answer(`"1"`, `"x"`), "body.id"},
		{"wrong word", answer(`"A"`, `"C"`), "body.kind"},
		{"no date", answer(`2020-01-01`, `yesterday`), "body.at"},
		{"no URI", answer(`https://x`, ``), "body.self"},
		{"fraction", answer(`"n":1`, `"n":1.5`), "body.parts[0].n"},
		{"missing", answer(`"n":1,`, ``), `"n" is missing`},
		{"map", answer(`1.5`, `"1.5"`), "body.more.a"},
		{"not described", answer(`"kind"`, `"colour":"red","kind"`), `"colour" is not described`},
		{"null", answer(`[{"n":1,"x":2}]`, `null`), "body.parts"},
		{"type", func(x *openapitest.Exchange) { x.AnswerType = "text/html" }, "its type text/html"},
		{"status", func(x *openapitest.Exchange) { x.Status = 409 }, "409 is not described"},
		{"429", func(x *openapitest.Exchange) {
			x.Status, x.AnswerType, x.Answer = 429, "application/json", []byte(`{"error":"a","message":"b"}`)
		}, ""},
		{"parameter", func(x *openapitest.Exchange) { x.Query = url.Values{"q": nil} }, `"q" is not described`},
		{"unknown path", func(x *openapitest.Exchange) { x.Path = "/else" }, "is not described"},
		{"unknown path, not there", func(x *openapitest.Exchange) { x.Path, x.Status = "/else", 404 }, ""},
		{"literal first", func(x *openapitest.Exchange) {
			x.Path, x.AnswerType, x.Answer = "/things/count", "text/plain", []byte("5")
		}, ""},
		{"created", func(x *openapitest.Exchange) {
			x.Method, x.Path, x.Status, x.RequestBody = "POST", "/things", 201, []byte(`{"name":"x","y":1}`)
		}, ""},
		{"taken although wrong", func(x *openapitest.Exchange) {
			x.Method, x.Path, x.Status, x.RequestBody = "POST", "/things", 201, []byte(`{"name":1}`)
		}, "accepted request"},
		{"body not described", func(x *openapitest.Exchange) { x.Method, x.Status = "DELETE", 204 }, "set Gives"},
		{"like an error", func(x *openapitest.Exchange) {
			x.Method, x.Path, x.Status, x.AnswerType, x.Answer = "POST", "/things", 202, "application/json", []byte(`{"error":"a","message":"b"}`)
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := d.Check(get(tt.change))
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestFaultsBite breaks a good document in one place after another.
func TestFaultsBite(t *testing.T) {
	_, text := document(t)
	for old, with := range map[string]string{
		`"openapi":"3.1.0"`:                   `"openapi":"3.0.0"`,
		`"title":"Things",`:                   ``,
		`"name":"id"`:                         `"name":"other"`,
		`"required":true,`:                    ``,
		`#/components/schemas/part`:           `#/components/schemas/lost`,
		`"operationId":"getThingsId"`:         `"operationId":"getThings"`,
		`{"bearer":[]}`:                       `{"lost":[]}`,
		`"summary":"Read a thing"`:            `"abstract":"Read a thing"`,
		`"409":`:                              `"4O9":`,
		`"in":"header"`:                       `"in":"footer"`,
		`"additionalProperties":true`:         `"additional":true`,
		`"/things/count":`:                    `"things/count":`,
		`"text/plain":{}`:                     `"text":{}`,
		`"type":"integer"}}`:                  `"type":"whole"}}`,
		`"description":"What went wrong, in `: `"descriptions":"What went wrong, in `,
	} {
		broken := strings.Replace(string(text), old, with, 1)
		if broken == string(text) {
			t.Errorf("%s is not there", old)
			continue
		}
		if !json.Valid([]byte(broken)) {
			t.Errorf("%s: no JSON", old)
			continue
		}
		d, err := openapitest.Parse([]byte(broken))
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Faults()) == 0 {
			t.Errorf("%s is taken", with)
		}
	}
}
