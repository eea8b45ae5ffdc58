package c8yjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"mooring/server/c8yjson"
)

func TestWriterCommas(t *testing.T) {
	var w c8yjson.Writer
	w.Open('{')
	w.Text("a", "{")
	w.Int("n", -5)
	w.Key("list")
	w.Open('[')
	w.Open('{')
	w.Close('}')
	w.String("[")
	w.Raw(json.RawMessage("1.50"))
	w.Raw(nil)
	w.Open('[')
	w.Close(']')
	w.Close(']')
	w.Members(json.RawMessage(" { \"x\": 1 , \"y\" : {} } "))
	w.Members(json.RawMessage("{}"))
	w.Members(nil)
	w.Bool("b", true)
	w.Close('}')
	want := `{"a":"{","n":-5,"list":[{},"[",1.50,null,[]],"x": 1 , "y" : {},"b":true}`
	if got := string(w.Bytes()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !json.Valid(w.Bytes()) {
		t.Error("not JSON")
	}
}

// FuzzText holds our strings to what the standard decoder reads.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "a\"b\\c", "tab\tline\nreturn\r", "\x00\x1f\x7f", "ä€😀", "\xff\xfe", "a\xc3", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var w c8yjson.Writer
		w.Open('{')
		w.Text(s, s)
		w.Close('}')
		var got map[string]string
		if err := json.Unmarshal(w.Bytes(), &got); err != nil {
			t.Fatalf("%q is written as %s: %v", s, w.Bytes(), err)
		}
		want := strings.ToValidUTF8(s, "\ufffd")
		b, _ := json.Marshal(s) // the standard encoder replaces each byte that is no UTF-8
		_ = json.Unmarshal(b, &want)
		if got[want] != want {
			t.Errorf("%q comes back as %q, want %q", s, got, want)
		}
	})
}
