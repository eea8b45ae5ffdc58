package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"mooring/internal/jsonscan"
)

func members(b []byte) map[string]string {
	m := map[string]string{}
	for n, v := range jsonscan.Members(b) {
		m[n.String()] = string(v)
	}
	return m
}

func TestMembers(t *testing.T) {
	tests := []struct {
		name, in string
		want     map[string]string
	}{
		{"empty object", `{}`, map[string]string{}},
		{"white space", " {\n \"a\" : 1 ,\t\"b\":[1, {\"x\":\"}\"}] } ", map[string]string{"a": "1", "b": `[1, {"x":"}"}]`}},
		{"escapes", `{"a\"b":"x\\","\u00e4":{"y":"\""}}`, map[string]string{`a"b`: `"x\\"`, "ä": `{"y":"\""}`}},
		{"literals", `{"t":true,"n":null,"f":-1.50e3}`, map[string]string{"t": "true", "n": "null", "f": "-1.50e3"}},
		{"the last counts", `{"a":1,"a":2}`, map[string]string{"a": "2"}},
		{"no object", `[1]`, map[string]string{}},
		{"nothing", ``, map[string]string{}},
		{"cut in a text", `{"a":1,"b`, map[string]string{"a": "1"}},
		{"cut in a value", `{"a":1,"b":{"x":`, map[string]string{"a": "1"}},
		{"no colon", `{"a" 1}`, map[string]string{}},
		{"no value", `{"a":,"b":1}`, map[string]string{}},
		{"ends in an escape", `{"a":"\`, map[string]string{}},
	}
	for _, tt := range tests {
		if got := members([]byte(tt.in)); !maps.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestMember(t *testing.T) {
	b := []byte(`{"a":{"b":{"value":1.50}},"a\u0062":"x"}`)
	if got := jsonscan.Member(jsonscan.Member(b, "a"), "b"); string(got) != `{"value":1.50}` {
		t.Errorf("got %s", got)
	}
	if got, ok := jsonscan.Text(jsonscan.Member(b, "ab")); got != "x" || !ok {
		t.Errorf("got %q, %v", got, ok)
	}
	if got := jsonscan.Member(b, "b"); got != nil {
		t.Errorf("got %s, want nothing", got)
	}
	for v, want := range map[string]bool{"1": true, "-0.5": true, "": false, `"1"`: false, "null": false} {
		if got := jsonscan.IsNumber([]byte(v)); got != want {
			t.Errorf("%q: got %v", v, got)
		}
	}
	for _, v := range []string{"", `"`, "1", `x"`} {
		if _, ok := jsonscan.Text([]byte(v)); ok {
			t.Errorf("%q is a text", v)
		}
	}
}

// Whatever encoding/json takes for an object is walked over as it does; the
// rest does not panic.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"a":{"b":[1,"]"]},"c":"\\\""}`, "{", `{"a":"\ud800"}`, "[1]", ` { } `, `{"":""}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := members(b)
		var want map[string]json.RawMessage
		if !utf8.Valid(b) || json.Unmarshal(b, &want) != nil || strings.TrimSpace(string(b)) == "null" {
			return
		}
		if len(got) != len(want) {
			t.Fatalf("%s: got %v", b, got)
		}
		for n, v := range want {
			if !bytes.Equal(bytes.TrimSpace(v), []byte(got[n])) {
				t.Fatalf("%s: %q is %s, want %s", b, n, got[n], v)
			}
		}
	})
}

func BenchmarkMembers(b *testing.B) {
	body := []byte(`{"c8y_Temperature":{"T":{"value":21.5,"unit":"C"}}}`)
	for b.Loop() {
		for _, v := range jsonscan.Members(body) {
			for _, w := range jsonscan.Members(v) {
				if !jsonscan.IsNumber(jsonscan.Member(w, "value")) {
					b.Fatal("no number")
				}
			}
		}
	}
}

func TestElements(t *testing.T) {
	for in, want := range map[string]string{
		`[]`: "", ` [ ] `: "", `[1]`: "1", ` [ 1 , "a,]" , {"b":[2]},[3] ] x`: `1|"a,]"|{"b":[2]}|[3]`, `{"a":1}`: "", `5`: "", ``: "",
		`[1 2]`: "1", `[1,`: "1", `[,1]`: "", `["a`: "", `[[1]`: "[1]", `[1,]`: "1",
	} {
		var got []string
		for v := range jsonscan.Elements([]byte(in)) {
			got = append(got, string(v))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s: got %q, want %s", in, got, want)
		}
	}
	for range jsonscan.Elements([]byte(`[1,2]`)) {
		break
	}
}
