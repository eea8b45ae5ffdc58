package helper_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mooring/agent/config"
	"mooring/agent/helper"
)

func commandRig(t *testing.T) *rig {
	r := newRig(t, func(o *config.Operations, dir string) {
		o.Restart, o.RestartCommand = true, filepath.Join(dir, "reboot")+" now"
		o.Shell.Timeout = config.Duration(time.Minute)
		o.Shell.Commands = []config.Named{
			{Name: "count", Value: filepath.Join(dir, "count") + " a  b"},
			{Name: "disk usage", Value: filepath.Join(dir, "big")},
			{Name: "fail", Value: filepath.Join(dir, "fail")},
		}
	})
	r.script("count", `echo "$*" >> "$0.log"; while [ -e "$0.hold" ]; do sleep 0.01; done; wc -l < "$0.log"`+"\n")
	r.script("big", `head -c 100000 /dev/zero | tr '\0' '<'`+"\n")
	r.script("fail", `printf 'half\001'; echo why >&2; exit 7`+"\n")
	r.script("reboot", `echo "$*" >> "$0.log"`+"\n")
	return r
}

func (r *rig) command(key, name string) helper.Result {
	r.t.Helper()
	result, _ := r.do(helper.Request{Verb: helper.Command, Key: key, Name: name})
	return result
}

func TestCommand(t *testing.T) {
	r := commandRig(t)
	if got := r.command(newKey(), "count"); got.Error != "" || strings.TrimSpace(got.Output) != "1" {
		t.Errorf("got %+v", got)
	}
	if got := read(t, filepath.Join(r.dir, "count.log")); got != "a b\n" {
		t.Errorf("called with %q", got)
	}
	if got := r.command(newKey(), "disk usage"); got.Error != "" || len(got.Output) != helper.MaxOutput {
		t.Errorf("big: %d bytes, error %q", len(got.Output), got.Error)
	}
	if got := r.command(newKey(), "fail"); got.Error != "exit status 7: why" || got.Output != "half\uFFFD" {
		t.Errorf("fail: got %+v", got)
	}
	for _, name := range []string{"", "count a", "/bin/sh", "count;reboot", "Count"} {
		want(t, name, r.command(newKey(), name), "does not allow")
	}
	for _, key := range []string{"", "short", strings.Repeat("g", 32), strings.Repeat("a", 33)} {
		want(t, "key "+key, r.command(key, "count"), "32 hexadecimal digits")
	}
	result, _ := r.do(helper.Request{Verb: helper.Restart})
	want(t, "restart", result, "")
	if got := read(t, filepath.Join(r.dir, "reboot.log")); got != "now\n" {
		t.Errorf("restart: called with %q", got)
	}
	result, _ = r.do(helper.Request{Verb: "format-disk"})
	want(t, "unknown verb", result, "no such verb")
}

// Whoever hangs up and asks again gets the result of the one time that the
// command ran; so does whoever asks a later helper.
func TestOnce(t *testing.T) {
	r := commandRig(t)
	hold := filepath.Join(r.dir, "count.hold")
	write(t, hold, "", 0o600)
	key := newKey()
	ctx, cancel := context.WithCancel(t.Context())
	hung := make(chan error, 1)
	go func() {
		_, err := r.client.Do(ctx, helper.Request{Verb: helper.Command, Key: key, Name: "count"}, nil)
		hung <- err
	}()
	waitFor(t, filepath.Join(r.dir, "count.log"))
	cancel()
	if err := <-hung; !errors.Is(err, context.Canceled) {
		t.Errorf("hung up: got %v", err)
	}
	var again sync.WaitGroup
	for range 3 {
		again.Go(func() {
			if got := r.command(key, "count"); strings.TrimSpace(got.Output) != "1" {
				t.Errorf("again: got %+v", got)
			}
		})
	}
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	again.Wait()
	r.stop()
	r.start()
	if got := r.command(key, "count"); strings.TrimSpace(got.Output) != "1" {
		t.Errorf("another helper: got %+v", got)
	}
	if got := r.command(newKey(), "count"); strings.TrimSpace(got.Output) != "2" {
		t.Errorf("another key: got %+v", got)
	}
}

