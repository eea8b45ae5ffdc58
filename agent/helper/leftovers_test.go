package helper_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mooring/agent/config"
)

// gone waits for the end of the process whose number is in a file.
func gone(t *testing.T, path string) {
	t.Helper()
	pid := pidIn(t, path)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ended(pid) {
			return
		}
	}
	t.Errorf("%s: process %d runs", filepath.Base(path), pid)
}

// ended is also true for a process whose parent has not asked for its status.
func ended(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func pidIn(t *testing.T, path string) int {
	t.Helper()
	waitFor(t, path)
	pid, err := strconv.Atoi(strings.TrimSpace(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // it should be over
	return pid
}

func backgroundRig(t *testing.T, limit time.Duration, body string) *rig {
	r := newRig(t, func(o *config.Operations, dir string) {
		o.Shell.Timeout = config.Duration(limit)
		o.Shell.Commands = []config.Named{{Name: "run", Value: filepath.Join(dir, "run")}}
	})
	r.script("run", body)
	return r
}

// What takes too long is stopped with all that it started, also in groups and
// sessions of their own.
func TestTimeLimitOfTree(t *testing.T) {
	r := backgroundRig(t, time.Second, `
sleep 1000 & echo $! > "$0.group"
setsid sh -c 'echo $$ > "$0.session"; sleep 1000 & echo $! > "$0.grandchild"; wait' "$0" &
sleep 1000
`)
	want(t, "too long", r.command(newKey(), "run"), "longer than the configuration allows")
	for _, name := range []string{"group", "session", "grandchild"} {
		gone(t, filepath.Join(r.dir, "run."+name))
	}
}

// A program that ends leaves nothing in the background for longer than its own
// limit, and a helper without other work stays for that. What made itself a
// session, as services do, lives on.
func TestBackground(t *testing.T) {
	r := backgroundRig(t, 2*time.Second, `
sleep 1000 > /dev/null 2>&1 & echo $! > "$0.group"
(setsid sleep 1000 > /dev/null 2>&1 & echo $! > "$0.service")
`)
	r.stop()
	r.o.Idle = time.Millisecond
	r.start()
	began := time.Now()
	want(t, "background", r.command(newKey(), "run"), "")
	service := pidIn(t, filepath.Join(r.dir, "run.service"))
	if ended(pidIn(t, filepath.Join(r.dir, "run.group"))) && time.Since(began) < 2*time.Second {
		t.Error("the background is stopped before its time")
	}
	gone(t, filepath.Join(r.dir, "run.group"))
	if ended(service) {
		t.Error("a service was stopped")
	}
}
