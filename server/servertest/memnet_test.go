package servertest_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"mooring/server/servertest"
)

// The library's own conformance suite for net.Conn: deadlines, races, closing.
func TestPipeIsANetConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		c1, c2 = servertest.Pipe(&net.TCPAddr{}, &net.TCPAddr{})
		return c1, c2, func() { c1.Close(); c2.Close() }, nil
	})
}

func TestDeadlineInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := servertest.Pipe(&net.TCPAddr{}, &net.TCPAddr{})
		defer client.Close()
		defer server.Close()
		start := time.Now()
		if err := client.SetReadDeadline(start.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		_, err := client.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("Read = %v, want deadline exceeded", err)
		}
		if waited := time.Since(start); waited != time.Hour {
			t.Errorf("waited %v, want 1h of simulated time", waited)
		}
	})
}

func TestNetwork(t *testing.T) {
	n := servertest.NewNetwork()
	l, err := n.Listen("server.test:443")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen("other.test:443"); err == nil {
		t.Error("a port was opened twice")
	}
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "hello")
		c.Close()
	}()
	c, err := n.DialContext(t.Context(), "tcp", "anything:443")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "hello" {
		t.Fatalf("read %q, %v", got, err)
	}
	n.SetDown(true)
	if _, err := n.DialContext(t.Context(), "tcp", "anything:443"); err == nil {
		t.Error("dialled through a network that is down")
	}
	n.SetDown(false)
	l.Close()
	if _, err := n.DialContext(t.Context(), "tcp", "anything:443"); err == nil {
		t.Error("dialled a closed listener")
	}
}
