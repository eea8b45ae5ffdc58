package localmqtt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/pipetest"
)

// dialPipe makes a caller of a listener of pipes.
func dialPipe(t *testing.T, l *pipetest.Listener) net.Conn {
	t.Helper()
	near := l.Dial()
	t.Cleanup(func() { _ = near.Close() })
	return near
}

// 64 clients are served, 16 more are told that there is no seat, and the others
// find the connection closed.
func TestSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pipetest.New()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		b := newBroker(t, newDevice(), 1000)
		go func() { ended <- b.Serve(ctx, l) }()
		var open []net.Conn
		for range 64 + 16 {
			open = append(open, dialPipe(t, l))
			synctest.Wait()
		}
		one := make([]byte, 1)
		for i, nc := range open { // all are waited for
			_ = nc.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := nc.Read(one); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("connection %d: %v", i, err)
			}
		}
		last := dialPipe(t, l)
		_ = last.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := last.Read(one); !errors.Is(err, io.EOF) {
			t.Errorf("the 81st: %v", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A client has 32 subscriptions; one more ends the connection.
func TestSubscriptions(t *testing.T) {
	c := serving(t, newBroker(t, newDevice(), 1000, everybody()))()
	c.send(connect("a"))
	c.want("connack 0")
	for i := range 32 {
		c.send(subscribe(uint16(i+1), 0, fmt.Sprintf("s/dc/%d", i)))
		c.want("suback 00")
	}
	c.send(subscribe(33, 0, "s/dc/0")) // again
	c.want("suback 00")
	c.send(subscribe(34, 0, "s/dc/32"))
	c.want("end")
}
