package interop_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// twin is the device with a copy of its state directory, for a test to spoil.
func (d *device) twin(t testing.TB) *device {
	t.Helper()
	c := *d
	c.state = filepath.Join(t.TempDir(), "state")
	if err := os.CopyFS(c.state, os.DirFS(d.state)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(c.state, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&fs.ModeSymlink != 0 {
			return err
		}
		rel, err := filepath.Rel(c.state, path)
		if err != nil {
			return err
		}
		info, err := os.Stat(filepath.Join(d.state, rel))
		if err != nil {
			return err
		}
		return os.Chmod(path, info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

// fingerprint covers what makes the identity: names, modes and contents.
func (d *device) fingerprint(t testing.TB) string {
	t.Helper()
	h := sha256.New()
	for _, name := range []string{"current", "generations", "keys"} {
		err := filepath.WalkDir(filepath.Join(d.state, name), func(path string, e fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintln(h, path, info.Mode())
			var text []byte
			switch {
			case info.Mode().IsRegular():
				text, err = os.ReadFile(path)
			case info.Mode()&fs.ModeSymlink != 0:
				var target string
				target, err = os.Readlink(path)
				text = []byte(target)
			}
			_, _ = h.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// told holds an outcome to how the agent speaks: errors and hints, one line
// each, and never the inside of a program.
func (o outcome) told(t testing.TB) {
	t.Helper()
	for text := range strings.Lines(o.stderr) {
		if !regexp.MustCompile(`^(mooring-agent: (error|hint): .+|time=.* level=(WARN|ERROR) .*|usage: .*)\n$`).MatchString(text) {
			t.Errorf("says %q: %s", text, o)
		}
	}
	if strings.Contains(o.stderr, "panic") || strings.Contains(o.stderr, "goroutine") {
		t.Errorf("panics: %s", o)
	}
	if o.status != exitDone && strings.Count(o.stderr, "mooring-agent: error: ") != 1 {
		t.Errorf("want one error: %s", o)
	}
}

func (o outcome) hinted(t testing.TB, wantError, wantHint string) {
	t.Helper()
	o.told(t)
	for _, want := range []string{"error: .*" + wantError, "hint: .*" + wantHint} {
		if !regexp.MustCompile("(?m)^mooring-agent: " + want).MatchString(o.stderr) {
			t.Errorf("does not say %q: %s", want, o)
		}
	}
}

// spoil changes one file of the state directory; the name may be a pattern.
type spoil func(t *testing.T, state string)

func onFile(pattern string, change func(path string) error) spoil {
	return func(t *testing.T, state string) {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(state, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		if err := change(found[0]); err != nil {
			t.Fatal(err)
		}
	}
}

func mode(pattern string, mode os.FileMode) spoil {
	return onFile(pattern, func(path string) error { return os.Chmod(path, mode) })
}

func content(pattern, text string) spoil {
	return onFile(pattern, func(path string) error { return os.WriteFile(path, []byte(text), 0o600) })
}

func point(target string) spoil {
	return onFile("current", func(path string) error {
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.Symlink(target, path)
	})
}

// TestSpoiltState: what a person did to the state directory is said with advice,
// and what is left of the identity is not touched.
func TestSpoiltState(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	healthy := enrolledDevice(t, s, "spoilt")
	tests := []struct {
		name      string
		spoil     spoil
		wantError string
		wantHint  string
	}{
		{"key that others can read", mode("keys/*.pem", 0o644), "mode 0644", "run chmod 600 .*renew"},
		{"key emptied", content("keys/*.pem", ""), "damaged", "restore the key; .* enrol --again"},
		{"key garbled", content("keys/*.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "damaged", "restore the key; .* enrol --again"},
		{"key is a directory", onFile("keys/*.pem", func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o700)
		}), "not a regular file", "restore the key; .* enrol --again"},
		{"key gone", onFile("keys/*.pem", os.Remove), "no such key", "restore it, or .* enrol --again"},
		{"keys that others can replace", mode("keys", 0o777), "mode 0777", "chmod 700"},
		{"state that others can replace", mode(".", 0o777), "mode 0777", "chmod 700"},
		{"metadata emptied", content("generations/*/identity.json", ""), "identity.json", "damaged: restore it"},
		{"chain emptied", content("generations/*/chain.pem", ""), "digest does not fit", "damaged: restore it"},
		{"digest emptied", content("generations/*/digest", ""), "digest does not fit", "damaged: restore it"},
		{"generation gone", onFile("generations/*", os.RemoveAll), "incomplete", "damaged: restore it"},
		{"pointer out of the directory", point("/etc"), "does not lead to a generation", "damaged: restore it"},
		{"pointer to another device", point("../../other/generations/0001"), "does not lead to a generation", "damaged: restore it"},
		{"pointer to nothing", point("generations/0099"), "incomplete", "damaged: restore it"},
		{"pointer is a file", onFile("current", func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.WriteFile(path, []byte("generations/0001"), 0o600)
		}), "not a symbolic link", "damaged: restore it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := healthy.twin(t)
			tt.spoil(t, d.state)
			before := d.fingerprint(t)
			enrol := append(d.enrol(), "--timeout", "1s")
			for _, args := range [][]string{{"status"}, {"run"}, {"pub", "--timeout", "1s", "400,c8y_X,x"}, {"renew", "--timeout", "1s"}, enrol} {
				o := d.run(t, args...)
				if o.status != exitFailed {
					t.Errorf("want status %d: %s", exitFailed, o)
				}
				o.hinted(t, tt.wantError, tt.wantHint)
				if d.fingerprint(t) != before {
					t.Fatalf("changes the identity: %s", o)
				}
			}
		})
	}
}

// TestEachFileDamaged empties and flips each file of a state directory in turn.
// The agent says so, or it works without that file; it never panics and never
// destroys the key.
func TestEachFileDamaged(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	healthy := enrolledDevice(t, s, "damaged")
	changes := map[string]func([]byte) []byte{
		"emptied":   func([]byte) []byte { return nil },
		"cut":       func(b []byte) []byte { return b[:len(b)/2] },
		"flipped":   func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 0x20; return b },
		"with NULs": func(b []byte) []byte { return make([]byte, len(b)) },
	}
	var files []string
	err := fs.WalkDir(os.DirFS(healthy.state), ".", func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 6 { // key, metadata, chain, digest, lifecycle, settings, anchors, clock, lock
		t.Fatalf("a state directory has more than %v", files)
	}
	for _, file := range files {
		for name, change := range changes {
			t.Run(file+" "+name, func(t *testing.T) {
				t.Parallel()
				d := healthy.twin(t)
				path := filepath.Join(d.state, file)
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if len(text) == 0 {
					return // the lock holds nothing
				}
				if err := os.WriteFile(path, change(text), 0o600); err != nil {
					t.Fatal(err)
				}
				before := d.fingerprint(t)
				for _, args := range [][]string{{"status"}, {"pub", "--timeout", "3s", "400,c8y_X,x"}} {
					o := d.run(t, args...)
					o.told(t)
					if o.status != exitDone && !strings.Contains(o.stderr, "mooring-agent: hint: ") {
						t.Errorf("no advice: %s", o)
					}
					if d.fingerprint(t) != before {
						t.Errorf("changes the identity: %s", o)
					}
				}
			})
		}
	}
}
