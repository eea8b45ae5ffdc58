package helper_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/agent/config"
	"mooring/agent/helper"
)

// A log that is a link brings what the configuration names, and nothing else.
func TestLogLinks(t *testing.T) {
	r := newRig(t, func(o *config.Operations, dir string) {
		o.Log.Files = []config.Named{
			{Name: "app", Value: filepath.Join(dir, "logs/app*.log")},
			{Name: "moved", Value: filepath.Join(dir, "moved/*/x.log")},
			{Name: "other", Value: filepath.Join(dir, "other/one[.]log")},
			{Name: "secret link", Value: filepath.Join(dir, "logs/bad.log")},
		}
	})
	for _, dir := range []string{"logs", "other", "real/1", "private"} {
		if err := os.MkdirAll(filepath.Join(r.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"logs/app-1.log": "first", "other/one.log": "other", "real/1/x.log": "moved", "private/x.log": "secret", "private/app.log": "secret"} {
		write(t, filepath.Join(r.dir, name), text+"\n", 0o600)
	}
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("app-1.log", "logs/app-now.log") // within the pattern
	link("../other/one.log", "logs/app-other.log")
	link("../private/app.log", "logs/app-bad.log")
	link(filepath.Join(r.dir, "private/x.log"), "logs/bad.log")
	link("real", "moved") // a directory that the configuration names
	link("../private", "real/2")
	for _, tt := range []struct{ name, want, wantErr string }{
		{"app", "first first other", ""},
		{"moved", "moved", ""},
		{"other", "other", ""},
		{"secret link", "", "does not allow"},
	} {
		result, data := r.do(helper.Request{Verb: helper.ReadLog, Name: tt.name})
		want(t, tt.name, result, tt.wantErr)
		got := strings.Fields(data)
		for i := range got { // files of one instant come in any order
			for k := i; k > 0 && got[k] < got[k-1]; k-- {
				got[k], got[k-1] = got[k-1], got[k]
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Links of others than root do not lead anywhere, even on the way to a directory
// of logs.
func TestForeignDirectoryLink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a link of another user") // as CI is; nobody else can, whatever is installed
	}
	r := newRig(t, func(o *config.Operations, dir string) {
		o.Log.Files = []config.Named{{Name: "app", Value: filepath.Join(dir, "home/logs/*.log")}}
	})
	if err := os.MkdirAll(filepath.Join(r.dir, "home"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(r.dir, "secret.log"), "secret\n", 0o600)
	path := filepath.Join(r.dir, "home/logs")
	for _, uid := range []int{0, 12345} {
		_ = os.Remove(path) // at first it is not there
		if err := os.Symlink("..", path); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(path, uid, -1); err != nil {
			t.Fatal(err)
		}
		result, data := r.do(helper.Request{Verb: helper.ReadLog, Name: "app"})
		if foreign := uid != 0; foreign != (data == "") || foreign != (result.Error != "") {
			t.Errorf("user %d: got %q, error %q", uid, data, result.Error)
		}
	}
}
