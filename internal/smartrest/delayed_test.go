package smartrest_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mooring/internal/smartrest"
)

func TestDated(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)
	const when = "2026-03-04T05:06:07.089Z"
	for _, tt := range []struct{ in, want string }{
		{"200,c8y_Temperature,T,21.5,C", "200,c8y_Temperature,T,21.5,C," + when},
		{"200,c8y_Temperature,T,21.5", "200,c8y_Temperature,T,21.5,," + when},
		{"200,c8y_Temperature,T,21.5,,", "200,c8y_Temperature,T,21.5,," + when},
		{"200,c8y_Temperature,T,21.5,C,2020-01-01T00:00:00Z", "200,c8y_Temperature,T,21.5,C,2020-01-01T00:00:00Z"},
		{"201,env,,a,b,1,C", "201,env," + when + ",a,b,1,C"},
		{"211,25", "211,25," + when},
		{`301,c8y_Alarm,"door, open"`, `301,c8y_Alarm,"door, open",` + when},
		{"306,c8y_Alarm", "306,c8y_Alarm"},
		{"401,1,2,,", "401,1,2,,," + when},
		{"114,c8y_Restart", "114,c8y_Restart"},
		{"999,what", "999,what"},
		{`400,a,"unterminated`, `400,a,"unterminated`},
		{"125\n211,1\n\n", "125\n211,1," + when},
	} {
		if got := string(smartrest.Dated([]byte(tt.in), at)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

// Every template with a time has its line dated, and no other.
func TestDatedTemplates(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, tt := range smartrest.Templates() {
		fields := []string{tt.ID}
		for _, p := range tt.Params {
			if p.Kind == smartrest.Date {
				p.Name = ""
			}
			fields = append(fields, p.Name)
		}
		in := string(smartrest.AppendLine(nil, fields...))
		want := in
		if i := slices.Index(fields, ""); i > 0 {
			fields[i] = "2026-03-04T05:06:07.000Z"
			want = string(smartrest.AppendLine(nil, fields...))
		}
		if got := string(smartrest.Dated([]byte(in), at)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSplit(t *testing.T) {
	event := func(n int) string { return "113," + strings.Repeat("x", n-4) }
	for _, tt := range []struct {
		name string
		in   string
		want []int // lengths of the parts; nil: cannot be
	}{
		{"short", "125\n125", []int{7}},
		{"empty", "", []int{0}},
		{"one short of the limit", event(999), []int{999}},
		{"at the limit", event(1000), []int{1000}},
		{"at the limit with its end", event(1000) + "\n", []int{1000}},
		{"too long", event(1001), nil},
		{"too long later", "125\n" + event(1001), nil},
		{"two that fit", event(499) + "\n" + event(500), []int{1000}},
		{"two that do not", event(500) + "\n" + event(500), []int{500, 500}},
		{"line end within quotes", `113,"` + strings.Repeat("x\n", 400) + "\"\n" + event(500), []int{806, 500}},
		{"room for the time", strings.Repeat("211,1\n", 40), []int{28*6 - 1, 12*6 - 1}},
		{"many lines", strings.Repeat("7\n", 300) + event(900), []int{599, 900}},
	} {
		parts, ok := smartrest.Split([]byte(tt.in), 1000)
		if ok != (tt.want != nil) || len(parts) != len(tt.want) {
			t.Errorf("%s: %d parts, %v; want %v", tt.name, len(parts), ok, tt.want)
			continue
		}
		for i, p := range parts {
			if len(p) != tt.want[i] {
				t.Errorf("%s: part %d has %d bytes, want %d", tt.name, i, len(p), tt.want[i])
			}
		}
	}
	if parts, _ := smartrest.Split(bytes.Repeat([]byte("7\n"), smartrest.MaxLines+1), 1<<20); len(parts) != 2 {
		t.Errorf("%d lines: %d parts, want 2", smartrest.MaxLines+1, len(parts))
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("125\n211,1\n\n400,a,\"b\nc\""), 20)
	f.Add([]byte("113,\"x\"\"y\n\n\n1"), 7)
	f.Fuzz(func(t *testing.T, payload []byte, limit int) {
		if limit < 1 || limit > 16000 || len(payload) > smartrest.MaxPayload {
			return
		}
		whole, err := smartrest.Parse(payload)
		parts, ok := smartrest.Split(payload, limit)
		if !ok || err != nil {
			return
		}
		var lines []string
		for _, p := range parts {
			if len(p) > limit {
				t.Fatalf("a part of %d bytes, limit %d", len(p), limit)
			}
			got, err := smartrest.Parse(p)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range got {
				lines = append(lines, l.Raw)
			}
			smartrest.Dated(p, time.Now())
		}
		for i, l := range whole {
			if i >= len(lines) || lines[i] != l.Raw {
				t.Fatalf("line %d of %q is lost: %q", i, payload, lines)
			}
		}
		if len(lines) != len(whole) {
			t.Fatal(fmt.Sprint(len(lines), " lines from ", len(whole)))
		}
	})
}
