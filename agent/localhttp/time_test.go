package localhttp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/localhttp"
)

// pipes is a listener whose callers come through its channel.
type pipes struct {
	calls  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-p.calls:
		return nc, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.calls <- far
	return near
}

// How long a caller may take, by what it sent.
func TestSlowCallers(t *testing.T) {
	for name, row := range map[string]struct {
		send, status string
		after        time.Duration
	}{
		"nothing":       {"", "", 2 * time.Minute},
		"half a header": {"GET / HTTP/1.1\r\nHo", "408", 5 * time.Second},
		"half a body":   {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na", "413", 60 * time.Second}, // 30 s to the handler's error, 30 s for the rest
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &pipes{make(chan net.Conn), make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- (&localhttp.Server{Handler: http.HandlerFunc(echo)}).Serve(ctx, l) }()
				nc := l.dial()
				began := time.Now()
				go func() { _, _ = io.WriteString(nc, row.send) }()
				all, _ := io.ReadAll(nc)
				if got := time.Since(began); got != row.after || !strings.HasPrefix(strings.TrimPrefix(string(all), "HTTP/1.1 "), row.status) {
					t.Errorf("got %q after %v; want %s after %v", all, got, row.status, row.after)
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// At the end, idle connections go at once, requests under way get two seconds.
func TestShutdown(t *testing.T) {
	for _, row := range []struct {
		needs, takes time.Duration
		seats        int
	}{{time.Second, time.Second, 3}, {time.Hour, 2 * time.Second, 3}, {time.Hour, 2 * time.Second, 2}} {
		synctest.Test(t, func(t *testing.T) {
			l := &pipes{make(chan net.Conn), make(chan struct{})}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			s := &localhttp.Server{MaxConns: row.seats, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-time.After(row.needs):
					_, _ = io.WriteString(w, "done")
				case <-r.Context().Done():
				}
			})}
			go func() { ended <- s.Serve(ctx, l) }()
			idle, busy := l.dial(), l.dial()
			defer func() { _ = idle.Close() }()
			fmt.Fprint(busy, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			answer := make(chan string)
			go func() {
				all, _ := io.ReadAll(busy)
				answer <- string(all)
			}()
			synctest.Wait()
			began := time.Now()
			cancel()
			if _, err := idle.Read(make([]byte, 1)); err != io.EOF || time.Since(began) != 0 {
				t.Errorf("idle: got %v after %v", err, time.Since(began))
			}
			got := <-answer
			if err := <-ended; err != nil || time.Since(began) != row.takes || strings.HasSuffix(got, "done") != (row.needs < 2*time.Second) {
				t.Errorf("needs %v: got %q, %v after %v; want the end after %v", row.needs, got, err, time.Since(began), row.takes)
			}
		})
	}
}

// One caller more than there are seats waits until one leaves.
func TestSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{make(chan net.Conn), make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- (&localhttp.Server{MaxConns: 2, Handler: http.HandlerFunc(echo)}).Serve(ctx, l) }()
		first, second := l.dial(), l.dial()
		third := make(chan net.Conn)
		go func() { third <- l.dial() }()
		synctest.Wait()
		select {
		case <-third:
			t.Error("a third was accepted beside two")
		default:
		}
		_ = first.Close()
		_ = (<-third).Close()
		_ = second.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
