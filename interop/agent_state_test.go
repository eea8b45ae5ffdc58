package interop_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestEachFileReplaced puts something else in the place of each file of a state
// directory. Every command ends, says what to do unless it can work without the
// file, and leaves the identity as it is; with the file back all is well again.
func TestEachFileReplaced(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	healthy := enrolledDevice(t, s, "replaced")
	kinds := map[string]func(path string) error{
		"nothing":   func(string) error { return nil },
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"link":      func(path string) error { return os.Symlink("/absent", path) },
	}
	err := fs.WalkDir(os.DirFS(healthy.state), ".", func(file string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		for name, put := range kinds {
			t.Run(file+" by a "+name, func(t *testing.T) {
				t.Parallel()
				d := healthy.twin(t)
				path := filepath.Join(d.state, file)
				aside := filepath.Join(t.TempDir(), "aside")
				if err := os.Rename(path, aside); err != nil {
					t.Fatal(err)
				}
				if err := put(path); err != nil {
					t.Fatal(err)
				}
				before := d.fingerprint(t)
				for _, args := range [][]string{{"status"}, {"token", "--timeout", "3s"}, {"config", "check"}, {"doctor"}} {
					o := d.run(t, args...)
					if args[0] != "doctor" { // speaks on stdout
						if args[0] != "config" { // names all that is wrong
							o.told(t)
						}
						if o.status != exitDone && !strings.Contains(o.stderr, "hint: ") {
							t.Errorf("no advice: %s", o)
						}
					} else if o.status > exitUsage || o.stderr != "" {
						t.Errorf("%s", o)
					}
					if d.fingerprint(t) != before {
						t.Fatalf("changes the identity: %s", o)
					}
				}
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(aside, path); err != nil {
					t.Fatal(err)
				}
				d.run(t, "status").want(t, exitDone)
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// mortal runs the agent with the modes of files in force, which root is above.
func (d *device) mortal(t testing.TB, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), agentLimit)
	defer cancel()
	agent := d.command(ctx, t, args...)
	cmd := exec.CommandContext(ctx, "setpriv", append([]string{"--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", "--"}, agent.Args...)...)
	if os.Geteuid() != 0 {
		cmd = agent
	}
	cmd.Env = agent.Env
	return outcomeOf(ctx, t, cmd)
}

// TestClosedToItsUser: modes that keep the agent's own user out have the advice to
// change them, not to restore what is all there.
func TestClosedToItsUser(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	healthy := enrolledDevice(t, s, "closed")
	for _, file := range []string{".", "settings.toml", "generations", "generations/0001", "generations/0001/chain.pem", "keys"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			d := healthy.twin(t)
			path := filepath.Join(d.state, file)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, 0); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"status"}, {"run"}, {"renew", "--timeout", "3s"}} {
				o := d.mortal(t, args...)
				if o.status != exitFailed {
					t.Errorf("want status %d: %s", exitFailed, o)
				}
				o.hinted(t, "permission denied|its owner may not use it", "chmod")
			}
			if o := d.mortal(t, "doctor"); o.status != exitFailed || !strings.Contains(o.stdout, "chmod") {
				t.Errorf("doctor has no advice: %s", o)
			}
			if err := os.Chmod(path, info.Mode()); err != nil {
				t.Fatal(err)
			}
			d.mortal(t, "status").want(t, exitDone)
		})
	}
}

// TestClosedSpool: so has the directory of messages, which only those need that send.
func TestClosedSpool(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := enrolledDevice(t, s, "closed-spool")
	if err := os.Chmod(filepath.Join(d.state, "spool"), 0); err != nil {
		t.Fatal(err)
	}
	d.mortal(t, "status").want(t, exitDone)
	o := d.mortal(t, "run")
	o.want(t, exitFailed)
	o.hinted(t, "spool.* this user may not use it", "chmod")
	if err := os.RemoveAll(filepath.Join(d.state, "spool")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.state, "spool"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o = d.run(t, "run")
	o.want(t, exitFailed)
	o.hinted(t, "spool", "move away what is in the place")
}
