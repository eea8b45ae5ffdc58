package helper_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mooring/agent/config"
	"mooring/agent/helper"
)

func logRig(t *testing.T, maxBytes int) *rig {
	r := newRig(t, func(o *config.Operations, dir string) {
		o.Log.MaxBytes = maxBytes
		o.Log.Files = []config.Named{{Name: "app", Value: filepath.Join(dir, "app*.log*")}, {Name: "zero", Value: "/dev/zero"}}
	})
	old := filepath.Join(r.dir, "app-1.log")
	write(t, old, "2026-01-01T10:00:00Z first\n2026-01-02T10:00:00.5+00:00 second ERROR\n  of two lines\n", 0o600)
	past := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(r.dir, "app.log"), "2026-01-03 10:00:00,250 third\nno time\n[2026-01-04T10:00:00Z] fourth ERROR\nlast", 0o600)
	write(t, filepath.Join(r.dir, "app.log.gz"), "compressed\n", 0o600)
	return r
}

func TestReadLog(t *testing.T) {
	t.Setenv("TZ", "UTC")
	time.Local = time.UTC // "third" has no zone
	r := logRig(t, 1<<20)
	for _, tt := range []struct {
		name string
		q    helper.Request
		want string // words of the lines
	}{
		{"all", helper.Request{}, "first second of third no fourth last"},
		{"search", helper.Request{Search: "ERROR"}, "second fourth"},
		{"from", helper.Request{From: "2026-01-02T10:00:00Z"}, "second of third no fourth last"},
		{"to", helper.Request{To: "2026-01-03T10:00:00Z"}, "first second of"},
		{"between", helper.Request{From: "2026-01-03T00:00:00Z", To: "2026-01-04T00:00:00+00:00"}, "third no"},
		{"from, the old file is not opened", helper.Request{From: "2026-01-02T10:00:01Z"}, "third no fourth last"},
		{"two lines", helper.Request{MaxLines: 2}, "fourth last"},
		{"nothing", helper.Request{Search: "absent"}, ""},
	} {
		tt.q.Verb, tt.q.Name = helper.ReadLog, "app"
		result, data := r.do(tt.q)
		want(t, tt.name, result, "")
		var got []string
		for line := range strings.Lines(data) {
			for _, word := range []string{"first", "second", "of", "third", "no", "fourth", "last"} {
				if strings.Contains(" "+strings.TrimSpace(line)+" ", " "+word+" ") {
					got = append(got, word)
					break
				}
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %q of %q, want %q", tt.name, got, data, tt.want)
		}
	}
	for name, q := range map[string]helper.Request{
		"not allowed": {Name: "other"}, "no file": {Name: "zero"}, "no time": {Name: "app", From: "yesterday"},
		"-1 lines": {Name: "app", MaxLines: -1}, "1000001 lines": {Name: "app", MaxLines: 1_000_001}, "search": {Name: "app", Search: strings.Repeat("x", 1025)},
	} {
		q.Verb = helper.ReadLog
		if result, data := r.do(q); result.Error == "" && data != "" {
			t.Errorf("%s: got %q", name, data)
		}
	}
}

// The bounds keep the newest lines, and a line without end is cut.
func TestReadLogBounds(t *testing.T) {
	r := logRig(t, 100)
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "line %4d\n", i)
	}
	write(t, filepath.Join(r.dir, "app.log"), text.String(), 0o600)
	result, data := r.do(helper.Request{Verb: helper.ReadLog, Name: "app"})
	want(t, "bytes", result, "")
	if len(data) != 100 || !strings.HasSuffix(data, "line 1999\n") {
		t.Errorf("got %d bytes %q", len(data), data)
	}
	r = logRig(t, 1<<20)
	write(t, filepath.Join(r.dir, "app.log"), strings.Repeat("x", 100<<10)+"\nend\n", 0o600)
	result, data = r.do(helper.Request{Verb: helper.ReadLog, Name: "app", MaxLines: 2})
	want(t, "long line", result, "")
	if len(data) != 32<<10+1+len("end\n") || !strings.HasSuffix(data, "x\nend\n") {
		t.Errorf("long line: got %d bytes", len(data))
	}
}

// The newest 100 of up to 1,000 files are read; extensions of compressed ones
// alone leave a file out.
func TestReadLogFiles(t *testing.T) {
	r := logRig(t, 1<<20)
	logs := filepath.Join(r.dir, "many")
	if err := os.Mkdir(logs, 0o700); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r.o.Operations.Log.Files = []config.Named{{Name: "many", Value: logs + "/*"}}
	r.start()
	made := 0
	for _, tt := range []struct {
		files, lines int
		text         string
	}{{99, 99, ""}, {100, 100, ""}, {101, 100, ""}, {1000, 100, ""}, {1001, 0, "more than 1000 files"}} {
		for ; made < tt.files; made++ {
			path := filepath.Join(logs, fmt.Sprint("log", made))
			write(t, path, fmt.Sprintln("line", made), 0o600)
			at := time.Unix(int64(made), 0)
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
		result, data := r.do(helper.Request{Verb: helper.ReadLog, Name: "many"})
		want(t, fmt.Sprint(tt.files), result, tt.text)
		if got := strings.Count(data, "line"); got != tt.lines || tt.text == "" && !strings.HasSuffix(data, fmt.Sprintln("line", made-1)) {
			t.Errorf("%d files: %d lines", tt.files, got)
		}
	}
}

func TestSyslogTimes(t *testing.T) {
	time.Local = time.UTC
	r := logRig(t, 1<<20)
	path := filepath.Join(r.dir, "app.log")
	write(t, path, "Dec 31 23:00:00 host old\nJan  2 10:00:00 host new\n", 0o600)
	at := time.Date(2027, 1, 2, 10, 0, 0, 0, time.UTC)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
	result, data := r.do(helper.Request{Verb: helper.ReadLog, Name: "app", From: "2027-01-01T00:00:00Z"})
	want(t, "syslog", result, "")
	if data != "Jan  2 10:00:00 host new\n" {
		t.Errorf("got %q", data)
	}
}
