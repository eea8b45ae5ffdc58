package template_test

import (
	"strings"
	"testing"

	"mooring/internal/smartrest/template"
)

// TestSelect: what paths find (Jayway's language, as the platform uses it).
func TestSelect(t *testing.T) {
	const object = `{"list":[{"n":1,"t":"a"},{"n":2,"t":"b","x":null},{"n":10,"t":"c","in":{"n":7}}],"plain":[10,20,30,40],
		"o":{"a":1,"b":"x","ok":true},"we.ird":{"k":"v"},"text":"it's"}`
	tests := []struct{ path, want string }{
		{"plain[0:2]", "10 20"},
		{"plain[:2]", "10 20"},
		{"plain[2:]", "30 40"},
		{"plain[-1:]", "40"},
		{"plain[-3:-1]", "20 30"},
		{"plain[:]", "10 20 30 40"},
		{"plain[1:100]", "20 30 40"},
		{"plain[3:1]", ""},
		{"plain[::2]", "10 30"},
		{"plain[1:4:2]", "20 40"},
		{"plain[0,2]", "10 30"},
		{"plain[ 0 , -1 ]", "10 40"},
		{"plain[-4]", "10"},
		{"plain[-5]", ""},
		{"o['a','b']", "1 x"},
		{"['we.ird'].k", "v"},
		{`["we.ird"]["k"]`, "v"},
		{"list[1:].t", "b c"},
		{"..n", "1 2 10 7"},
		{"list..n", "1 2 10 7"},
		{"$..['k']", "v"},
		{"list[?(@.n > 1)].t", "b c"},
		{"list[?(@.n >= 2 && @.n<10)].t", "b"},
		{"list[?(@.t == 'a' || @.t == \"c\")].n", "1 10"},
		{"list[?(@.t != 'a')].n", "2 10"},
		{"list[?(@.in)].n", "10"},
		{"list[?(!@.in)].n", "1 2"},
		{"list[?(@.in.n == 7)].t", "c"},
		{"list[?(@['t']=='b')].n", "2"},
		{"list[?(@.x == null)].n", "2"},
		{"list[?(@.n == 1.0)].t", "a"},
		{"list[?(@.n < 'a')].t", ""},
		{"list[?( (@.n == 1 || @.n == 2) && @.x )].n", "2"},
		{"list[?(@.missing != 1)].n", "1 2 10"},
		{"plain[?(@ > 15)]", "20 30 40"},
		{"o[?(@.ok == true)].b", "x"},
		{"o[?(@.ok == false)].b", ""},
		{"$[?(@.text == 'it\\'s')].o.a", "1"},
	}
	v := decode(t, object)
	for _, tt := range tests {
		p, ok := template.ParsePath(tt.path)
		if !ok {
			t.Errorf("%s is no path", tt.path)
			continue
		}
		var got []string
		for _, found := range p.Select(v) {
			got = append(got, template.Text(found))
		}
		if g := strings.Join(got, " "); g != tt.want {
			t.Errorf("%s: got %q, want %q", tt.path, g, tt.want)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	deep := strings.Repeat("(", 7) + "@.a" + strings.Repeat(")", 7)
	if _, ok := template.ParsePath("a[?(" + deep + ")]"); ok {
		t.Error("nine levels of a condition")
	}
	if _, ok := template.ParsePath("a[?" + deep + "]"); !ok {
		t.Error("eight levels of a condition are refused")
	}
	for _, s := range []string{"..", "a..", "a[", "a[]", "a[1:2:3:4]", "a[::0]", "a[::-1]", "a[x:]", "a[1000:]", "a[0,]", "a['b',]", "a['b'c]", "a['']",
		"a[?]", "a[?@.b]", "a[?()]", "a[?(1)]", "a[?(@.b ==)]", "a[?(@.b = 1)]", "a[?(@.b == x)]", "a[?(@.b == 'x)]", "a[?(@.b &&)]", "a[?((@.b)]",
		"a[?(@.b == 1) x]", "a[?(@.b =~ /x/)]", "a[?(@.b[)]"} {
		if _, ok := template.ParsePath(s); ok {
			t.Errorf("%s is a path", s)
		}
	}
}

// TestDefinite: what finds one value at most.
func TestDefinite(t *testing.T) {
	for s, want := range map[string]bool{"$.a[0]['b']": true, "$": true, "a[-1]": true, "a[*]": false, "a.*": false, "a[0:1]": false, "a[0,1]": false,
		"..a": false, "['a','b']": false, "a[?(@.b)]": false} {
		p, ok := template.ParsePath(s)
		if !ok || p.Definite() != want {
			t.Errorf("%s: %v %v", s, ok, p.Definite())
		}
	}
}

// TestSelectEnds: a path that looks everywhere for something in everything ends.
func TestSelectEnds(t *testing.T) {
	inner := any("x")
	for range 200 {
		inner = map[string]any{"a": inner, "b": []any{inner}}
	}
	p, ok := template.ParsePath(strings.Repeat("..*", 32))
	if !ok {
		t.Fatal("no path")
	}
	if got := p.Select(inner); len(got) > template.MaxSelected {
		t.Errorf("%d found", len(got))
	}
	many := make([]any, 100_000)
	p, _ = template.ParsePath("a[?(@.b[?(@.c)])]")
	if got := p.Select(map[string]any{"a": many}); got != nil {
		t.Errorf("%d found", len(got))
	}
}
