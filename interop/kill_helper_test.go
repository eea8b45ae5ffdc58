package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// killable is a program that is started again whenever it ends, as systemd does.
type killable struct {
	mu  sync.Mutex // guards cmd
	cmd *exec.Cmd
}

func keepAlive(t *testing.T, pidFile string, log *logBuffer, command func(ctx context.Context) *exec.Cmd) *killable {
	t.Helper()
	k := &killable{}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	running.Go(func() {
		for ctx.Err() == nil {
			cmd := command(ctx)
			cmd.Stderr = log
			k.mu.Lock()
			err := cmd.Start()
			if err == nil {
				err = os.WriteFile(pidFile, fmt.Append(nil, cmd.Process.Pid), 0o600)
			}
			k.cmd = cmd
			k.mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			_ = cmd.Wait() // it is killed
		}
	})
	return k
}

func (k *killable) signal(s syscall.Signal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.cmd.Process.Signal(s) // it may be over
}

// victim is a device with a real agent and a real helper.
type victim struct {
	t             *testing.T
	s             *instance
	d             *device
	dir, object   string
	url           string // of a file at the server
	agent, helper *killable
	log           logBuffer
}

// hook is the beginning of all programs that the helper runs: they kill whom the
// test names, at the point that it names, and end there as at a power cut: once, or
// each time while there is a file "again".
const hook = `#!/bin/sh
at() {
	[ -e "$D/$1" ] || return 0
	victims=$(cat "$D/$1")
	[ -e "$D/again" ] || rm "$D/$1"
	for v in $victims; do kill -9 "$(cat "$D/$v.pid")"; done
	case $victims in *helper*) exit 9;; esac
}
effect() { at before; echo "$*" >> "$D/effects"; at after; }
`

