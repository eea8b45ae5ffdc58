package openapitest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// resolve follows a reference within the document.
func (d *Document) resolve(schema tree) tree {
	ref, ok := schema["$ref"].(string)
	if !ok {
		return schema
	}
	at := d.root
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		at = object(at[name])
	}
	return at
}

// match compares a value with a schema: the keywords of JSON Schema 2020-12
// that descriptions use. at is where in the body it stands.
func (d *Document) match(schema, value any, at string) error {
	s := d.resolve(object(schema))
	if any, ok := s["anyOf"].([]any); ok {
		var err error
		for _, one := range any {
			if err = d.match(one, value, at); err == nil {
				return nil
			}
		}
		return err
	}
	if err := matchType(s, value); err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	if all, ok := s["enum"].([]any); ok && !slices.Contains(all, value) {
		return fmt.Errorf("%s: %v is none of %v", at, value, all)
	}
	switch v := value.(type) {
	case string:
		if err := matchText(s, v); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	case []any:
		for i, item := range v {
			if err := d.match(s["items"], item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case tree:
		return d.matchObject(s, v, at)
	}
	return nil
}

func (d *Document) matchObject(s, v tree, at string) error {
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return fmt.Errorf("%s: %q is missing", at, name)
		}
	}
	properties := object(s["properties"])
	for name, value := range v {
		schema, known := properties[name]
		if !known {
			switch rest := s["additionalProperties"].(type) {
			case bool:
				if !rest {
					return fmt.Errorf("%s: %q is not described", at, name)
				}
				continue
			case tree:
				schema = rest
			default:
				continue
			}
		}
		if err := d.match(schema, value, at+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func matchType(s tree, value any) error {
	want, ok := s["type"].(string)
	if !ok {
		return nil
	}
	got := "null"
	switch v := value.(type) {
	case string:
		got = "string"
	case bool:
		got = "boolean"
	case json.Number:
		got = "number"
		if _, err := v.Int64(); err == nil && want == "integer" {
			got = "integer"
		}
	case []any:
		got = "array"
	case tree:
		got = "object"
	}
	if got != want {
		return fmt.Errorf("%v is %s, not %s", value, got, want)
	}
	return nil
}

func matchText(s tree, v string) error {
	if pattern, ok := s["pattern"].(string); ok {
		if is, err := regexp.MatchString(pattern, v); err != nil || !is {
			return fmt.Errorf("%q is not like %s", v, pattern)
		}
	}
	switch s["format"] {
	case "date-time":
		if _, err := time.Parse(time.RFC3339, v); err != nil {
			return err
		}
	case "uri":
		if u, err := url.Parse(v); err != nil || !u.IsAbs() {
			return fmt.Errorf("%q is no absolute URI", v)
		}
	}
	return nil
}
