package sdnotify_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mooring/agent/sdnotify"
)

// What is said arrives as systemd reads it, one datagram each.
func TestSpeaks(t *testing.T) {
	for name, socket := range map[string]string{"file": filepath.Join(t.TempDir(), "n"), "abstract": "@mooring-sdnotify-" + strconv.Itoa(os.Getpid())} {
		t.Run(name, func(t *testing.T) {
			manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = manager.Close() }()
			t.Setenv("NOTIFY_SOCKET", socket)
			n := sdnotify.FromEnvironment()
			for want, say := range map[string]func() error{
				"READY=1":         n.Ready,
				"STOPPING=1":      n.Stopping,
				"WATCHDOG=1":      n.Alive,
				"STATUS=a line b": func() error { return n.Status("a line\nb") },
			} {
				if err := say(); err != nil {
					t.Fatal(err)
				}
				if got := read(t, manager); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if err := n.Reloading(); err != nil {
				t.Fatal(err)
			}
			state, since, _ := strings.Cut(read(t, manager), "\nMONOTONIC_USEC=")
			if usec, err := strconv.ParseInt(since, 10, 64); state != "RELOADING=1" || err != nil || usec <= 0 {
				t.Errorf("got %q since %q", state, since)
			}
		})
	}
}

func read(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	p := make([]byte, 1024)
	n, err := c.Read(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(p[:n])
}

// The watchdog is ours only if systemd says so, and no child inherits it.
func TestEnvironment(t *testing.T) {
	own, other := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getpid()+1)
	for _, row := range []struct {
		socket, usec, pid string
		want              time.Duration
	}{
		{"/run/n", "30000000", own, 10 * time.Second},
		{"/run/n", "30000000", "", 10 * time.Second},
		{"/run/n", "30000000", other, 0},
		{"/run/n", "30000000", "x", 0},
		{"/run/n", "0", own, 0},
		{"/run/n", "-1", own, 0},
		{"/run/n", "", "", 0},
		{"", "30000000", own, 0},
	} {
		t.Setenv("NOTIFY_SOCKET", row.socket)
		t.Setenv("WATCHDOG_USEC", row.usec)
		t.Setenv("WATCHDOG_PID", row.pid)
		if got := sdnotify.FromEnvironment().Watchdog(); got != row.want {
			t.Errorf("%+v: got %v", row, got)
		}
		for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
			if value, set := os.LookupEnv(name); set {
				t.Errorf("%s=%s is left to children", name, value)
			}
		}
	}
}

// Nobody to speak to is no error; a socket that is gone is one.
func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := sdnotify.FromEnvironment().Ready(); err != nil {
		t.Error(err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := sdnotify.FromEnvironment().Ready(); err == nil {
		t.Error("a socket that is gone: no error")
	}
}
