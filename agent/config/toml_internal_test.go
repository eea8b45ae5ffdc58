package config

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// FuzzTOML holds our reading and writing against the whole library's: what both
// accept means the same, what it refuses we refuse, and what we write it reads.
func FuzzTOML(f *testing.F) {
	for _, s := range []string{"", "server = 'x'\nhttps_port = 0x1_0\n", "[renewal]\nleft = 1\nmin_spacing = \"1h\"\n", "renewal.left = 0.5\n",
		"renewal = {left = 0.2, min_spacing = '2h'}\n", "supported_operations = ['a', \"b\\n\", '''c''']\n", "server = 'a'\nserver = 'b'\n",
		"rekey = false # no\n", "[[renewal]]\nleft = 1\n", "[renewal]\n[renewal]\n", "x = 1\n[y]\nz = 1\n", "mtls_port = 01", "keep_alive = 5",
		"server = 1979-05-27", "renewal.left = nan", "[renewal.x]\n", "renewal.left=0.1\n[renewal]\nleft=0.2\n", "ca = \"\x7f\"", "https_port = +5\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ours, theirs := Default(), Default()
		err := readTOML([]byte(text), &ours)
		want := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields().Decode(&theirs)
		if err == nil && want != nil {
			t.Fatalf("accepted what must be refused: %v", want)
		}
		if err != nil || want != nil {
			return
		}
		if ours.Renewal.Left != ours.Renewal.Left { // not a number
			return
		}
		dropEmpty(reflect.ValueOf(&ours).Elem())
		dropEmpty(reflect.ValueOf(&theirs).Elem())
		if !reflect.DeepEqual(ours, theirs) {
			t.Fatalf("read %+v, want %+v", ours, theirs)
		}
		var back Config
		back.State = ours.State
		written := writeTOML(ours)
		if err := toml.NewDecoder(bytes.NewReader([]byte(written))).DisallowUnknownFields().Decode(&back); err != nil {
			t.Fatalf("wrote %s: %v", written, err)
		}
		dropEmpty(reflect.ValueOf(&back).Elem())
		if !reflect.DeepEqual(ours, back) {
			t.Fatalf("wrote %s", written)
		}
	})
}

// dropEmpty makes empty lists nil: the file cannot tell them apart.
func dropEmpty(table reflect.Value) {
	for i := range table.NumField() {
		switch f := table.Field(i); f.Kind() {
		case reflect.Struct:
			dropEmpty(f)
		case reflect.Slice:
			if f.Len() == 0 {
				f.SetZero()
			}
		}
	}
}

func TestReadTOML(t *testing.T) {
	tests := []struct{ name, text, wantErr string }{
		{"dotted", "renewal.left = 0.4", ""},
		{"inline", "renewal = { left = 0.4 }", ""},
		{"twice", "server = 'a'\nserver = 'b'", "server is there twice"},
		{"dotted and header", "renewal.left = 0.4\n[renewal]", "renewal is there twice"},
		{"dotted and inline", "renewal.left = 0.4\nrenewal = {}", "renewal is there twice"},
		{"inline and dotted", "renewal = {}\nrenewal.left = 0.4", "renewal is there twice"},
		{"dotted twice", "renewal.left = 0.4\nrenewal.min_spacing = '1h'", ""},
		{"table twice", "[renewal]\n[renewal]", "[renewal] is there twice"},
		{"two unknown", "a = 1\n[b]\nc = 2", "unknown key a, b"},
		{"list of tables", "[[renewal]]", "unknown key renewal"},
		{"text for number", "https_port = '1'", "https_port: must be a whole number"},
		{"number for text", "server = 1", "server: must be a text in quotes"},
		{"text for list", "supported_operations = 'a'", "supported_operations: must be a list in brackets"},
		{"number in list", "supported_operations = [1]", "in the list: must be a text"},
		{"number for duration", "keep_alive = 60", "keep_alive: must be a text in quotes"},
		{"too large", "https_port = 9223372036854775808", "no whole number"},
		{"largest", "https_port = 9223372036854775807", ""},
		{"syntax", "server = 'a'\nmtls_port = \n", "line 2: "},
		{"state is no setting", "State = 'x'", "unknown key State"},
		{"minus", "- = 'x'", "unknown key -"},
	}
	for _, tt := range tests {
		c := Default()
		err := readTOML([]byte(tt.text), &c)
		if (tt.wantErr == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.wantErr)
		}
	}
}
