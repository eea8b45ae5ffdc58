package helper_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/agent/config"
	"mooring/agent/helper"
)

func configRig(t *testing.T) *rig {
	return newRig(t, func(o *config.Operations, dir string) {
		o.Configuration.MaxBytes = 100
		o.Configuration.Files = []config.Named{
			{Name: "app", Value: filepath.Join(dir, "app.conf")},
			{Name: "link", Value: filepath.Join(dir, "link.conf")},
			{Name: "fifo", Value: "/dev/zero"},
		}
		o.Configuration.Apply = []config.Named{{Name: "app", Value: filepath.Join(dir, "apply")}}
	})
}

func TestReadConfig(t *testing.T) {
	r := configRig(t)
	app := filepath.Join(r.dir, "app.conf")
	for _, n := range []int{99, 100, 101} {
		write(t, app, strings.Repeat("x", n), 0o600)
		result, data := r.do(helper.Request{Verb: helper.ReadConfig, Name: "app"})
		if n <= 100 {
			want(t, "read", result, "")
			if len(data) != n {
				t.Errorf("got %d bytes, want %d", len(data), n)
			}
		} else {
			want(t, "too long", result, "longer than 100 bytes")
		}
	}
	for name, text := range map[string]string{"other": "does not allow", "../app": "does not allow", "": "does not allow", "fifo": "is no file", "link": "no such file"} {
		result, data := r.do(helper.Request{Verb: helper.ReadConfig, Name: name})
		want(t, name, result, text)
		if data != "" {
			t.Errorf("%s: got data %q", name, data)
		}
	}
}

// A configuration is replaced as a whole, keeps its mode, and comes back if it
// does not take effect.
func TestWriteConfig(t *testing.T) {
	r := configRig(t)
	app := filepath.Join(r.dir, "app.conf")
	r.script("apply", "cat "+app+" >> "+r.dir+"/applied\ngrep -q bad "+app+" && { echo 'bad configuration' >&2; exit 3; }\nexit 0\n")
	put := func(key, text string) helper.Result {
		t.Helper()
		result, _ := r.do(helper.Request{Verb: helper.WriteConfig, Key: key, Name: "app"}, text)
		return result
	}
	want(t, "bad where none was", put(newKey(), "bad\n"), "bad configuration")
	if _, err := os.Lstat(app); !os.IsNotExist(err) {
		t.Errorf("the bad file is there: %v", err)
	}
	write(t, app, "one\n", 0o640)
	first := newKey()
	want(t, "good", put(first, "two\n"), "")
	if info, err := os.Stat(app); err != nil || info.Mode().Perm() != 0o640 || read(t, app) != "two\n" {
		t.Errorf("got %v, %q, %v", info.Mode(), read(t, app), err)
	}
	bad := newKey()
	want(t, "bad", put(bad, "bad\n"), "exit status 3: bad configuration; the file before is back")
	if got := read(t, app); got != "two\n" {
		t.Errorf("after a bad one: got %q", got)
	}
	want(t, "the first key again", put(first, "three\n"), "")
	want(t, "the bad key again", put(bad, "three\n"), "bad configuration")
	if got := read(t, app); got != "two\n" {
		t.Errorf("a key counted twice: got %q", got)
	}
	if got, wanted := read(t, filepath.Join(r.dir, "applied")), "bad\ntwo\nbad\ntwo\n"; got != wanted {
		t.Errorf("applied: got %q, want %q", got, wanted)
	}
	want(t, "100 bytes", put(newKey(), strings.Repeat("x", 100)), "")
	want(t, "101 bytes", put(newKey(), strings.Repeat("x", 101)), "longer than 100 bytes")
	want(t, "much more", put(newKey(), strings.Repeat("x", 1<<20)), "longer than 100 bytes")
	if got := read(t, app); len(got) != 100 {
		t.Errorf("after too long ones: %d bytes", len(got))
	}
	if left, err := os.ReadDir(filepath.Join(r.dir, "private", "files")); err != nil || len(left) != 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

// A link stays one; the file behind it is replaced.
func TestWriteConfigLink(t *testing.T) {
	r := configRig(t)
	real := filepath.Join(r.dir, "real.conf")
	write(t, real, "one\n", 0o600)
	if err := os.Symlink("real.conf", filepath.Join(r.dir, "link.conf")); err != nil {
		t.Fatal(err)
	}
	result, _ := r.do(helper.Request{Verb: helper.WriteConfig, Key: newKey(), Name: "link"}, "two\n")
	want(t, "write", result, "")
	if target, err := os.Readlink(filepath.Join(r.dir, "link.conf")); err != nil || target != "real.conf" || read(t, real) != "two\n" {
		t.Errorf("got %q, %v, %q", target, err, read(t, real))
	}
}
