package openapitest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// members are those that OpenAPI 3.1 gives its objects and that we use; each
// object of the document may have these alone, and "x-…".
var members = map[string][]string{
	"document":   {"openapi", "info", "servers", "tags", "paths", "components"},
	"info":       {"title", "version", "description", "license"},
	"components": {"schemas", "responses", "securitySchemes"},
	"item":       {"get", "put", "post", "delete", "options", "head", "patch", "trace", "parameters", "summary", "description"},
	"operation":  {"operationId", "summary", "description", "tags", "parameters", "requestBody", "responses", "security", "deprecated"},
	"parameter":  {"name", "in", "required", "schema", "description"},
	"response":   {"description", "content", "headers"},
	"body":       {"content", "required", "description"},
	"media":      {"schema", "example"},
}

// Faults lists what makes the document no OpenAPI 3.1 (sections 4.8.1 to
// 4.8.30 of the specification): members that are missing or unknown,
// references that lead nowhere, parameters that do not fit their path,
// operations with one name.
func (d *Document) Faults() []string {
	f := &faults{d: d, operations: map[string]string{}}
	f.members("document", "document", d.root, "openapi", "info", "paths")
	if version, _ := d.root["openapi"].(string); !regexp.MustCompile(`^3\.1\.\d+$`).MatchString(version) {
		f.add("openapi is %q", version)
	}
	f.members("info", "info", object(d.root["info"]), "title", "version")
	f.members("components", "components", object(d.root["components"]))
	for name, response := range object(object(d.root["components"])["responses"]) {
		f.response(name, object(response))
	}
	for path, item := range object(d.root["paths"]) {
		f.path(path, object(item))
	}
	f.references("document", d.root)
	f.schemas("components", object(object(d.root["components"])["schemas"]))
	slices.Sort(f.list)
	return f.list
}

type faults struct {
	d          *Document
	list       []string
	operations map[string]string
}

func (f *faults) add(format string, args ...any) {
	f.list = append(f.list, fmt.Sprintf(format, args...))
}

func (f *faults) members(at, kind string, o tree, required ...string) {
	if o == nil {
		f.add("%s is no object", at)
		return
	}
	for name := range o {
		if !slices.Contains(members[kind], name) && !strings.HasPrefix(name, "x-") {
			f.add("%s has a member %q", at, name)
		}
	}
	for _, name := range required {
		if _, ok := o[name]; !ok {
			f.add("%s has no %q", at, name)
		}
	}
}

var pathParameter = regexp.MustCompile(`\{([^}]*)\}`)

func (f *faults) path(path string, item tree) {
	if !strings.HasPrefix(path, "/") {
		f.add("path %q does not begin with a slash", path)
	}
	f.members(path, "item", item)
	for method, v := range item {
		f.operation(method+" "+path, path, object(v))
	}
}

func (f *faults) operation(at, path string, op tree) {
	f.members(at, "operation", op, "operationId", "summary", "responses", "security")
	id, _ := op["operationId"].(string)
	if f.operations[id] != "" {
		f.add("%s and %s have one operationId", at, f.operations[id])
	}
	f.operations[id] = at
	f.parameters(at, path, op)
	if body, ok := op["requestBody"]; ok {
		f.members(at+" body", "body", object(body), "content")
		f.media(at+" body", object(object(body)["content"]))
	}
	responses := object(op["responses"])
	if len(responses) == 0 {
		f.add("%s has no responses", at)
	}
	for status, v := range responses {
		if !regexp.MustCompile(`^(default|[1-5]\d\d)$`).MatchString(status) {
			f.add("%s has a response %q", at, status)
		}
		f.response(at+" "+status, f.d.resolve(object(v)))
	}
	f.security(at, op["security"])
}

func (f *faults) response(at string, response tree) {
	f.members(at, "response", response, "description")
	f.media(at, object(response["content"]))
}

func (f *faults) parameters(at, path string, op tree) {
	var inPath []string
	list, _ := op["parameters"].([]any)
	seen := map[string]bool{}
	for _, v := range list {
		p := object(v)
		f.members(at, "parameter", p, "name", "in", "schema")
		key := fmt.Sprint(p["in"], " ", p["name"])
		if seen[key] {
			f.add("%s has two parameters %s", at, key)
		}
		seen[key] = true
		switch p["in"] {
		case "path":
			inPath = append(inPath, fmt.Sprint(p["name"]))
			if p["required"] != true {
				f.add("%s: a parameter of the path is required", at)
			}
		case "query", "header", "cookie":
		default:
			f.add("%s has a parameter in %v", at, p["in"])
		}
	}
	var want []string
	for _, m := range pathParameter.FindAllStringSubmatch(path, -1) {
		want = append(want, m[1])
	}
	if !slices.Equal(inPath, want) {
		f.add("%s has the parameters %q, its path %q", at, inPath, want)
	}
}

func (f *faults) media(at string, content tree) {
	for media, v := range content {
		if strings.Count(media, "/") != 1 {
			f.add("%s has the media type %q", at, media)
		}
		f.members(at+" "+media, "media", object(v))
	}
}

func (f *faults) security(at string, v any) {
	list, _ := v.([]any)
	for _, requirement := range list {
		for name := range object(requirement) {
			if object(object(f.d.root["components"])["securitySchemes"])[name] == nil {
				f.add("%s names the security scheme %q, which is not there", at, name)
			}
		}
	}
}

// references follows every $ref.
func (f *faults) references(at string, v any) {
	switch v := v.(type) {
	case tree:
		if ref, ok := v["$ref"].(string); ok && f.d.resolve(v) == nil {
			f.add("%s refers to %s, which is not there", at, ref)
		}
		for name, inner := range v {
			f.references(at+"/"+name, inner)
		}
	case []any:
		for _, inner := range v {
			f.references(at, inner)
		}
	}
}

// schemas sees that each is a JSON Schema as far as we use it, and used.
func (f *faults) schemas(at string, all tree) {
	known := []string{"$ref", "type", "format", "pattern", "enum", "items", "properties", "required", "additionalProperties", "description"}
	for name, v := range all {
		s := object(v)
		if s == nil {
			f.add("%s/%s is no schema", at, name)
		}
		for keyword := range s {
			if !slices.Contains(known, keyword) {
				f.add("%s/%s has the keyword %q", at, name, keyword)
			}
		}
		if typ, ok := s["type"]; ok && !slices.Contains([]any{"string", "integer", "number", "boolean", "array", "object", "null"}, typ) {
			f.add("%s/%s has the type %v", at, name, typ)
		}
		f.schemas(at+"/"+name, object(s["properties"]))
	}
}
