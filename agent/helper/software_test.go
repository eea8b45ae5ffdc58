package helper_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mooring/agent/config"
	"mooring/agent/helper"
)

func softwareRig(t *testing.T, types ...string) *rig {
	return newRig(t, func(o *config.Operations, _ string) {
		o.Software.Types = types
		o.Software.Timeout = config.Duration(time.Minute)
	})
}

// logging is a plugin that notes how it was called.
const logging = `echo "$*" >> "$0.log"
[ "$1" = update-list ] && exit 1
f=; for a in "$@"; do [ "$f" = --file ] && cat "$a" >> "$0.log"; f=$a; done
[ "$2" = broken ] && { echo one >&2; printf 'two\033[31m' >&2; exit 2; }
exit 0
`

func TestUpdateSoftware(t *testing.T) {
	r := softwareRig(t, "apt", "other")
	r.script("apt", logging)
	r.script("other", `[ "$1" = update-list ] && cat > "$0.log"`+"\nexit 0\n")
	result, _ := r.do(helper.Request{Verb: helper.UpdateSoftware, Key: newKey(), Items: []helper.Item{
		{Type: "apt", Name: "nginx", Version: "1.0"},
		{Type: "other", Name: "a b", File: true},
		{Type: "apt", Name: "old", Remove: true},
		{Type: "apt", Name: "local", File: true},
	}}, "content of b\n", "content of local\n")
	want(t, "update", result, "")
	got := read(t, filepath.Join(r.dir, "apt.log"))
	path := filepath.Join(r.dir, "private", "files")
	got = strings.ReplaceAll(got, path, "DIR")
	lines := strings.Split(got, "\n")
	if !slices.Equal(lines[:4], []string{"prepare", "update-list", "install nginx --module-version 1.0", "remove old"}) ||
		!strings.HasPrefix(lines[4], "install local --file DIR/") || !slices.Equal(lines[5:], []string{"content of local", "finalize", ""}) {
		t.Errorf("apt was called:\n%s", got)
	}
	if got := read(t, filepath.Join(r.dir, "other.log")); !strings.HasPrefix(got, "install\ta b\t\t"+path) || strings.Count(got, "\n") != 1 {
		t.Errorf("other read:\n%s", got)
	}
}

// One failure does not hide another, and nothing a plugin prints gets through
// as it is.
func TestUpdateSoftwareFails(t *testing.T) {
	r := softwareRig(t, "apt", "loose", "gone")
	r.script("apt", logging)
	r.script("loose", "exit 0\n")
	if err := os.Chmod(filepath.Join(r.dir, "loose"), 0o777); err != nil {
		t.Fatal(err)
	}
	result, _ := r.do(helper.Request{Verb: helper.UpdateSoftware, Key: newKey(), Items: []helper.Item{
		{Type: "apt", Name: "broken"}, {Type: "apt", Name: "fine"}, {Type: "loose", Name: "x"}, {Type: "gone", Name: "x"}, {Type: "rpm", Name: "x"},
	}})
	for _, text := range []string{"apt: install broken: exit status 2: two\uFFFD[31m", "only its owner can write", "gone: no such file", `"rpm"`} {
		want(t, "update", result, text)
	}
	if got := read(t, filepath.Join(r.dir, "apt.log")); !strings.Contains(got, "install fine") || !strings.HasSuffix(got, "finalize\n") {
		t.Errorf("apt was called:\n%s", got)
	}
	for name, item := range map[string]helper.Item{
		"option":    {Type: "apt", Name: "--purge"},
		"version":   {Type: "apt", Name: "a", Version: "-o Debug"},
		"line end":  {Type: "apt", Name: "a\nb"},
		"tab":       {Type: "apt", Name: "a\tb"},
		"NUL":       {Type: "apt", Name: "a\x00b"},
		"257 bytes": {Type: "apt", Name: strings.Repeat("x", 257)},
		"no name":   {Type: "apt"},
	} {
		result, _ := r.do(helper.Request{Verb: helper.UpdateSoftware, Key: newKey(), Items: []helper.Item{item}})
		if result.Error == "" {
			t.Errorf("%s: accepted", name)
		}
	}
	if result, _ := r.do(helper.Request{Verb: helper.UpdateSoftware, Key: newKey(), Items: []helper.Item{{Type: "apt", Name: strings.Repeat("x", 256)}}}); result.Error != "" {
		t.Errorf("256 bytes: %s", result.Error)
	}
}

// A plugin that never ends is killed with all it started.
func TestPluginNeverEnds(t *testing.T) {
	r := newRig(t, func(o *config.Operations, _ string) {
		o.Software.Types, o.Software.Timeout = []string{"slow"}, config.Duration(time.Second)
	})
	r.script("slow", "sleep 1000 & echo $! > \"$0.pid\"; wait\n")
	result, _ := r.do(helper.Request{Verb: helper.UpdateSoftware, Key: newKey(), Items: []helper.Item{{Type: "slow", Name: "x"}}})
	want(t, "slow", result, "stopped: it took longer than the configuration allows")
	pid := strings.TrimSpace(read(t, filepath.Join(r.dir, "slow.pid")))
	if state, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && !strings.Contains(string(state), ") Z ") {
		t.Errorf("what it started still runs: %s", state)
	}
}

func TestListSoftware(t *testing.T) {
	r := softwareRig(t, "one", "two")
	list := func() (helper.Result, []helper.Package) {
		t.Helper()
		result, data := r.do(helper.Request{Verb: helper.ListSoftware})
		var packages []helper.Package
		if result.Error == "" {
			if err := json.Unmarshal([]byte(data), &packages); err != nil {
				t.Fatalf("%v in %q", err, data)
			}
		}
		return result, packages
	}
	r.script("one", `printf 'a\t1.0\nb\n"c d"\t"2"\r\n\n'`+"\n")
	r.script("two", "exit 2\n")
	if _, got := list(); !slices.Equal(got, []helper.Package{{Type: "one", Name: "a", Version: "1.0"}, {Type: "one", Name: "b"}, {Type: "one", Name: "c d", Version: "2"}}) {
		t.Errorf("got %+v", got)
	}
	r.script("two", "printf 'x\t1\n'\n")
	for name, body := range map[string]string{
		"endless":       "yes 'package\t1.0'\n",
		"binary":        "head -c 1000 /dev/zero\n",
		"escape":        `printf 'a\033[2J\t1\n'` + "\n",
		"option":        `printf -- '--force\t1\n'` + "\n",
		"long name":     "head -c 300 /dev/zero | tr '\\0' x\n",
		"too many":      "seq 5001\n",
		"killed":        "kill -9 $$\n",
		"no name":       `printf '\t1\n'` + "\n",
		"invalid UTF-8": `printf 'a\377\t1\n'` + "\n",
	} {
		r.script("one", body)
		if result, got := list(); result.Error != "" || !slices.Equal(got, []helper.Package{{Type: "two", Name: "x", Version: "1"}}) {
			t.Errorf("%s: got %+v, %+v", name, result, got[:min(3, len(got))])
		}
	}
	r.script("one", "seq 4999\n")
	if _, got := list(); len(got) != 5000 {
		t.Errorf("got %d, want 5000", len(got))
	}
	r.script("one", "exit 1\n")
	r.script("two", "exit 1\n")
	if result, _ := list(); result.Error == "" {
		t.Error("both plugins fail and nothing is said")
	}
}
