package smartrest

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestAppendOperation: what the table of operations writes is read back.
func TestAppendOperation(t *testing.T) {
	firmware := FirmwareOrder{Name: "f,1", Version: "1", URL: "http://x"}
	patch := firmware
	patch.Patch, patch.Dependency = true, "0.9"
	software := []SoftwareOrder{{Name: "a", Version: "1", Type: "apt", URL: "u", Action: "install"}, {Name: "b", Action: "delete"}}
	profile := ProfileOrder{Firmware: &patch, Software: software[:1], Configuration: []ConfigurationOrder{{URL: "c", Type: "t"}, {URL: "d"}}}
	for _, tt := range []struct{ name, got, want string }{
		{"plain", string(AppendOperation(nil, TemplateCommand, "dev", "x")), "511,dev,x"},
		{"no fields", string(AppendOperation(nil, TemplateRestart, "d,1")), `510,"d,1"`},
		{"firmware", string(AppendFirmware(nil, "dev", firmware)), `515,dev,"f,1",1,http://x`},
		{"patch", string(AppendFirmware(nil, "dev", patch)), `525,dev,"f,1",1,http://x,0.9`},
		{"software list", string(AppendSoftwareList(nil, "dev", software)), "516,dev,a,1,u,b,,"},
		{"software", string(AppendSoftwareUpdate(nil, "dev", false, software)), "528,dev,a,1,u,install,b,,,delete"},
		{"software, typed", string(AppendSoftwareUpdate(nil, "dev", true, software)), "529,dev,a,1,apt,u,install,b,,,,delete"},
		{"profile", string(AppendProfile(nil, "dev", false, profile)), `527,dev,$FW,"f,1",1,http://x,true,0.9,$SW,a,1,u,install,$CONF,c,t,d,`},
		{"profile, typed", string(AppendProfile(nil, "dev", true, profile)), `531,dev,$FW,"f,1",1,http://x,true,0.9,$SW,a,1,apt,u,install,$CONF,c,t,d,`},
		{"empty profile", string(AppendProfile(nil, "dev", false, ProfileOrder{})), "527,dev"},
		{"parameters", string(AppendParameters(nil, "dev", []Parameter{{"a.b", "s", "x y"}, {"a.c", "b", "true"}})), "532,dev,a.b,s,x y,a.c,b,true"},
		{"appended", string(AppendOperation([]byte("510,a\n"), TemplateRestart, "b")), "510,a\n510,b"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, tt.got, tt.want)
		}
	}
}

// FuzzAppendOperation: what is written is what the parser reads.
func FuzzAppendOperation(f *testing.F) {
	f.Add("dev", "echo \"hello\"\necho", "1", false)
	f.Add(" a,b ", "\\", "\"", true)
	f.Add("dev", "x\\", "a\tb\r", true)
	f.Fuzz(func(t *testing.T, device, a, b string, typed bool) {
		for _, s := range []string{device, a, b} {
			if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00") || len(s) > 2000 || strings.HasSuffix(s, `\`) || strings.Trim(s, " \t\r") != s {
				return // no line carries these back: see AppendLine
			}
			if strings.Contains(s, `""`) || strings.Contains(s, `\"`) || strings.HasPrefix(s, `"`) {
				return // both escapes are read, so a pair of them is ambiguous
			}
		}
		want := []string{device, a, b, a}
		line := AppendOperation(nil, TemplateDownloadTyped, device, a, b, a)
		if typed {
			line = AppendSoftwareUpdate(nil, device, true, []SoftwareOrder{{Name: a, Version: b, Action: a}})
			want = []string{device, a, b, "", "", a}
		}
		lines, err := Parse(line)
		if err != nil || len(lines) != 1 || lines[0].Err != nil || !slices.Equal(lines[0].Fields, want) {
			t.Errorf("%q: got %+v, %v, want %q", line, lines, err, want)
		}
	})
}
