package dial_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/dial"
)

func port(t *testing.T, addr string) string {
	t.Helper()
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func remoteHost(c net.Conn) string {
	host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
	return host
}

// TestIPv6 dials literals and names over both protocols.
func TestIPv6(t *testing.T) {
	for _, addr := range []string{"[::1]:0", "127.0.0.1:0"} {
		for _, d := range []*dial.Dialer{dial.New(dial.Config{}), through(t, "http://"+connectProxy(t), "u:"+password)} {
			c, err := d.DialContext(t.Context(), "tcp", echo(t, addr))
			if err != nil {
				t.Fatal(err)
			}
			talk(t, c)
		}
	}
}

// TestAddresses: the first that answers is used and stays in use, until it
// fails or does not serve.
func TestAddresses(t *testing.T) {
	second := echo(t, "127.0.0.3:0")
	p := port(t, second)
	d := dial.New(dial.Config{Server: "t1000.example.com", Addresses: []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}})
	reached := func(want string) {
		t.Helper()
		c, err := d.DialContext(t.Context(), "tcp", "t1000.example.com:"+p)
		if err != nil {
			t.Fatal(err)
		}
		talk(t, c)
		if got := remoteHost(c); got != want || d.Hosts()[0] != want {
			t.Errorf("reached %s, want %s; hosts %v", got, want, d.Hosts())
		}
	}
	reached("127.0.0.3")
	echo(t, "127.0.0.2:"+p)
	reached("127.0.0.3") // although the first is back
	echo(t, "127.0.0.4:"+p)
	d.Avoid()
	reached("127.0.0.4")
	d.Avoid()
	reached("127.0.0.2")
	if got := d.Hosts(); !slices.Equal(got, []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}) {
		t.Errorf("hosts %v", got)
	}
	// Other names have nothing to do with it.
	c, err := d.DialContext(t.Context(), "tcp", second)
	if err != nil {
		t.Fatal(err)
	}
	talk(t, c)
}

// TestDeadAddresses: each gets its share of the time, so that one which
// swallows everything does not use it up; in the end all errors are there.
func TestDeadAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tried []string
		d := dial.New(dial.Config{Server: "s", Addresses: []string{"a", "b", "c"},
			Direct: func(ctx context.Context, _, addr string) (net.Conn, error) {
				tried = append(tried, addr)
				if addr == "c:1" {
					return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}})
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		_, err := d.DialContext(ctx, "tcp", "s:1")
		if _, ok := errors.AsType[*net.OpError](err); !ok || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begin); took != 8*time.Second || !slices.Equal(tried, []string{"a:1", "b:1", "c:1"}) {
			t.Errorf("took %v for %v, want 4 s each for the first two", took, tried)
		}
		tried = nil
		begin = time.Now()
		if _, err := d.DialContext(t.Context(), "tcp", "s:1"); err == nil || time.Since(begin) != 20*time.Second {
			t.Errorf("without a limit: %v after %v, want 10 s each", err, time.Since(begin))
		}
	})
}

// TestProxyDownStops: a proxy that is away is away for each address.
func TestProxyDownStops(t *testing.T) {
	p, err := dial.ParseProxy("http://proxy:1")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	d := dial.New(dial.Config{Server: "s", Addresses: []string{"a", "b", "c"}, Proxy: p,
		Direct: func(context.Context, string, string) (net.Conn, error) { n++; return nil, io.ErrUnexpectedEOF }})
	if _, err := d.DialContext(t.Context(), "tcp", "s:1"); !errors.Is(err, io.ErrUnexpectedEOF) || n != 1 {
		t.Errorf("%v after %d attempts", err, n)
	}
}
