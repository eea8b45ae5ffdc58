package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// writeTOML gives the TOML of a struct that readTOML reads: first the settings,
// then the tables.
func writeTOML(from any) string {
	var b strings.Builder
	writeTable(&b, reflect.ValueOf(from), "")
	return b.String()
}

func writeTable(b *strings.Builder, table reflect.Value, prefix string) {
	var tables []int
	for i := range table.NumField() {
		name := table.Type().Field(i).Tag.Get("toml")
		switch {
		case name == "" || name == "-":
		case table.Field(i).Kind() == reflect.Struct:
			tables = append(tables, i)
		default:
			fmt.Fprintf(b, "%s = %s\n", name, valueText(table.Field(i)))
		}
	}
	for _, i := range tables {
		name := prefix + table.Type().Field(i).Tag.Get("toml")
		fmt.Fprintf(b, "\n[%s]\n", name)
		writeTable(b, table.Field(i), name+".")
	}
}

func valueText(v reflect.Value) string {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		if err != nil {
			text = []byte(err.Error())
		}
		return quote(string(text))
	}
	switch v.Kind() {
	case reflect.String:
		return quote(v.String())
	case reflect.Float64:
		text := strconv.FormatFloat(v.Float(), 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = valueText(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

// quote writes a literal string, or a basic one if that cannot be.
func quote(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == '\'' || r < ' ' || r == 0x7f || r == '\uFFFD' }) {
		return "'" + s + "'"
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}
