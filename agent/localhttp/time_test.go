package localhttp_test

import (
	"bufio"
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
	"mooring/internal/pipetest"
)

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
				l := pipetest.New()
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- (&localhttp.Server{Handler: http.HandlerFunc(echo)}).Serve(ctx, l) }()
				nc := l.Dial()
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
			l := pipetest.New()
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
			idle, busy := l.Dial(), l.Dial()
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
		l := pipetest.New()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- (&localhttp.Server{MaxConns: 2, Handler: http.HandlerFunc(echo)}).Serve(ctx, l) }()
		first, second := l.Dial(), l.Dial()
		third := make(chan net.Conn)
		go func() { third <- l.Dial() }()
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

// half is a connection whose sending side can be closed alone, as a socket's.
type half struct{ net.Conn }

func (half) CloseWrite() error { return nil }

// Who still sends when its answer has come may do so for half a second and 64 KiB.
func TestLinger(t *testing.T) {
	for _, row := range []struct {
		pause time.Duration
		bytes int
		taken bool
	}{
		{0, 1, true}, {499 * time.Millisecond, 1, true}, {501 * time.Millisecond, 1, false},
		{0, 64<<10 - 1, true}, {0, 64 << 10, true}, {0, 64<<10 + 1, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := pipetest.New()
			l.Wrap = func(nc net.Conn) net.Conn { return half{nc} }
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
			go func() { ended <- (&localhttp.Server{Handler: http.HandlerFunc(refuse)}).Serve(ctx, l) }()
			nc := l.Dial()
			fmt.Fprint(nc, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
			if res, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil || res.StatusCode != http.StatusForbidden {
				t.Fatalf("got %+v, %v", res, err)
			}
			time.Sleep(row.pause)
			if _, err := nc.Write(make([]byte, row.bytes)); (err == nil) != row.taken {
				t.Errorf("%d bytes after %v: %v, want them taken: %v", row.bytes, row.pause, err, row.taken)
			}
			_ = nc.Close()
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
