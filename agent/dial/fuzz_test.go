package dial_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"mooring/agent/dial"
)

// spoken is a connection on which a proxy has said all it will.
type spoken struct {
	net.Conn
	io.Reader
}

// Read implements net.Conn.
func (s spoken) Read(p []byte) (int, error) { return s.Reader.Read(p) }

// Write implements net.Conn.
func (spoken) Write(p []byte) (int, error) { return len(p), nil }

// Close implements net.Conn.
func (spoken) Close() error { return nil }

// FuzzAnswer: whatever a proxy says, there is a connection that begins right
// behind the header, or an error that names the proxy.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200\r\nVia: x\r\n\r\nrest", "HTTP/1.1 407 \r\n\r\n", "HTTP/1.1 20", "HTTP/1.1\r\n\r\n", "<html>", "\x05\xff", ""} {
		f.Add(s)
	}
	p, err := dial.ParseProxy("http://p:1")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, said string) {
		d := dial.New(dial.Config{Proxy: p, Direct: func(context.Context, string, string) (net.Conn, error) {
			return spoken{Reader: strings.NewReader(said)}, nil
		}})
		c, err := d.DialContext(t.Context(), "tcp", "example.com:443")
		if err != nil {
			if _, ok := errors.AsType[*dial.ProxyError](err); !ok || !strings.Contains(err.Error(), "http://p:1") {
				t.Errorf("%q: %v", said, err)
			}
			return
		}
		rest, _ := io.ReadAll(c)
		if head, want, _ := strings.Cut(said, "\r\n\r\n"); string(rest) != want || !strings.HasPrefix(head, "HTTP/1.") {
			t.Errorf("%q leaves %q", said, rest)
		}
	})
}

// FuzzProxy: settings of proxies and exceptions from people and environments.
func FuzzProxy(f *testing.F) {
	f.Add("http://u:p@proxy:3128", "a,.b,*.c,10.0.0.0/8,[::1]:443,*")
	f.Add("socks5h://[::1]", "x:y:z")
	f.Fuzz(func(t *testing.T, text, except string) {
		p, err := dial.ParseProxy(text)
		if err != nil {
			return
		}
		again, err := dial.ParseProxy(p.String())
		if err != nil || again.Addr() != p.Addr() {
			t.Errorf("%q is %s, which is %v, %v", text, p, again, err)
		}
		q, err := p.Except(strings.Split(except, ","))
		if err != nil {
			return
		}
		q.Bypassed("example.com:443")
		q.Bypassed(except)
	})
}
