package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// reader puts TOML over a struct whose fields have toml tags: texts, integers,
// floats, booleans, lists of these, whatever unmarshals itself from text, and
// structs as tables. Only the parser of go-toml is used: its decoder can do much
// more and would be a 30th of the agent.
type reader struct {
	// seen has the keys that were there and the tables: "[a]" by a header, "{a}" as
	// a value, ".a" by a dotted key. A table is defined in one of these ways.
	seen    map[string]bool
	unknown []string
}

// readTOML puts text over into, a pointer to a struct. All unknown keys are
// named in one error.
func readTOML(text []byte, into any) error {
	r := reader{seen: map[string]bool{}}
	var p unstable.Parser
	p.Reset(text)
	table, prefix := reflect.ValueOf(into).Elem(), []string(nil)
	for p.NextExpression() {
		e := p.Expression()
		path := keys(e)
		var err error
		switch e.Kind {
		case unstable.KeyValue:
			err = r.set(table, prefix, path, e.Value())
		case unstable.Table:
			prefix = path
			table, err = r.enter(reflect.ValueOf(into).Elem(), path)
		default: // no setting is a list of tables
			prefix, table = path, reflect.Value{}
			r.unknown = append(r.unknown, strings.Join(path, "."))
		}
		if err != nil {
			return err
		}
	}
	if fault, ok := errors.AsType[*unstable.ParserError](p.Error()); ok {
		return fmt.Errorf("line %d: %s", p.Shape(p.Range(fault.Highlight)).Start.Line, fault.Message)
	}
	if err := p.Error(); err != nil {
		return err
	}
	if len(r.unknown) > 0 {
		return errors.New("unknown key " + strings.Join(r.unknown, ", "))
	}
	return nil
}

func keys(e *unstable.Node) (path []string) {
	for it := e.Key(); it.Next(); {
		path = append(path, string(it.Node().Data))
	}
	return path
}

// once refuses what a file says twice.
func (r *reader) once(name string) error {
	if r.seen[name] {
		return fmt.Errorf("%s is there twice", name)
	}
	r.seen[name] = true
	return nil
}

// enter finds the struct of a table; the zero Value if there is none, so that
// what is in it is unknown, too.
func (r *reader) enter(root reflect.Value, path []string) (reflect.Value, error) {
	name := strings.Join(path, ".")
	if r.seen[name] || r.seen["."+name] {
		return root, fmt.Errorf("%s is there twice", name)
	}
	table := walk(root, path)
	if !isTable(table) {
		table = reflect.Value{}
		r.unknown = append(r.unknown, name)
	}
	return table, r.once("[" + name + "]")
}

func isTable(v reflect.Value) bool { return v.IsValid() && v.Kind() == reflect.Struct }

// walk goes down from table; the zero Value if there is no such field.
func walk(table reflect.Value, path []string) reflect.Value {
	for _, name := range path {
		if !isTable(table) {
			return reflect.Value{}
		}
		table = fieldOf(table, name)
	}
	return table
}

func fieldOf(table reflect.Value, name string) reflect.Value {
	for i := range table.NumField() {
		if tag := table.Type().Field(i).Tag.Get("toml"); tag == name && tag != "-" {
			return table.Field(i)
		}
	}
	return reflect.Value{}
}

// set puts the value of a key, which may be dotted, into table.
func (r *reader) set(table reflect.Value, prefix, path []string, value *unstable.Node) error {
	full := append(append([]string(nil), prefix...), path...)
	name := strings.Join(full, ".")
	if !table.IsValid() { // its table is unknown and was named
		return nil
	}
	target := walk(table, path)
	if !target.IsValid() {
		r.unknown = append(r.unknown, name)
		return nil
	}
	if isTable(target) && value.Kind != unstable.InlineTable {
		return fmt.Errorf("%s: must be a table, as [%s] begins one", name, name)
	}
	if err := errors.Join(r.dotted(prefix, path), r.once(name)); err != nil {
		return err
	}
	if isTable(target) {
		if r.seen["["+name+"]"] || r.seen["."+name] {
			return fmt.Errorf("%s is there twice", name)
		}
		for it := value.Children(); it.Next(); {
			if err := r.set(target, full, keys(it.Node()), it.Node().Value()); err != nil {
				return err
			}
		}
		r.seen["{"+name+"}"] = true
		return nil
	}
	if err := assign(target, value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// dotted notes the tables that a dotted key goes through.
func (r *reader) dotted(prefix, path []string) error {
	full := append([]string(nil), prefix...)
	for _, part := range path[:len(path)-1] {
		full = append(full, part)
		name := strings.Join(full, ".")
		if r.seen["["+name+"]"] || r.seen["{"+name+"}"] {
			return fmt.Errorf("%s is there twice", name)
		}
		r.seen["."+name] = true
	}
	return nil
}

func assign(target reflect.Value, value *unstable.Node) error {
	text := string(value.Data)
	if u, ok := target.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if value.Kind != unstable.String {
			return errors.New("must be a text in quotes")
		}
		return u.UnmarshalText(value.Data)
	}
	switch kind := target.Kind(); {
	case kind == reflect.String && value.Kind == unstable.String:
		target.SetString(text)
	case kind == reflect.Bool && value.Kind == unstable.Bool:
		target.SetBool(text == "true")
	case kind == reflect.Int && value.Kind == unstable.Integer:
		return assignInt(target, text)
	case kind == reflect.Float64 && (value.Kind == unstable.Float || value.Kind == unstable.Integer):
		n, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
		if err != nil {
			return fmt.Errorf("%q is no number", text)
		}
		target.SetFloat(n)
	case kind == reflect.Slice && value.Kind == unstable.Array:
		return assignList(target, value)
	default:
		return fmt.Errorf("must be %s", kindNames[kind])
	}
	return nil
}

var kindNames = map[reflect.Kind]string{reflect.String: "a text in quotes", reflect.Bool: "true or false", reflect.Int: "a whole number",
	reflect.Float64: "a number", reflect.Slice: "a list in brackets"}

func assignInt(target reflect.Value, text string) error {
	digits, base := strings.ReplaceAll(text, "_", ""), 10
	if len(digits) > 2 && digits[0] == '0' {
		base = 0 // 0x, 0o, 0b
	}
	n, err := strconv.ParseInt(digits, base, strconv.IntSize)
	if err != nil {
		return fmt.Errorf("%q is no whole number", text)
	}
	target.SetInt(n)
	return nil
}

func assignList(target reflect.Value, value *unstable.Node) error {
	list := reflect.MakeSlice(target.Type(), 0, 0)
	for it := value.Children(); it.Next(); {
		element := reflect.New(target.Type().Elem()).Elem()
		if err := assign(element, it.Node()); err != nil {
			return fmt.Errorf("in the list: %w", err)
		}
		list = reflect.Append(list, element)
	}
	target.Set(list)
	return nil
}