func newVictim(t *testing.T, s *instance, id string) *victim {
	t.Helper()
	v := &victim{t: t, s: s, d: enrolledDevice(t, s, id), dir: t.TempDir()}
	for name, body := range map[string]string{
		"command": "effect command\n",
		"apply":   "effect apply\n",
		"pkg":     "case $1 in list) ;; install) effect software;; prepare | finalize) ;; *) exit 1;; esac\n",
		"fw":      "case $1 in install) effect firmware;; check | commit) ;; esac\n",
		"reboot":  "effect restart\n",
	} {
		text := strings.Replace(hook, "\n", "\nD='"+v.dir+"'\n", 1) + body
		if err := os.WriteFile(filepath.Join(v.dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(v.dir, "helper.sock")
	writeFile(t, filepath.Join(v.dir, "app.conf"), "old\n")
	writeFile(t, filepath.Join(v.dir, "app.log"), "one line\n")
	file := filepath.Join(v.dir, "agent.toml")
	writeFile(t, file, strings.ReplaceAll(`[operations]
helper = '`+socket+`'
restart = true
restart_command = 'DIR/reboot'
[operations.shell]
commands = ['run=DIR/command']
[operations.configuration]
files = ['app=DIR/app.conf']
apply = ['app=DIR/apply']
[operations.log]
files = ['app=DIR/app.log']
[operations.software]
types = ['pkg']
plugins = 'DIR'
[operations.firmware]
plugin = 'DIR/fw'
`, "DIR", v.dir))
	v.helper = keepAlive(t, filepath.Join(v.dir, "helper.pid"), &v.log, func(ctx context.Context) *exec.Cmd {
		return exec.CommandContext(ctx, program(t, agentProgram), "operation-helper", "--config", file, "--dir", filepath.Join(v.dir, "private"),
			"--socket", socket, "--idle", "0")
	})
	v.agent = keepAlive(t, filepath.Join(v.dir, "agent.pid"), &v.log, func(ctx context.Context) *exec.Cmd {
		return v.d.command(ctx, t, "run", "--config", file)
	})
	eventually(t, "the agent is connected", func() bool { return strings.Contains(v.log.String(), "the server confirmed the connection") })
	eventually(t, "the device is known", func() bool {
		a := s.admin(t, http.MethodGet, "/identity/externalIds/c8y_Serial/"+id, "", nil)
		return a.status == http.StatusOK
	})
	v.object = s.object(t, id)
	var made struct{ ID string }
	a := s.admin(t, http.MethodPost, "/inventory/binaries", "application/octet-stream", []byte("new\n"))
	if err := json.Unmarshal(a.body, &made); err != nil || a.status != http.StatusCreated {
		t.Fatalf("binary: %s", a)
	}
	v.url = "https://localhost:" + port(t, s.HTTPS) + "/inventory/binaries/" + made.ID
	return v
}

// order gives an operation, and returns its ID.
func (v *victim) order(fragment, body string) string {
	v.t.Helper()
	var made struct{ ID string }
	text := fmt.Sprintf(`{"deviceId":"%s","%s":%s}`, v.object, fragment, strings.ReplaceAll(body, "URL", v.url))
	a := v.s.admin(v.t, http.MethodPost, "/devicecontrol/operations", "application/json", []byte(text))
	if err := json.Unmarshal(a.body, &made); err != nil || a.status != http.StatusCreated {
		v.t.Fatalf("operation: %s", a)
	}
	return made.ID
}

// ends waits for the end of an operation and returns its final statuses, as the
// server's audit log has them.
func (v *victim) ends(id string) (finals []string, reason string) {
	v.t.Helper()
	var o struct{ Status, FailureReason string }
	eventually(v.t, "operation "+id+" ends", func() bool {
		v.s.get(v.t, "/devicecontrol/operations/"+id, &o)
		return o.Status == "SUCCESSFUL" || o.Status == "FAILED"
	})
	eventually(v.t, "the journal is empty", func() bool { return v.journal() == 0 })
	var log struct{ AuditRecords []struct{ Text string } }
	v.s.get(v.t, "/audit/auditRecords?pageSize=100&source="+id, &log)
	for _, r := range log.AuditRecords {
		if strings.Contains(r.Text, "SUCCESSFUL") || strings.Contains(r.Text, "FAILED") {
			finals = append(finals, r.Text)
		}
	}
	return finals, o.FailureReason
}

// journal returns how many operations are in the agent's.
func (v *victim) journal() int {
	v.t.Helper()
	var j struct{ Entries []json.RawMessage }
	text, err := os.ReadFile(filepath.Join(v.d.state, "operations", "journal.json"))
	if err == nil {
		err = json.Unmarshal(text, &j)
	}
	if err != nil {
		v.t.Fatal(err)
	}
	return len(j.Entries)
}

func (v *victim) effects() int {
	text, _ := os.ReadFile(filepath.Join(v.dir, "effects")) // not there: none
	return strings.Count(string(text), "\n")
}

// sound checks what both keep on the disk.
func (v *victim) sound() {
	v.t.Helper()
	var jobs []struct{ Key string }
	text, err := os.ReadFile(filepath.Join(v.dir, "private", "jobs.json"))
	if err == nil {
		err = json.Unmarshal(text, &jobs)
	}
	if err != nil && !os.IsNotExist(err) {
		v.t.Errorf("jobs.json: %v: %s", err, text)
	}
	if _, err := os.Stat(filepath.Join(v.dir, "private", "jobs.json.damaged")); err == nil {
		v.t.Error("jobs.json was damaged")
	}
	o := v.d.run(v.t, "status", "--json")
	var status struct{ Spool struct{ Damaged int } }
	if err := json.Unmarshal([]byte(o.stdout), &status); err != nil || status.Spool.Damaged != 0 {
		v.t.Errorf("the spool: %v: %s", err, o)
	}
}

// blow is when somebody is killed, and who.
type blow struct{ point, victims string }

// blows are all that there are; "asked" is before the helper has read the request.
func blows() (list []blow) {
	for _, victims := range []string{"helper", "agent", "agent helper"} {
		for _, point := range []string{"before", "after", "asked"} {
			list = append(list, blow{point, victims})
		}
	}
	return list
}

func (v *victim) strike(b blow, fragment, body string) (id string) {
	v.t.Helper()
	if b.point != "asked" {
		writeFile(v.t, filepath.Join(v.dir, b.point), b.victims)
		return v.order(fragment, body)
	}
	v.helper.signal(syscall.SIGSTOP)
	id = v.order(fragment, body)
	eventually(v.t, "the operation is under way", func() bool {
		text, err := os.ReadFile(filepath.Join(v.d.state, "operations", "journal.json"))
		return err == nil && strings.Contains(string(text), `"running"`)
	})
	if strings.Contains(b.victims, "agent") {
		v.agent.signal(syscall.SIGKILL)
	}
	if strings.Contains(b.victims, "helper") {
		v.helper.signal(syscall.SIGKILL)
	}
	v.helper.signal(syscall.SIGCONT)
	return id
}

// TestKilledHelper kills the agent, its root helper, or both, at several points of
// each operation: one final status comes to the server, and what is on the disk
// stays sound. Without ALL_CUTS=1 each operation meets three of the blows.
func TestKilledHelper(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	kills := 0
	for n, tt := range []struct {
		fragment, body string
		runs           bool // a program, which can kill
		// most and least are how often it may happen: what the helper was killed at is
		// tried anew, or given up.
		least, most int
		success     bool // whatever happens
	}{
		{"c8y_Command", `{"text":"run"}`, true, 0, 1, false},
		{"c8y_SoftwareUpdate", `[{"name":"thing","version":"1.0","softwareType":"pkg","action":"install"}]`, true, 1, 2, true},
		{"c8y_Firmware", `{"name":"os","version":"2.0","url":"URL"}`, true, 1, 2, true},
		{"c8y_DownloadConfigFile", `{"type":"app","url":"URL"}`, true, 1, 2, true},
		{"c8y_UploadConfigFile", `{"type":"app"}`, false, 0, 0, true},
		{"c8y_LogfileRequest", `{"logFile":"app","dateFrom":"2020-01-01T00:00:00Z","dateTo":"2099-01-01T00:00:00Z","searchText":"","maximumLines":10}`, false, 0, 0, true},
	} {
		list := slices.DeleteFunc(blows(), func(b blow) bool { return !tt.runs && b.point != "asked" })
		if os.Getenv("ALL_CUTS") != "1" && tt.runs { // each point and each victim once
			list = []blow{list[(0+n)%3], list[3+(1+n)%3], list[6+(2+n)%3]}
		}
		kills += len(list)
		t.Run(tt.fragment, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, s, fmt.Sprintf("victim-%d", n))
			defer func() {
				if t.Failed() {
					t.Log(v.log.String())
				}
			}()
			for _, b := range list {
				before := v.effects()
				id := v.strike(b, tt.fragment, tt.body)
				finals, reason := v.ends(id)
				done := v.effects() - before
				if len(finals) != 1 || tt.success && reason != "" {
					t.Errorf("%+v: %q", b, finals)
				}
				if done < tt.least || done > tt.most || reason == "" && done == 0 && tt.runs {
					t.Errorf("%+v: happened %d times; %s", b, done, reason)
				}
				v.sound()
			}
		})
	}
	t.Logf("%d kills", kills)
}

// TestKilledByRestart: a restart that does not come, because it kills agent and
// helper alone, is asked for twice and then given up, with one final status.
func TestKilledByRestart(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	v := newVictim(t, s, "victim-restart")
	writeFile(t, filepath.Join(v.dir, "again"), "")
	for _, victims := range []string{"agent helper", "helper"} {
		before := v.effects()
		writeFile(t, filepath.Join(v.dir, "after"), victims)
		id := v.order("c8y_Restart", `{}`)
		if finals, reason := v.ends(id); len(finals) != 1 || reason == "" {
			t.Errorf("%s: %q %s", victims, finals, reason)
		}
		if n := v.effects() - before; n < 1 || n > 2 {
			t.Errorf("%s: asked for %d times", victims, n)
		}
		v.sound()
	}
}
