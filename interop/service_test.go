package interop_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// systemd is what a unit of Type=notify speaks to.
type systemd struct {
	socket string
	heard  logBuffer
}

func startSystemd(t *testing.T) *systemd {
	t.Helper()
	s := &systemd{socket: filepath.Join(t.TempDir(), "notify")}
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		p := make([]byte, 4096)
		for {
			n, err := l.Read(p)
			if err != nil {
				return
			}
			_, _ = s.heard.Write(append(p[:n:n], '\n'))
		}
	}()
	return s
}

func (s *systemd) count(line string) int { return strings.Count("\n"+s.heard.String(), "\n"+line) }

// TestService: the agent as systemd runs it. It says that it is ready, how it is
// and that it lives; SIGHUP brings a new configuration into force, a wrong one
// changes nothing, and one that it cannot start with is given up.
func TestService(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := enrolledDevice(t, s, "served")
	manager := startSystemd(t)
	dir := filepath.Dir(d.state)
	file, socket := filepath.Join(dir, "agent.toml"), filepath.Join(dir, "api.sock")
	configure := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("")
	usual := d.env
	d.env = append(slices.Clip(usual), "NOTIFY_SOCKET="+manager.socket, "WATCHDOG_USEC=300000")
	agent := d.start(t, "--config", file)
	log := agent.log
	d.env = usual
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("systemd heard:\n%s", &manager.heard)
		}
	})
	hangUp := func() {
		t.Helper()
		if err := agent.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	says := func(what string) func() bool { return func() bool { return strings.Contains(log.String(), what) } }
	eventually(t, "ready, connected and alive", func() bool {
		return manager.count("READY=1") == 1 && manager.count("STATUS=valid, connected to localhost, certificate until 2") > 0 && manager.count("WATCHDOG=1") > 1
	})

	hangUp()
	eventually(t, "nothing has changed", func() bool { return manager.count("RELOADING=1") == 1 && manager.count("READY=1") == 2 })
	configure("no_such_key = 1\n")
	hangUp()
	eventually(t, "a wrong configuration is told", says("the old one stays in force"))
	eventually(t, "the reload has ended", func() bool { return manager.count("READY=1") == 3 })
	before := d.fingerprint(t)

	configure(fmt.Sprintf("[local]\nsocket = %q\n", socket))
	hangUp()
	eventually(t, "the new configuration is in force", func() bool {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return false
		}
		_ = c.Close()
		return manager.count("READY=1") == 4
	})
	d.pub(t, 1).want(t, exitDone)

	ca := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(ca, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	configure(fmt.Sprintf("ca = %q\n[local]\nsocket = %q\n", ca, socket))
	hangUp()
	eventually(t, "a configuration that does not start is given up", says("goes back to the old one"))
	eventually(t, "the old one is in force", func() bool { return manager.count("READY=1") == 5 })
	d.pub(t, 2).want(t, exitDone)
	if d.fingerprint(t) != before {
		t.Error("the identity has changed")
	}

	anchors := filepath.Join(d.state, "ca.pem")
	good, err := os.ReadFile(anchors)
	if err != nil {
		t.Fatal(err)
	}
	configure(fmt.Sprintf("[local]\nsocket = %q\n", socket))
	for _, row := range []struct {
		text  string
		ready int
	}{{"no certificate", 6}, {"# the same, and more\n" + string(good), 7}} {
		if err := os.WriteFile(anchors, []byte(row.text), 0o600); err != nil {
			t.Fatal(err)
		}
		hangUp()
		eventually(t, "the trust anchors are read again", func() bool { return manager.count("READY=1") == row.ready })
	}
	eventually(t, "only good ones bring a new agent", func() bool {
		return strings.Count(log.String(), "msg=running") == 4 && strings.Count(log.String(), "the old one stays in force") == 2
	})
	d.pub(t, 3).want(t, exitDone)
	if n := manager.count("STOPPING=1"); n != 0 {
		t.Errorf("said %d times that it ends", n)
	}
	if err := agent.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-agent.ended; err != nil {
		t.Error(err)
	}
	eventually(t, "it said that it ends", func() bool { return manager.count("STOPPING=1") == 1 })
}
