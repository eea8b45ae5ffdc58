// Package openapi writes a server's description of itself (OpenAPI 3.1) from
// one line a call. Front ends list their calls beside their handlers; shapes
// of JSON are written in a short notation:
//
//	shape  = members | "= " type
//	members = member *( ", " member ), one of them may be "*": any other member
//	member = name [ "?" ] ": " type          "?" marks what may be missing
//	type   = string | integer | number | boolean | date | uri | id | object | any
//	       | A|B|C (one of these words) | name of a shape | "[" type "]" | "{" type "}" (map)
//
// The package does no I/O. What it writes is checked by openapitest, against
// itself and against what handlers answer.
package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Version is that of the specification the document follows.
const Version = "3.1.0"

// Text is what a person writes of a call; all but Does may be empty.
type Text struct {
	Does  string // what it does, as "List alarms"; no dot
	Query string // parameters, comma separated: "source: id, type, paging", headers as "@X-Name"; strings unless typed
	Takes string // shape of the body, or a media type, or "form file tenantId?"; several by " | "
	Gives string // shape of the answer, or a media type; several by " | "
	Also  string // statuses beside the usual ones: "409 422"; "202!" if it answers like an error
	// Status is that of success: zero is 201 for POST, 204 for DELETE, else 200.
	Status int
}

// Call is one call with what is known of it without a person.
type Call struct {
	Text
	Method, Path string   // parameters of Path are in braces
	Open         bool     // nobody has to log in
	Certificate  bool     // only where client certificates count
	Roles        []string // one of them is needed
	TextErrors   bool     // errors are plain text for who asks for it
}

// Describe writes the document. A call that is not described, and a name that
// is not there, are errors: they are mistakes of a programmer.
func Describe(title, version, about string, shapes Shapes, calls []Call) ([]byte, error) {
	paths := tree{}
	tags := map[string]bool{}
	for _, c := range calls {
		op, err := operation(shapes, c)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", c.Method, c.Path, err)
		}
		item, _ := paths[c.Path].(tree)
		if item == nil {
			item = tree{}
			paths[c.Path] = item
		}
		item[strings.ToLower(c.Method)] = op
		tags[tag(c.Path)] = true
	}
	schemas, err := shapes.schemas()
	if err != nil {
		return nil, err
	}
	doc := tree{
		"openapi": Version,
		"info":    tree{"title": title, "version": version, "description": about, "license": tree{"name": "Apache-2.0", "identifier": "Apache-2.0"}},
		"servers": []any{tree{"url": "/"}},
		"tags":    tagList(tags),
		"paths":   paths,
		"components": tree{
			"schemas":         schemas,
			"responses":       tree{"problem": problemResponse(shapes, false), "problemOrText": problemResponse(shapes, true)},
			"securitySchemes": securitySchemes,
		},
	}
	return json.Marshal(doc)
}

// ErrorShape is the name of the shape of error bodies; Shapes must have it.
const ErrorShape = "error"

type tree = map[string]any

func problemResponse(shapes Shapes, text bool) tree {
	content := tree{shapes[ErrorShape].media: tree{"schema": reference(ErrorShape)}}
	if text {
		content["text/plain"] = tree{}
	}
	return tree{"description": "What went wrong, in the one form of all errors.", "content": content}
}

var securitySchemes = tree{
	"basic":       tree{"type": "http", "scheme": "basic", "description": "tenant/user:password, or user:password with the tenant told by the host name."},
	"bearer":      tree{"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The token of a person or a device."},
	"cookie":      tree{"type": "apiKey", "in": "cookie", "name": "authorization", "description": "Set by a login; with it the header X-XSRF-TOKEN is needed."},
	"certificate": tree{"type": "mutualTLS", "description": "A device certificate, on the listener for mutual TLS."},
}

func tag(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first
}

func tagList(tags map[string]bool) []any {
	var names []string
	for name := range tags {
		names = append(names, name)
	}
	slices.Sort(names)
	list := []any{}
	for _, name := range names {
		list = append(list, tree{"name": name})
	}
	return list
}

func operation(shapes Shapes, c Call) (tree, error) {
	if c.Does == "" {
		return nil, fmt.Errorf("is not described: give its route a doc with Does, and Query, Takes and Gives as they apply")
	}
	parameters, err := parameters(c)
	if err != nil {
		return nil, err
	}
	responses, err := responses(shapes, c)
	if err != nil {
		return nil, err
	}
	op := tree{"operationId": operationID(c), "summary": c.Does, "tags": []any{tag(c.Path)}, "responses": responses, "security": security(c)}
	if len(parameters) > 0 {
		op["parameters"] = parameters
	}
	if len(c.Roles) > 0 {
		op["description"] = "Needs one of the roles " + strings.Join(c.Roles, ", ") + "."
		op["x-roles"] = c.Roles
	}
	if c.Takes != "" {
		content, err := shapes.content(c.Takes)
		if err != nil {
			return nil, err
		}
		op["requestBody"] = tree{"content": content}
	}
	return op, nil
}

// operationID is unique because method and path are.
func operationID(c Call) string {
	var b strings.Builder
	b.WriteString(strings.ToLower(c.Method))
	up := true
	for _, r := range c.Path {
		switch {
		case r >= 'a' && r <= 'z' && up:
			b.WriteRune(r - 'a' + 'A')
			up = false
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			b.WriteRune(r)
			up = false
		default:
			up = true
		}
	}
	return b.String()
}

func security(c Call) []any {
	all := []any{tree{"basic": []any{}}, tree{"bearer": []any{}}, tree{"cookie": []any{}}, tree{"certificate": []any{}}}
	switch {
	case c.Certificate:
		return all[3:]
	case c.Open:
		return []any{tree{}}
	}
	return all
}

// Success is the status of a call that went well.
func (c Call) success() int {
	switch {
	case c.Status != 0:
		return c.Status
	case c.Method == http.MethodPost:
		return http.StatusCreated
	case c.Method == http.MethodDelete:
		return http.StatusNoContent
	}
	return http.StatusOK
}

func responses(shapes Shapes, c Call) (tree, error) {
	good := tree{"description": http.StatusText(c.success())}
	if c.Gives != "" {
		content, err := shapes.content(c.Gives)
		if err != nil {
			return nil, err
		}
		good["content"] = content
	}
	problem := tree{"$ref": "#/components/responses/problem"}
	if c.TextErrors {
		problem = tree{"$ref": "#/components/responses/problemOrText"}
	}
	all := tree{"400": problem, "default": problem}
	if !c.Open || c.Certificate {
		all["401"] = problem
	}
	if !c.Open {
		all["403"] = problem
	}
	if strings.Contains(c.Path, "{") || c.Certificate {
		all["404"] = problem
	}
	if c.Takes != "" {
		all["413"], all["422"] = problem, problem
	}
	for status := range strings.FieldsSeq(c.Also) {
		status, bad := strings.CutSuffix(status, "!")
		n, err := strconv.Atoi(status)
		if err != nil || http.StatusText(n) == "" {
			return nil, fmt.Errorf("%q is no status", status)
		}
		switch {
		case n == http.StatusNoContent:
			all[status] = tree{"description": http.StatusText(n)}
		case n < http.StatusBadRequest && !bad:
			all[status] = good
		default:
			all[status] = problem
		}
	}
	all[strconv.Itoa(c.success())] = good
	return all, nil
}
