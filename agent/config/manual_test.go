package config_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"mooring/agent/config"
	"mooring/internal/durable"
	"mooring/internal/manualtest"
)

var update = flag.Bool("update", false, "write the manual page and the sample anew")

// setting is a key of the file, with what its field's comment says.
type setting struct{ key, comment, value string }

// TestManual: the manual page and the sample are made from the comments and
// defaults of the structs, which are all there is to say.
func TestManual(t *testing.T) {
	docs := fieldComments(t)
	groups := settings(t, docs, "", reflect.ValueOf(config.Default()))
	page := manualtest.Page("mooring-agent.toml", "5", "configuration of mooring-agent")
	page.Section("DESCRIPTION")
	page.Text("The file " + config.DefaultFile + " is TOML. An unknown key is an error; a key that is absent keeps its default, which is shown. " +
		"mooring-agent enrol notes server, ports, trust anchors, device and key store in the state directory, so that a device needs no file. " +
		"A duration is written as 90s, 10m or 24h. mooring-agent config check tries a file; SIGHUP makes a running agent read it again.")
	var sample strings.Builder
	sample.WriteString("# " + config.DefaultFile + ": each key with its default. mooring-agent.toml(5) says the same.\n")
	for _, g := range groups {
		page.Section(or(g.table, "SETTINGS"))
		if g.table != "" {
			page.Text(g.comment)
			fmt.Fprintf(&sample, "\n# %s\n[%s]\n", g.comment, g.table)
		}
		for _, s := range g.settings {
			page.Entry(manualtest.Entry{Term: s.key + " = " + s.value, Meaning: s.comment})
			fmt.Fprintf(&sample, "\n%s#%s = %s\n", commented(s.comment), s.key, s.value)
		}
	}
	page.Section("SEE ALSO")
	page.Text("mooring-agent(1)")
	manualtest.Compare(t, "../../docs/man/mooring-agent.toml.5", page.Bytes(), *update)
	manualtest.Compare(t, "../../packaging/agent.toml", []byte(sample.String()), *update)
}

// TestSample: every key of the sample, taken at its word, is the default.
func TestSample(t *testing.T) {
	text, err := os.ReadFile("../../packaging/agent.toml")
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	file := filepath.Join(state, "agent.toml")
	all := regexp.MustCompile(`(?m)^#([a-z])`).ReplaceAll(text, []byte("$1"))
	if err := os.WriteFile(file, all, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(durable.OS, state, file, true)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.State = state
	if got := c.String(); got != want.String() || len(all) == len(text) {
		t.Errorf("got %s, want %s", got, want)
	}
}

type group struct {
	table, comment string
	settings       []setting
}

// settings lists the keys of a table, then those of the tables in it.
func settings(t *testing.T, docs map[string]string, table string, v reflect.Value) []group {
	t.Helper()
	g := group{table: table, comment: docs[v.Type().Name()]}
	var below []group
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := f.Tag.Get("toml")
		if key == "-" {
			continue
		}
		comment := byKeys(v.Type(), docs[v.Type().Name()+"."+f.Name])
		if comment == "" {
			t.Errorf("%s.%s has no comment", v.Type().Name(), f.Name)
		}
		if v.Field(i).Kind() == reflect.Struct {
			below = append(below, settings(t, docs, strings.TrimPrefix(table+"."+key, "."), v.Field(i))...)
			continue
		}
		g.settings = append(g.settings, setting{key, comment, valueOf(v.Field(i))})
	}
	return append([]group{g}, below...)
}

// byKeys puts a table's keys in place of the names of its fields.
func byKeys(table reflect.Type, comment string) string {
	all := strings.Fields(comment)
	for i, word := range all {
		if f, ok := table.FieldByName(strings.TrimRight(word, ".,:;")); ok {
			all[i] = strings.Replace(word, f.Name, f.Tag.Get("toml"), 1)
		}
	}
	return strings.Join(all, " ")
}

func valueOf(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case config.Duration:
		text, _ := x.MarshalText()
		switch {
		case strings.HasSuffix(string(text), "h0m0s"):
			return fmt.Sprintf("%q", strings.TrimSuffix(string(text), "0m0s"))
		case strings.HasSuffix(string(text), "m0s"):
			return fmt.Sprintf("%q", strings.TrimSuffix(string(text), "0s"))
		}
		return fmt.Sprintf("%q", text)
	case string:
		return fmt.Sprintf("%q", x)
	case []string:
		for i := range x {
			x[i] = fmt.Sprintf("%q", x[i])
		}
		return "[" + strings.Join(x, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

// fieldComments are the comments of types and their fields, in one line each and
// with the keys' names for the fields'.
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			d, ok := n.(*ast.GenDecl)
			if !ok || d.Tok != token.TYPE {
				return true
			}
			spec := d.Specs[0].(*ast.TypeSpec)
			docs[spec.Name.Name] = words(d.Doc)
			if s, ok := spec.Type.(*ast.StructType); ok {
				group := ""
				for _, field := range s.Fields.List {
					if c := words(field.Doc); c != "" {
						group = c
					}
					for _, n := range field.Names { // a comment is for the fields below it, too
						docs[spec.Name.Name+"."+n.Name] = group
					}
				}
			}
			return true
		})
	}
	return docs
}

func words(c *ast.CommentGroup) string {
	return strings.Join(strings.Fields(c.Text()), " ")
}

// commented is text as comment lines of at most 100 characters.
func commented(text string) string {
	var b strings.Builder
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > 100 {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	return b.String() + line + "\n"
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
