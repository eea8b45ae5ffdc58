// Package openapitest holds what a server does against what it says of itself:
// a document is read, checked for being OpenAPI 3.1, and then every request
// and answer of other tests is compared with it.
package openapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

type tree = map[string]any

// Document is a description that was read.
type Document struct{ root tree }

// Parse reads a document; what is wrong with it is for Faults to say.
func Parse(text []byte) (*Document, error) {
	root, err := decode(text)
	if err != nil {
		return nil, err
	}
	top, ok := root.(tree)
	if !ok {
		return nil, fmt.Errorf("the document is no object")
	}
	return &Document{top}, nil
}

func decode(text []byte) (any, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
}

// Calls lists what is described, as "GET /path/{id}".
func (d *Document) Calls() []string {
	var calls []string
	for path, item := range object(d.root["paths"]) {
		for method := range object(item) {
			calls = append(calls, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(calls)
	return calls
}

// Exchange is a request and its answer.
type Exchange struct {
	Method, Path string // Path as it was sent, escaped, without query
	Query        url.Values
	RequestType  string
	RequestBody  []byte
	Asked        bool // the request had an Accept header
	Status       int
	AnswerType   string
	Answer       []byte
}

// unlisted are statuses that any call may have; the response "default" speaks
// of them.
var unlisted = []int{http.StatusMethodNotAllowed, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable}

// Check says how x differs from the description; nil if it does not. A path
// that is not described must not exist.
func (d *Document) Check(x Exchange) error {
	path, item := d.find(x.Path)
	method := strings.ToLower(x.Method)
	if method == "head" {
		method = "get"
	}
	op := object(item[method])
	if item == nil || op == nil {
		if x.Status == http.StatusNotFound || x.Status == http.StatusMethodNotAllowed || x.Status == http.StatusBadRequest {
			return nil
		}
		return fmt.Errorf("%s %s answers %d and is not described", x.Method, x.Path, x.Status)
	}
	if err := d.checkOperation(op, x); err != nil {
		return fmt.Errorf("%s %s (%s): %w", x.Method, x.Path, path, err)
	}
	return nil
}

func (d *Document) checkOperation(op tree, x Exchange) error {
	responses := object(op["responses"])
	response := object(responses[strconv.Itoa(x.Status)])
	if response == nil {
		if !slices.Contains(unlisted, x.Status) {
			return fmt.Errorf("the answer %d is not described (%s): add it to Also", x.Status, x.Answer)
		}
		response = object(responses["default"])
	}
	if err := d.checkBody(object(d.resolve(response)["content"]), x.AnswerType, x.Answer, x.Method == http.MethodHead || !x.Asked); err != nil {
		return fmt.Errorf("answer %d %s: %w", x.Status, cut(x.Answer), err)
	}
	if x.Status >= http.StatusBadRequest {
		return nil
	}
	for name := range x.Query {
		if !d.hasParameter(op, name) {
			return fmt.Errorf("the parameter %q is not described: add it to Query", name)
		}
	}
	if len(x.RequestBody) == 0 || op["requestBody"] == nil {
		return nil
	}
	return d.checkRequest(object(object(op["requestBody"])["content"]), x)
}

// checkRequest compares a body that was accepted. Clients send any media type,
// so JSON is compared with the one JSON form.
func (d *Document) checkRequest(content tree, x Exchange) error {
	value, err := decode(x.RequestBody)
	if err != nil {
		return nil // no JSON: a form or a file
	}
	for media, form := range content {
		if !isJSON(media) {
			continue
		}
		if err := d.match(object(form)["schema"], value, "body"); err != nil {
			return fmt.Errorf("accepted request %s: %w", cut(x.RequestBody), err)
		}
	}
	return nil
}

func (d *Document) hasParameter(op tree, name string) bool {
	list, _ := op["parameters"].([]any)
	return slices.ContainsFunc(list, func(p any) bool { return object(p)["in"] == "query" && object(p)["name"] == name })
}

// anyBytes tells whether an answer may be of any type without a form; none at
// all are bytes too.
func anyBytes(content tree) bool {
	form, ok := content["*/*"]
	return ok && object(form)["schema"] == nil
}

// checkBody compares an answer with the content of its response. mayBeEmpty
// says that the client wanted no body.
func (d *Document) checkBody(content tree, contentType string, body []byte, mayBeEmpty bool) error {
	switch {
	case len(body) == 0 && (mayBeEmpty || len(content) == 0 || anyBytes(content)):
		return nil
	case len(body) == 0:
		return fmt.Errorf("it is empty")
	case len(content) == 0:
		return fmt.Errorf("a body is not described: set Gives")
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return err
	}
	for described, form := range content {
		if described != "*/*" && !strings.EqualFold(described, media) {
			continue
		}
		schema := object(form)["schema"]
		if schema == nil {
			return nil
		}
		value, err := decode(body)
		if err != nil {
			return err
		}
		return d.match(schema, value, "body")
	}
	return fmt.Errorf("its type %s is not described", media)
}

// find returns the item of a path; literal segments go before parameters.
func (d *Document) find(path string) (template string, item tree) {
	want := strings.Split(strings.Trim(path, "/"), "/")
	best := -1
	for candidate, v := range object(d.root["paths"]) {
		have := strings.Split(strings.Trim(candidate, "/"), "/")
		if literal, ok := matches(have, want); ok && literal > best {
			template, item, best = candidate, object(v), literal
		}
	}
	return template, item
}

func matches(have, want []string) (literal int, ok bool) {
	if len(have) != len(want) {
		return 0, false
	}
	for i := range have {
		if strings.HasPrefix(have[i], "{") {
			continue
		}
		segment, err := url.PathUnescape(want[i])
		if err != nil || segment != have[i] {
			return 0, false
		}
		literal += 1 << (len(have) - i) // the first literal segment counts most
	}
	return literal, true
}

func isJSON(media string) bool {
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

func object(v any) tree { m, _ := v.(tree); return m }

func cut(b []byte) string {
	const limit = 400
	if len(b) > limit {
		return string(b[:limit]) + "…"
	}
	return string(b)
}
