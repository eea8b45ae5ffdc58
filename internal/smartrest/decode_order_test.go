package smartrest

import (
	"slices"
	"testing"
)

func lineOf(t *testing.T, payload []byte) Line {
	t.Helper()
	lines, err := Parse(payload)
	if err != nil || len(lines) != 1 || lines[0].Err != nil {
		t.Fatalf("%q: got %v, %v", payload, lines, err)
	}
	return lines[0]
}

// What the server's encoders write is read back as it was.
func TestOrdersRoundTrip(t *testing.T) {
	for _, f := range []FirmwareOrder{
		{Name: "fw", Version: "1.0", URL: "http://x"},
		{Name: `a "b", c`, Version: "1\n2", URL: "http://x/?a=1,2", Patch: true, Dependency: "0.9"},
	} {
		l := lineOf(t, AppendFirmware(nil, "dev1", f))
		if got := ParseFirmware(l); got != f || OrderTarget(l) != "dev1" || OrderFragment(l.TemplateID) != "c8y_Firmware" {
			t.Errorf("firmware: got %+v, want %+v", got, f)
		}
	}
	items := []SoftwareOrder{{Name: "a", Version: "1.0", Action: "install"}, {Name: "b", URL: "http://b", Action: "delete"}}
	typed := []SoftwareOrder{{Name: "a", Version: "1.0", Type: "apt", Action: "install"}, {Name: "b", Type: "type A", Action: "delete"}}
	for _, tt := range []struct {
		typed bool
		want  []SoftwareOrder
	}{{false, nil}, {false, items[:1]}, {false, items}, {true, typed[:1]}, {true, typed}} {
		l := lineOf(t, AppendSoftwareUpdate(nil, "dev1", tt.typed, tt.want))
		if got := ParseSoftwareUpdate(l); !slices.Equal(got, tt.want) || OrderFragment(l.TemplateID) != "c8y_SoftwareUpdate" {
			t.Errorf("software: got %+v, want %+v", got, tt.want)
		}
	}
	l := lineOf(t, AppendOperation(nil, TemplateLogfileRequest, "dev1", "syslog", "2021-09-21T11:40:27+0200", "2021-09-22T11:40:27+0200", "ERROR", "1000"))
	if got, want := ParseLog(l), (LogOrder{"syslog", "2021-09-21T11:40:27+0200", "2021-09-22T11:40:27+0200", "ERROR", "1000"}); got != want {
		t.Errorf("log: got %+v, want %+v", got, want)
	}
}

// Lines that end too early give what is there.
func TestOrdersCutShort(t *testing.T) {
	for in, want := range map[string][]SoftwareOrder{
		"528,dev1":              nil,
		"528,dev1,,,,":          nil,
		"528,dev1,a":            {{Name: "a"}},
		"528,dev1,a,1,,install": {{Name: "a", Version: "1", Action: "install"}},
		"529,dev1,a,1,apt":      {{Name: "a", Version: "1", Type: "apt"}},
		"528,dev1,a,,,delete,b": {{Name: "a", Action: "delete"}, {Name: "b"}},
	} {
		if got := ParseSoftwareUpdate(lineOf(t, []byte(in))); !slices.Equal(got, want) {
			t.Errorf("%s: got %+v, want %+v", in, got, want)
		}
	}
	if got := OrderFragment("106"); got != "" {
		t.Errorf("106 is no operation, got %q", got)
	}
}

func FuzzParseOrder(f *testing.F) {
	for _, s := range []string{"528,d,a,1,u,install", "529,d,a,1,t,u,install,b", "515,d,n", "522,d,syslog,,,x,10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines, _ := Parse([]byte(s))
		for _, l := range lines {
			items := ParseSoftwareUpdate(l)
			if len(items) > len(l.Fields) {
				t.Errorf("%d items of %d fields", len(items), len(l.Fields))
			}
			ParseFirmware(l)
			ParseLog(l)
		}
	})
}