// waitFor returns when a file is there.
func waitFor(t testing.TB, path string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			return
		}
	}
	t.Fatalf("%s never came", path)
}

// A helper that was killed knows what it had begun, and does not do it again.
func TestInterrupted(t *testing.T) {
	r := commandRig(t)
	r.stop()
	key := newKey()
	write(t, filepath.Join(r.o.Dir, "jobs.json"), `[{"key":"`+key+`"}]`, 0o600)
	r.start()
	got := r.command(key, "count")
	if !got.Interrupted || got.Error == "" {
		t.Errorf("got %+v", got)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "count.log")); !os.IsNotExist(err) {
		t.Errorf("it ran: %v", err)
	}
}

// Notes that cannot be read are set aside. What they named is not done again,
// whatever is left of them; what is new is done.
func TestDamagedJobs(t *testing.T) {
	for name, damage := range map[string]func(text string) string{
		"empty":     func(string) string { return "" },
		"cut":       func(text string) string { return text[:len(text)/2] },
		"no JSON":   func(text string) string { return "{" + text },
		"no keys":   func(string) string { return `[{"key":"x"}]` },
		"null":      func(string) string { return `[null]` },
		"too long":  func(text string) string { return text + strings.Repeat(" ", 64*8*helper.MaxOutput) },
		"zero bits": func(text string) string { return strings.Repeat("\x00", len(text)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := commandRig(t)
			var log bytes.Buffer
			r.o.Log = slog.New(slog.NewTextHandler(&log, nil))
			first, second := newKey(), newKey()
			r.command(first, "count")
			r.command(second, "count")
			r.stop()
			file := filepath.Join(r.o.Dir, "jobs.json")
			broken := damage(read(t, file))
			write(t, file, broken, 0o600)
			r.start()
			for _, key := range []string{first, second} {
				if got := r.command(key, "count"); got.Interrupted || !strings.Contains(got.Error, "notes were damaged") {
					t.Errorf("again: got %+v", got)
				}
			}
			if got := r.command(newKey(), "count"); strings.TrimSpace(got.Output) != "3" {
				t.Errorf("a new key: got %+v", got)
			}
			if read(t, file+".damaged") != broken || !strings.Contains(log.String(), "set aside") {
				t.Errorf("nobody is told: %s", log.String())
			}
			r.stop()
			r.start()
			if got := r.command(first, "count"); got.Error == "" {
				t.Errorf("after another start: got %+v", got)
			}
		})
	}
	r := commandRig(t)
	r.stop()
	if err := os.Mkdir(filepath.Join(r.o.Dir, "jobs.keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(r.o.Dir, "jobs.json"), "{", 0o600)
	if _, err := helper.Open(r.o); err == nil {
		t.Error("a helper serves that does not know what it did")
	}
}

// The newest 64 results are remembered.
func TestJobsAreBounded(t *testing.T) {
	r := commandRig(t)
	first := newKey()
	r.command(first, "count")
	for range 63 {
		r.command(newKey(), "other")
	}
	if got := r.command(first, "count"); strings.TrimSpace(got.Output) != "1" {
		t.Errorf("64 jobs: the first is forgotten: %+v", got)
	}
	r.command(newKey(), "other")
	if got := r.command(first, "count"); strings.TrimSpace(got.Output) != "2" {
		t.Errorf("65 jobs: the first is remembered: %+v", got)
	}
}

// A helper without work ends, and systemd starts another.
func TestIdle(t *testing.T) {
	o := helper.Options{Operations: config.Default().Operations, Dir: t.TempDir(), UID: os.Getuid(), Idle: time.Millisecond}
	s, err := helper.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context(), l); err != nil {
		t.Error(err)
	}
	_ = l.Close() // it is still open, as systemd wants it
}
