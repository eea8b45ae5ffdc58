package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mooring/agent/helper"
)

// TestHelperTakesPassedSocket starts the helper as systemd does (sd_listen_fds(3)):
// with a listening socket as descriptor 3, on which somebody waits already.
func TestHelperTakesPassedSocket(t *testing.T) {
	for _, tt := range []struct {
		name, pid, fds string
		works          bool
	}{
		{"for this process", "$$", "1", true},
		{"for another process", "1", "1", false},
		{"two sockets", "$$", "2", false},
		{"none", "$$", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "passed") // paths of sockets are short
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) }) // of this test alone
			path := filepath.Join(dir, "agent.toml")
			write := func(text string) {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(allowing("first", path))
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "sock"), Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }() // passed on
			cmd := passSocket(t, l, tt.pid, tt.fds, "--config", path, "--dir", filepath.Join(dir, "private"))
			if !tt.works {
				err := cmd.Wait()
				if code := cmd.ProcessState.ExitCode(); code != exitUsage {
					t.Errorf("exit status %d, %v, want %d", code, err, exitUsage)
				}
				return
			}
			client := helper.Client{Socket: filepath.Join(dir, "sock")}
			for _, step := range []struct{ config, log, want string }{
				{allowing("first", path), "first", ""},
				{allowing("second", path), "second", ""},
				{allowing("second", path), "first", "no"},
				{"not TOML", "second", ""}, // changes nothing
			} {
				write(step.config)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				var data bytes.Buffer
				result, err := client.Do(ctx, helper.Request{Verb: helper.ReadLog, Name: step.log, MaxLines: 10}, &data)
				cancel()
				if err != nil || (result.Error == "") != (step.want == "") {
					t.Errorf("%q with %q: %+v, %v", step.log, step.config, result, err)
				}
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}

// allowing is a configuration that lets path be read as the log of that name.
func allowing(name, path string) string {
	return fmt.Sprintf("[operations.log]\nfiles = [%q]\n", name+"="+path)
}

// passSocket starts the helper, which is this test's own program, with l as
// descriptor 3.
func passSocket(t *testing.T, l *net.UnixListener, pid, fds string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "mooring-agent") // by this name TestMain runs main
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // the process has its own
	line := fmt.Sprintf(`LISTEN_PID=%s LISTEN_FDS=%s exec "$0" operation-helper "$@"`, pid, fds)
	cmd := exec.Command("sh", append([]string{"-c", line, program}, args...)...)
	cmd.ExtraFiles = []*os.File{f}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}
