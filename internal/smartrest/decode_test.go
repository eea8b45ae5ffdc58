package smartrest_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"mooring/internal/smartrest"
)

var update = flag.Bool("update", false, "rewrite testdata/records.json")

var now = time.Date(2026, 11, 21, 3, 15, 0, 0, time.UTC)

// TestDecode holds every template against testdata/records.json: a record in %+v,
// or the error line. Times that defaulted to now print as NOW.
func TestDecode(t *testing.T) {
	type row struct {
		Line   string `json:"line"`
		Source string `json:"source"`
		Want   string `json:"want"`
	}
	rows := load[[]row](t, "records.json")
	seen := map[string]bool{}
	for i, tt := range rows {
		lines, err := smartrest.Parse([]byte(tt.Line))
		if err != nil || len(lines) != 1 {
			t.Fatalf("%q: %d lines, %v", tt.Line, len(lines), err)
		}
		got := ""
		if r, err := smartrest.Decode(lines[0], now); err != nil {
			got = err.Error()
		} else {
			seen[lines[0].TemplateID] = true
			got = show(r)
		}
		if *update {
			rows[i].Want = got
		} else if got != tt.Want {
			t.Errorf("%q\n got %s\nwant %s", tt.Line, got, tt.Want)
		}
	}
	for _, id := range smartrest.TemplateIDs() {
		if !seen[id] {
			t.Errorf("template %s has no vector that is accepted", id)
		}
	}
	if *update {
		data, _ := json.MarshalIndent(rows, "", " ")
		if err := os.WriteFile("testdata/records.json", append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func show(r smartrest.Record) string {
	s := strings.ReplaceAll(fmt.Sprintf("%T%+v", r, r), now.String(), "NOW")
	if e, ok := r.(smartrest.Event); ok && e.Position != nil {
		e2 := e
		e2.Position = nil
		s = strings.ReplaceAll(fmt.Sprintf("%T%+v at %+v", e2, e2, *e.Position), now.String(), "NOW")
	}
	return strings.TrimPrefix(s, "smartrest.")
}

func TestParseNumber(t *testing.T) {
	digits := strings.Repeat("1", 63)
	tests := []struct {
		in     string
		want   smartrest.Number
		wantOK bool
	}{
		{"0", "0", true}, {"-0", "-0", true}, {"25", "25", true}, {"25.50", "25.50", true}, {"-1.5e3", "-1.5e3", true},
		{"1E-05", "1E-05", true}, {"+5", "5", true}, {".5", "0.5", true}, {"5.", "5", true}, {"-.5", "-0.5", true},
		{"007", "7", true}, {"00", "0", true}, {"-007.70", "-7.70", true},
		{"12345678901234567890.12345678901234567890", "12345678901234567890.12345678901234567890", true},
		{digits, smartrest.Number(digits), true}, {digits + "1", smartrest.Number(digits + "1"), true}, {digits + "11", "", false},
		{"1e307", "1e307", true}, {"1e308", "1e308", true}, {"1e309", "", false}, {"1e-308", "1e-308", true}, {"1e-309", "", false},
		{"", "", false}, {"-", "", false}, {".", "", false}, {"e5", "", false}, {"1e", "", false}, {"1e+-5", "", false}, {"1e++5", "", false},
		{"NaN", "", false}, {"Infinity", "", false}, {"0x10", "", false}, {"1,5", "", false}, {"1 ", "", false}, {"--1", "", false}, {"1.2.3", "", false}, {"01x", "", false},
	}
	for _, tt := range tests {
		got, ok := smartrest.ParseNumber(tt.in)
		if got != tt.want || ok != tt.wantOK {
			t.Errorf("ParseNumber(%q) = %q, %v; want %q, %v", tt.in, got, ok, tt.want, tt.wantOK)
		}
		if ok && !json.Valid([]byte(got)) {
			t.Errorf("ParseNumber(%q) = %q, which is not JSON", tt.in, got)
		}
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"0", "-1.5e3", "+.5", "5.", "007", "1e309"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := smartrest.ParseNumber(s)
		if ok && !json.Valid([]byte(n)) {
			t.Fatalf("%q gives %q, which is not JSON", s, n)
		}
	})
}

func TestParseTime(t *testing.T) {
	utc := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return v.UTC()
	}
	tests := []struct {
		in   string
		want string // RFC 3339; empty: refused
	}{
		{"2016-06-22T17:03:14.000+02:00", "2016-06-22T15:03:14Z"},
		{"2021-04-23T19:00:00+05:00", "2021-04-23T14:00:00Z"},
		{"2021-09-21T11:40:27+0200", "2021-09-21T09:40:27Z"},
		{"2021-09-21T11:40:27-02", "2021-09-21T13:40:27Z"},
		{"2021-09-21T11:40:27.123456789Z", "2021-09-21T11:40:27.123456789Z"},
		{"2021-09-21T11:40:27.1234567890Z", ""},
		{"2021-09-21T11:40:27,5z", "2021-09-21T11:40:27.5Z"},
		{"2021-09-21t11:40Z", "2021-09-21T11:40:00Z"},
		{"2021-09-21 11:40:00+00:00", "2021-09-21T11:40:00Z"},
		{"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"},
		{"2023-02-29T00:00:00Z", ""},
		{"2021-12-31T23:59:59-23:59", "2022-01-01T23:58:59Z"},
		{"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
		{"0000-01-01T00:00:00Z", ""},
		{"2021-13-01T00:00:00Z", ""}, {"2021-00-01T00:00:00Z", ""}, {"2021-01-32T00:00:00Z", ""}, {"2021-01-00T00:00:00Z", ""},
		{"2021-01-01T24:00:00Z", ""}, {"2021-01-01T23:60:00Z", ""}, {"2021-01-01T23:59:60Z", ""},
		{"2021-01-01T00:00:00+24:00", ""}, {"2021-01-01T00:00:00+00:60", ""}, {"2021-01-01T00:00:00+1", ""},
		{"2021-01-01T00:00:00", ""}, {"2021-01-01", ""}, {"2021-01-01T00:00:00.Z", ""}, {"2021-01-01T00:00:00Zx", ""},
		{"yesterday", ""}, {"1609459200", ""}, {"T", ""},
	}
	for _, tt := range tests {
		got, ok := smartrest.ParseTime(tt.in, now)
		if ok != (tt.want != "") {
			t.Errorf("ParseTime(%q) = %v, %v; want %q", tt.in, got, ok, tt.want)
		} else if ok && !got.Equal(utc(tt.want)) {
			t.Errorf("ParseTime(%q) = %v, want %s", tt.in, got, tt.want)
		}
	}
	if got, ok := smartrest.ParseTime("", now); !ok || !got.Equal(now) {
		t.Errorf("empty time = %v, %v; want now", got, ok)
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("2016-06-22T17:03:14.000+02:00")
	f.Add("2021-09-21T11:40:27-02")
	f.Fuzz(func(t *testing.T, s string) { smartrest.ParseTime(s, now) })
}

func TestAppend(t *testing.T) {
	tests := []struct {
		name string
		got  []byte
		want string
	}{
		{"bare", smartrest.AppendLine(nil, "100", "a b", ""), "100,a b,"},
		{"quoted", smartrest.AppendLine(nil, "511", "dev1", "a,b", "a\"b", " a", "a ", "a\nb", "a\tb", "a\rb"),
			"511,dev1,\"a,b\",\"a\\\"b\",\" a\",\"a \",\"a\nb\",\"a\tb\",\"a\rb\""},
		{"children", smartrest.AppendChildren(nil, []string{"child1", "a,b"}), `106,child1,"a,b"`},
		{"no children", smartrest.AppendChildren(nil, nil), "106"},
		{"device ID", smartrest.AppendDeviceID(nil, "12345"), "124,12345"},
		{"token", smartrest.AppendDeviceToken(nil, "a.b.c"), "71,a.b.c"},
		{"credentials", smartrest.AppendCredentials(nil, "t12345", "device_dev1", "Xy12"), "70,t12345,device_dev1,Xy12"},
		{"version", smartrest.AppendVersion(nil, "2025.0.0"), "601,2025.0.0"},
		{"templates", smartrest.AppendTemplates(nil, []string{"100", "101"}), "603,100,101"},
		{"exists", smartrest.AppendErrorLine(nil, 41, "100", smartrest.TextDeviceExists), "41,100,Device already existing"},
		{"text is not quoted", smartrest.AppendErrorLine(nil, 50, "", "a, \"b\"\r\nc"), `50,,a, "b" c`},
		{"long text is cut between runes", smartrest.AppendErrorLine(nil, 50, "", strings.Repeat("a", 511)+"é"), "50,," + strings.Repeat("a", 511)},
		{"text that just fits", smartrest.AppendErrorLine(nil, 50, "", strings.Repeat("a", 510)+"é"), "50,," + strings.Repeat("a", 510) + "é"},
	}
	for _, tt := range tests {
		if string(tt.got) != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}
