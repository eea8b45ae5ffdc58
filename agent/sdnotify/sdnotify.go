// Package sdnotify tells systemd how the service is: sd_notify(3).
//
// Without NOTIFY_SOCKET, that is outside a unit of Type=notify, everything
// here does nothing.
package sdnotify

import (
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Notifier speaks to the service manager.
type Notifier struct {
	socket   string
	watchdog time.Duration
	// since is the time of CLOCK_MONOTONIC in microseconds, which RELOADING=1
	// must carry.
	since func() int64
}

// FromEnvironment takes the socket and the watchdog's limit out of the
// environment, so that no child of ours speaks in our name.
func FromEnvironment() *Notifier {
	n := &Notifier{socket: os.Getenv("NOTIFY_SOCKET"), since: monotonic}
	pid, err := strconv.Atoi(os.Getenv("WATCHDOG_PID"))
	ours := os.Getenv("WATCHDOG_PID") == "" || err == nil && pid == os.Getpid()
	if usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 && ours && n.socket != "" {
		n.watchdog = time.Duration(usec) * time.Microsecond
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		_ = os.Unsetenv(name) // fails for a name that is none
	}
	return n
}

// Watchdog is how often Alive must be called, a third of systemd's limit; 0 if
// nobody watches.
func (n *Notifier) Watchdog() time.Duration { return n.watchdog / 3 }

// Ready says that the service has started, or has reloaded.
func (n *Notifier) Ready() error { return n.send("READY=1") }

// Status is one line for systemctl status.
func (n *Notifier) Status(line string) error { return n.send("STATUS=" + oneLine(line)) }

// Reloading says that the configuration is being read again; Ready follows.
func (n *Notifier) Reloading() error {
	return n.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(n.since(), 10))
}

// Stopping says that the service ends.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Alive feeds the watchdog.
func (n *Notifier) Alive() error { return n.send("WATCHDOG=1") }

// send is one datagram. A name that begins with @ is an abstract socket, to
// package net as to systemd.
func (n *Notifier) send(state string) error {
	if n.socket == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_, err = c.Write([]byte(state))
	return err
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }
