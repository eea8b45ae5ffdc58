package mooring_test

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// TestRulesBite gives each rule a small tree that breaks it and one that does
// not, so that a rule that has gone blind is noticed.
func TestRulesBite(t *testing.T) {
	const ok = "// Package x is fine.\npackage x\n"
	tests := []struct {
		rule  string
		name  string
		files map[string]string
		graph map[string][]string
		guide string
		want  int // complaints
	}{
		{rule: "dependencies point one way", name: "internal knows the server", want: 1,
			files: map[string]string{"internal/est/a.go": `package est; import _ "mooring/server/ca"`}},
		{rule: "dependencies point one way", name: "a test of internal knows the server", want: 1,
			files: map[string]string{"internal/est/a_test.go": `package est_test; import _ "mooring/server/servertest"`}},
		{rule: "dependencies point one way", name: "hsm knows the agent", want: 1,
			files: map[string]string{"hsm/a.go": `package hsm; import _ "mooring/agent/config"`}},
		{rule: "dependencies point one way", name: "agent knows the server", want: 1,
			files: map[string]string{"agent/a.go": `package agent; import _ "mooring/server/platform"`}},
		{rule: "dependencies point one way", name: "agent knows a key backend", want: 1,
			files: map[string]string{"agent/a.go": `package agent; import _ "mooring/hsm/filekey"`}},
		{rule: "dependencies point one way", name: "a service knows a store and a front end", want: 2,
			files: map[string]string{"server/ca/a.go": `package ca; import (_ "mooring/server/sqlstore"; _ "mooring/server/estapi")`}},
		{rule: "dependencies point one way", name: "a front end knows a store", want: 1,
			files: map[string]string{"server/estapi/a.go": `package estapi; import _ "mooring/server/sqlstore"`}},
		{rule: "dependencies point one way", name: "a program links the rig", want: 1,
			files: map[string]string{"server/a.go": `package server; import _ "mooring/server/servertest"`}},
		{rule: "dependencies point one way", name: "a benchmark knows the server", want: 1,
			files: map[string]string{"bench/main.go": `package main; import _ "mooring/server"`}},
		{rule: "dependencies point one way", name: "as it should be", want: 0,
			files: map[string]string{
				"agent/a.go":           `package agent; import (_ "mooring/hsm"; _ "mooring/internal/pki")`,
				"agent/a_test.go":      `package agent_test; import _ "mooring/server/servertest"`,
				"hsm/a.go":             `package hsm; import (_ "mooring/hsm/filekey"; _ "mooring/hsm/key")`,
				"server/ca/a.go":       `package ca; import (_ "mooring/hsm/key"; _ "mooring/server/platform")`,
				"server/ca/a_test.go":  `package ca_test; import _ "mooring/server/sqlstore"`,
				"server/estapi/a.go":   `package estapi; import (_ "mooring/server/ca"; _ "mooring/server/httpauth")`,
				"server/sqlstore/a.go": `package sqlstore; import _ "mooring/server/platform"`,
				"server/server.go":     `package server; import (_ "mooring/server/sqlstore"; _ "mooring/server/estapi")`,
			}},
		{rule: "siblings do not know each other", name: "services", want: 1,
			files: map[string]string{"server/ca/a.go": `package ca; import _ "mooring/server/trust"`}},
		{rule: "siblings do not know each other", name: "front ends", want: 1,
			files: map[string]string{"server/estapi/a.go": `package estapi; import _ "mooring/server/restapi"`}},
		{rule: "siblings do not know each other", name: "stores", want: 1,
			files: map[string]string{"server/bus/a.go": `package bus; import _ "mooring/server/sqlstore"`}},
		{rule: "siblings do not know each other", name: "key backends", want: 1,
			files: map[string]string{"hsm/tpmkey/a.go": `package tpmkey; import _ "mooring/hsm/filekey"`}},
		{rule: "siblings do not know each other", name: "a package below its own", want: 0,
			files: map[string]string{"server/webui/a.go": `package webui; import _ "mooring/server/webui/assets"`}},
		{rule: "siblings do not know each other", name: "lost its subject", want: 1,
			files: map[string]string{"server/cmd/mooring-server/main.go": "package main"}},
		{rule: "every package has its place", name: "a new folder", want: 2,
			files: map[string]string{"server/helpers/a.go": ok, "misc/a.go": ok, "server/cmd/mooring-server/main.go": ok}},
		{rule: "tests use a program by its front doors", name: "past them", want: 1,
			files: map[string]string{"agent/renew/a_test.go": `package renew_test; import _ "mooring/server/ca"`}},
		{rule: "tests use a program by its front doors", name: "from inside", want: 1,
			files: map[string]string{"agent/renew/a_test.go": `package renew; import _ "mooring/server/servertest"`}},
		{rule: "tests use a program by its front doors", name: "through them", want: 0,
			files: map[string]string{"agent/renew/a_test.go": `package renew_test; import _ "mooring/server/servertest"`}},
		{rule: "codecs do no I/O and read no clock", name: "network, file, clock", want: 3,
			files: map[string]string{"internal/est/a.go": `package est; import ("net/url"; "os"; t "time"); var _ = t.Now`}},
		{rule: "codecs do no I/O and read no clock", name: "tests and clients below may", want: 0,
			files: map[string]string{
				"internal/est/a.go":           `package est; import "time"; type T = time.Time`,
				"internal/est/a_test.go":      `package est; import _ "os"`,
				"internal/est/estclient/a.go": `package estclient; import _ "net/http"`}},
		{rule: "the TinyGo set stays small", name: "by way of a library", want: 1,
			files: map[string]string{"internal/cms/a.go": ok},
			graph: map[string][]string{"mooring/internal/cms": {"example.org/x"}, "example.org/x": {"net/http"}}},
		{rule: "the TinyGo set stays small", name: "clean", want: 0,
			files: map[string]string{"internal/cms/a.go": ok}, graph: map[string][]string{"mooring/internal/cms": {"net/netip"}}},
		{rule: "mains alone exit and read flags", name: "library", want: 3,
			files: map[string]string{"agent/a.go": `package agent; import ("flag"; "log"; "os"); func f() { log.Fatalf(""); os.Exit(flag.NArg()) }`}},
		{rule: "mains alone exit and read flags", name: "main and tests", want: 0,
			files: map[string]string{
				"agent/cmd/mooring-agent/main.go": `package main; import ("flag"; "os"); func main() { os.Exit(flag.NArg()) }`,
				"agent/a_test.go":                 `package agent; import "os"; func f() { os.Exit(1) }`}},
		{rule: "no program links testing", name: "through a rig", want: 1,
			files: map[string]string{"agent/cmd/mooring-agent/main.go": "package main"},
			graph: map[string][]string{"mooring/agent/cmd/mooring-agent": {"mooring/hsm/hsmtest"}, "mooring/hsm/hsmtest": {"testing"}}},
		{rule: "no program links testing", name: "lost its subject", want: 1,
			files: map[string]string{"agent/cmd/mooring-agent/main.go": "package agent"}},
		{rule: "one package comment each", name: "none, two, wrong", want: 4,
			files: map[string]string{
				"agent/a.go": "package agent", "hsm/a.go": "// Package hsm is.\npackage hsm", "hsm/b.go": "// Package hsm is.\npackage hsm",
				"server/a.go": "// The server.\npackage server", "server/cmd/mooring-server/main.go": "// Package main serves.\npackage main"}},
		{rule: "one package comment each", name: "good", want: 0,
			files: map[string]string{
				"hsm/a.go": "// Package hsm opens key stores.\npackage hsm", "hsm/b.go": "package hsm", "hsm/a_test.go": "package hsm_test",
				"server/cmd/mooring-server/main.go": "// Command mooring-server serves.\npackage main"}},
		{rule: "a library is imported in one place", name: "elsewhere and unknown", want: 2,
			files: map[string]string{"agent/a.go": `package agent; import (_ "github.com/mochi-mqtt/server/v2/packets"; _ "example.org/x")`}},
		{rule: "a library is imported in one place", name: "unexplained", want: 1, guide: "nothing",
			files: map[string]string{"server/mqttapi/a.go": `package mqttapi; import _ "github.com/mochi-mqtt/server/v2"`}},
		{rule: "a library is imported in one place", name: "there and in tests", want: 0, guide: "github.com/mochi-mqtt/server/v2 is the broker",
			files: map[string]string{
				"server/mqttapi/a.go":      `package mqttapi; import (_ "github.com/mochi-mqtt/server/v2"; _ "golang.org/x/sync/errgroup")`,
				"bench/main.go":            `package main; import _ "github.com/mochi-mqtt/server/v2"`,
				"server/estapi/a_test.go":  `package estapi_test; import _ "github.com/mochi-mqtt/server/v2"`,
				"server/servertest/a.go":   `package servertest; import _ "github.com/mochi-mqtt/server/v2"`,
				"server/sqlstore/store.go": `package sqlstore; import _ "database/sql"`}},
		{rule: "cgo in the PKCS#11 helper alone", name: "elsewhere", want: 1,
			files: map[string]string{"agent/a.go": `package agent; import "C"`, "hsm/cmd/mooring-pkcs11/main.go": `package main; import "C"`}},
		{rule: "no file is too long", name: "at the limit", want: 0, files: map[string]string{"agent/a.go": "package agent" + strings.Repeat("\n", maxLines)}},
		{rule: "no file is too long", name: "above it", want: 1, files: map[string]string{"agent/a.go": "package agent" + strings.Repeat("\n", maxLines+1)}},
	}
	bitten := map[string]bool{}
	for _, tt := range tests {
		bitten[tt.rule] = bitten[tt.rule] || tt.want > 0
		t.Run(tt.rule+"/"+tt.name, func(t *testing.T) {
			byDir := map[string][]*sourceFile{}
			for name, text := range tt.files {
				f, err := parseSource(name, []byte(text))
				if err != nil {
					t.Fatal(err)
				}
				byDir[path.Dir(name)] = append(byDir[path.Dir(name)], f)
			}
			small := newTree(byDir)
			small.graph, small.guide = tt.graph, tt.guide
			for module := range libraries {
				small.goMod += module + " v1.0.0\n"
			}
			i := slices.IndexFunc(rules, func(r rule) bool { return r.name == tt.rule })
			if i < 0 {
				t.Fatal("no such rule")
			}
			got := rules[i].verdict(small)
			if len(got) != tt.want {
				t.Errorf("got %d complaints, want %d: %q", len(got), tt.want, got)
			}
		})
	}
	for _, r := range rules {
		if !bitten[r.name] {
			t.Errorf("nothing shows that the rule %q bites", r.name)
		}
	}
}
