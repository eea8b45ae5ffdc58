package openapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Shape is the form of a JSON text, in the package's notation, and the media
// type it has on the wire.
type Shape struct{ media, text string }

// Shapes has every shape by its name.
type Shapes map[string]Shape

// JSON is a shape of plain application/json.
func JSON(text string) Shape { return Shape{"application/json", text} }

// Of is a shape with a media type of its own.
func Of(media, text string) Shape { return Shape{media, text} }

// Merge puts lists of shapes together. A name twice is a mistake in the program, which
// no test gets past, so that it panics.
func Merge(lists ...Shapes) Shapes {
	all := Shapes{}
	for _, list := range lists {
		for name, s := range list {
			if _, twice := all[name]; twice {
				panic("two shapes have the name " + name)
			}
			all[name] = s
		}
	}
	return all
}

var simple = map[string]tree{
	"string":  {"type": "string"},
	"integer": {"type": "integer"},
	"number":  {"type": "number"},
	"boolean": {"type": "boolean"},
	"date":    {"type": "string", "format": "date-time"},
	"uri":     {"type": "string", "format": "uri"},
	"id":      {"type": "string", "pattern": "^[0-9]+$"},
	"object":  {"type": "object"},
	"any":     {},
}

func reference(name string) tree { return tree{"$ref": "#/components/schemas/" + name} }

func (s Shapes) schemas() (tree, error) {
	all := tree{}
	for name, shape := range s {
		schema, err := s.schema(shape.text)
		if err != nil {
			return nil, fmt.Errorf("shape %s: %w", name, err)
		}
		all[name] = schema
	}
	return all, nil
}

func (s Shapes) schema(text string) (tree, error) {
	if typ, ok := strings.CutPrefix(text, "= "); ok {
		return s.typeOf(typ)
	}
	properties, required, open := tree{}, []any{}, false
	for member := range strings.SplitSeq(text, ",") {
		member = strings.TrimSpace(member)
		if member == "*" {
			open = true
			continue
		}
		name, typ, ok := strings.Cut(member, ": ")
		if !ok {
			return nil, fmt.Errorf("%q is no member", member)
		}
		schema, err := s.typeOf(typ)
		if err != nil {
			return nil, err
		}
		bare, optional := strings.CutSuffix(name, "?")
		if !optional {
			required = append(required, bare)
		}
		properties[bare] = schema
	}
	out := tree{"type": "object", "properties": properties, "additionalProperties": open}
	if len(required) > 0 {
		out["required"] = required
	}
	return out, nil
}

func (s Shapes) typeOf(text string) (tree, error) {
	if known, ok := simple[text]; ok {
		return maps.Clone(known), nil
	}
	switch {
	case strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]"):
		item, err := s.typeOf(text[1 : len(text)-1])
		return tree{"type": "array", "items": item}, err
	case strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}"):
		value, err := s.typeOf(text[1 : len(text)-1])
		return tree{"type": "object", "additionalProperties": value}, err
	case strings.Contains(text, "|"):
		return tree{"type": "string", "enum": words(text, "|")}, nil
	}
	if _, ok := s[text]; !ok {
		return nil, fmt.Errorf("there is no shape %q", text)
	}
	return reference(text), nil
}

func words(text, separator string) []any {
	var list []any
	for _, w := range strings.Split(text, separator) {
		list = append(list, w)
	}
	return list
}

// content is what a body may be: a shape, a media type or a form, or several.
func (s Shapes) content(text string) (tree, error) {
	all := tree{}
	for one := range strings.SplitSeq(text, " | ") {
		if parts, ok := strings.CutPrefix(one, "form "); ok {
			all["multipart/form-data"] = tree{"schema": form(strings.Fields(parts))}
			continue
		}
		if strings.Contains(one, "/") {
			all[one] = tree{}
			continue
		}
		shape, ok := s[one]
		if !ok {
			return nil, fmt.Errorf("there is no shape %q", one)
		}
		have, _ := all[shape.media].(tree)
		switch first := have["schema"].(type) {
		case nil:
			all[shape.media] = tree{"schema": reference(one)}
		case tree:
			all[shape.media] = tree{"schema": tree{"anyOf": []any{first, reference(one)}}}
		}
	}
	return all, nil
}

func form(parts []string) tree {
	properties, required := tree{}, []any{}
	for _, p := range parts {
		name, optional := strings.CutSuffix(p, "?")
		if !optional {
			required = append(required, name)
		}
		properties[name] = tree{"type": "string"}
	}
	return tree{"type": "object", "properties": properties, "required": required}
}

// paging is what every paged list takes (rest.md §0.5).
const paging = "currentPage: integer, pageSize: integer, withTotalPages: boolean, withTotalElements: boolean"

func parameters(c Call) ([]any, error) {
	var list []any
	for segment := range strings.SplitSeq(c.Path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			list = append(list, tree{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": simple["string"]})
		}
	}
	if c.Query == "" {
		return list, nil
	}
	var seen []string
	for one := range strings.SplitSeq(strings.ReplaceAll(c.Query, "paging", paging), ",") {
		name, typ, typed := strings.Cut(strings.TrimSpace(one), ": ")
		if !typed {
			typ = "string"
		}
		schema, ok := simple[typ]
		if strings.Contains(typ, "|") {
			schema, ok = tree{"type": "string", "enum": words(typ, "|")}, true
		}
		if !ok || name == "" || slices.Contains(seen, name) {
			return nil, fmt.Errorf("parameter %q of the query cannot be described", one)
		}
		seen = append(seen, name)
		in := "query"
		if header, is := strings.CutPrefix(name, "@"); is {
			name, in = header, "header"
		}
		list = append(list, tree{"name": name, "in": in, "schema": schema})
	}
	return list, nil
}
