package smartrest_test

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"mooring/internal/smartrest"
)

// vector is one payload of testdata/lines.json with the lines it must give.
type vector struct {
	Name    string
	Source  string // where the payload comes from
	Payload string
	Lines   []struct {
		ID     string
		Fields []string
		Code   smartrest.Code // not zero: the line must fail with it
	}
}

func load[T any](t testing.TB, name string) T {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParse(t *testing.T) {
	for _, tt := range load[[]vector](t, "lines.json") {
		t.Run(tt.Name, func(t *testing.T) {
			got, err := smartrest.Parse([]byte(tt.Payload))
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(tt.Lines) {
				t.Fatalf("got %d lines %q, want %d", len(got), got, len(tt.Lines))
			}
			for i, want := range tt.Lines {
				if got[i].TemplateID != want.ID {
					t.Errorf("line %d: ID = %q, want %q", i, got[i].TemplateID, want.ID)
				}
				if want.Code != 0 {
					if got[i].Err == nil || got[i].Err.Code != want.Code {
						t.Errorf("line %d: error = %v, want code %d", i, got[i].Err, want.Code)
					}
					continue
				}
				if got[i].Err != nil {
					t.Errorf("line %d: %v", i, got[i].Err)
				}
				if len(want.Fields)+len(got[i].Fields) > 0 && !reflect.DeepEqual(got[i].Fields, want.Fields) {
					t.Errorf("line %d: fields = %q, want %q", i, got[i].Fields, want.Fields)
				}
			}
		})
	}
}

func TestParseBounds(t *testing.T) {
	quoted := func(n int) string { return `113,"` + strings.Repeat("x", n-6) + `"` }
	tests := []struct {
		name     string
		in       string
		wantErr  bool // of the payload
		wantLine smartrest.Code
	}{
		{name: "payload n-1", in: quoted(smartrest.MaxPayload - 1)},
		{name: "payload n", in: quoted(smartrest.MaxPayload)},
		{name: "payload n+1", in: quoted(smartrest.MaxPayload + 1), wantErr: true},
		{name: "lines n-1", in: strings.Repeat("125\n", smartrest.MaxLines-1)},
		{name: "lines n", in: strings.Repeat("125\n", smartrest.MaxLines)},
		{name: "lines n+1", in: strings.Repeat("125\n", smartrest.MaxLines+1), wantErr: true},
		{name: "empty lines do not count", in: strings.Repeat("\n", 10*smartrest.MaxLines) + "125"},
		{name: "fields n-1", in: "114" + strings.Repeat(",a", smartrest.MaxFields-1)},
		{name: "fields n", in: "114" + strings.Repeat(",a", smartrest.MaxFields)},
		{name: "fields n+1", in: "114" + strings.Repeat(",a", smartrest.MaxFields+1), wantLine: smartrest.CodeMalformed},
		{name: "template ID n-1", in: strings.Repeat("a", smartrest.MaxTemplateID-1)},
		{name: "template ID n", in: strings.Repeat("a", smartrest.MaxTemplateID)},
		{name: "template ID n+1", in: strings.Repeat("a", smartrest.MaxTemplateID+1), wantLine: smartrest.CodeNoMessageID},
		{name: "not UTF-8", in: "113,\xff", wantLine: smartrest.CodeMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lines, err := smartrest.Parse([]byte(tt.in))
			if (err != nil) != tt.wantErr {
				t.Fatalf("error = %v, want one: %v", err, tt.wantErr)
			}
			if tt.wantErr {
				if !errors.Is(err, &smartrest.Error{Code: smartrest.CodeMalformed}) || lines != nil {
					t.Errorf("got %v and %d lines, want a malformed payload and none", err, len(lines))
				}
				return
			}
			var got smartrest.Code
			if e := lines[len(lines)-1].Err; e != nil {
				got = e.Code
			}
			if got != tt.wantLine {
				t.Errorf("line error = %d, want %d", got, tt.wantLine)
			}
		})
	}
}

// TestParseGoesOn checks that a line in bad UTF-8 does not spoil its neighbours,
// and that the field bound costs one line.
func TestParseGoesOn(t *testing.T) {
	payload := "113,\xff\n117,10\n114" + strings.Repeat(",", smartrest.MaxFields+1) + "\n117,20"
	lines, err := smartrest.Parse([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lines {
		if l.Err == nil {
			got = append(got, l.TemplateID+"="+l.Field(0)+l.Field(1))
		}
	}
	if want := []string{"117=10", "117=20"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range load[[]vector](f, "lines.json") {
		f.Add([]byte(v.Payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		lines, err := smartrest.Parse(payload)
		if err != nil {
			if lines != nil {
				t.Fatal("lines beside an error")
			}
			return
		}
		for _, l := range lines {
			if (l.Err == nil) == (l.TemplateID == "") && l.Err == nil {
				t.Fatalf("line %q has neither ID nor error", l.Raw)
			}
			if len(l.Fields) > smartrest.MaxFields {
				t.Fatalf("%d fields", len(l.Fields))
			}
			if _, err := smartrest.Decode(l, now); err != nil && !errors.As(err, new(*smartrest.Error)) {
				t.Fatalf("decode gave %T", err)
			}
		}
	})
}

// FuzzAppendLine checks that what was encoded is decoded the same. Values that
// end in a backslash are left out: the protocol cannot say them in quotes.
func FuzzAppendLine(f *testing.F) {
	f.Add("a", "b,c", `say "hi"`)
	f.Add(" a", "b\nc", "\t")
	f.Add(`C:\dir`, `\"`, `""`)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for _, s := range []string{a, b, c} {
			if strings.HasSuffix(s, `\`) || strings.ToValidUTF8(s, "") != s || strings.Contains(s, "\x00") {
				t.Skip()
			}
		}
		line := smartrest.AppendLine(nil, "400", a, b, c)
		if len(line) > smartrest.MaxPayload {
			t.Skip()
		}
		lines, err := smartrest.Parse(line)
		if err != nil || len(lines) != 1 || lines[0].Err != nil {
			t.Fatalf("%q: %v %v", line, lines, err)
		}
		if want := []string{a, b, c}; !reflect.DeepEqual(lines[0].Fields, want) {
			t.Fatalf("%q gives %q, want %q", line, lines[0].Fields, want)
		}
	})
}

func BenchmarkParseDecode(b *testing.B) {
	payload := []byte("200,c8y_Temperature,T,25.5,C,2026-01-02T03:04:05.678Z")
	b.ReportAllocs()
	for b.Loop() {
		lines, _ := smartrest.Parse(payload)
		if _, err := smartrest.Decode(lines[0], now); err != nil {
			b.Fatal(err)
		}
	}
}
