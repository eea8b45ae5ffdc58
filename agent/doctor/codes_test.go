package doctor

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write docs/doctor.md anew")

// TestCodes: codes are unique and in order, and each says cause and advice in
// one line.
func TestCodes(t *testing.T) {
	last := Code("")
	rank := map[layer]int{}
	for i, l := range layers {
		rank[l] = i + 1
	}
	for _, e := range Codes {
		if e.Code <= last || !regexp.MustCompile(`^M[0-9]{3}$`).MatchString(string(e.Code)) {
			t.Errorf("%s after %s", e.Code, last)
		}
		last = e.Code
		if rank[e.Layer] == 0 || e.Level != Error && e.Level != Warning || e.Cause == "" || e.Advice == "" || strings.ContainsAny(e.Cause+e.Advice, "\n|") {
			t.Errorf("%+v", e)
		}
	}
	for reason, code := range reasons {
		if _, ok := Lookup(code); !ok {
			t.Errorf("%s leads to %s, which is no code", reason, code)
		}
	}
}

func TestExitStatus(t *testing.T) {
	tests := []struct {
		codes []Code
		want  int
		fault Code
	}{
		{nil, 0, ""},
		{[]Code{"M183", "M052"}, 0, ""},
		{[]Code{"M090"}, 75, "M090"},
		{[]Code{"M182", "M091"}, 75, "M091"}, // the agent is not connected, because of the network
		{[]Code{"M190", "M071"}, 75, "M071"},
		{[]Code{"M190"}, 1, "M190"},
		{[]Code{"M001", "M190"}, 2, "M001"},
		{[]Code{"M120", "M055", "M090"}, 1, "M055"},
		{[]Code{"M103", "M030"}, 1, "M030"},
	}
	for _, tt := range tests {
		var r Report
		for _, c := range tt.codes {
			r.Findings = append(r.Findings, finding("x", c, ""))
		}
		r.conclude()
		got := Code("")
		if r.Fault != nil {
			got = r.Fault.Code
		}
		if r.ExitStatus() != tt.want || got != tt.fault {
			t.Errorf("%v: status %d by %q, want %d by %q", tt.codes, r.ExitStatus(), got, tt.want, tt.fault)
		}
	}
}

// TestJSON: programs read these names.
func TestJSON(t *testing.T) {
	r := Report{Version: Version, Time: time.Unix(0, 0).UTC(), Device: "dev1", Server: "s", Findings: []Finding{
		{Check: "state", Level: OK, Detail: "/s"}, finding("dns", "M070", "s")}}
	r.conclude()
	text, err := json.Marshal(r)
	const fault = `{"check":"dns","level":"error","code":"M070","layer":"dns","cause":"the name is not known","detail":"s",` +
		`"advice":"check server in the configuration, and the name servers of this network"}`
	want := `{"version":1,"time":"1970-01-01T00:00:00Z","device":"dev1","server":"s","verdict":"error","fault":` + fault +
		`,"findings":[{"check":"state","level":"ok","detail":"/s"},` + fault + `]}`
	if err != nil || string(text) != want {
		t.Errorf("got  %s, %v\nwant %s", text, err, want)
	}
	empty := Report{}
	empty.conclude()
	if text, _ := json.Marshal(empty); !strings.Contains(string(text), `"verdict":"ok","fault":null`) {
		t.Errorf("got %s", text)
	}
}

// TestCut bounds what a server can put into a report.
func TestCut(t *testing.T) {
	for _, n := range []int{maxDetail - 1, maxDetail, maxDetail + 1} {
		got := cut(strings.Repeat("x", n-2) + "ä")
		if want := n <= maxDetail; strings.HasSuffix(got, "…") == want || len(got) > maxDetail+len("…") {
			t.Errorf("%d bytes: got %d", n, len(got))
		}
	}
	if got := cut("a\x1b[2J\r\nb"); got != "a [2J  b" {
		t.Errorf("got %q", got)
	}
}

const docs = "../../docs/doctor.md"

// TestDocs holds docs/doctor.md to the table.
func TestDocs(t *testing.T) {
	const mark = "<!-- made from agent/doctor/codes.go by go test ./agent/doctor -run TestDocs -update -->\n"
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	head, got, ok := strings.Cut(string(text), mark)
	if !ok {
		t.Fatalf("%s has no line %q", docs, mark)
	}
	var b strings.Builder
	fmt.Fprint(&b, "\n| code | layer | level | cause | what to do |\n| --- | --- | --- | --- | --- |\n")
	for _, e := range Codes {
		level := string(e.Level)
		if e.Later {
			level += ", may pass"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", e.Code, e.Layer, level, e.Cause, e.Advice)
	}
	if *update {
		if err := os.WriteFile(docs, []byte(head+mark+b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got != b.String() {
		t.Errorf("%s is not up to date", docs)
	}
}
