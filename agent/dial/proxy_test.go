package dial_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"mooring/agent/dial"
	"mooring/internal/secret"
)

const password = "p:w-s3cr3t"

// echo is a server that says hello to whoever comes and then repeats what it
// is told.
func echo(t *testing.T, addr string) string {
	t.Helper()
	return serve(t, addr, func(c net.Conn) {
		_, _ = io.WriteString(c, "hello ")
		_, _ = io.Copy(c, c)
	})
}

func serve(t *testing.T, addr string, do func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				do(c)
			}()
		}
	}()
	return l.Addr().String()
}

// connectProxy is a proxy for CONNECT that wants user "u" and the password.
func connectProxy(t *testing.T) string {
	t.Helper()
	return serve(t, "127.0.0.1:0", func(c net.Conn) {
		in := bufio.NewReader(c)
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+password))
		if r.Method != http.MethodConnect || r.Host != r.RequestURI || r.Header.Get("Proxy-Authorization") != want {
			_, _ = io.WriteString(c, "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic\r\n\r\n<html>")
			return
		}
		s, err := net.Dial("tcp", r.RequestURI)
		if err != nil {
			_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
			return
		}
		defer s.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\nVia: 1.1 x\r\n\r\n")
		go func() { _, _ = io.Copy(s, in) }()
		_, _ = io.Copy(c, s)
	})
}

func answering(t *testing.T, text string) string {
	t.Helper()
	return serve(t, "127.0.0.1:0", func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, text)
		}
	})
}

// silent takes connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	return serve(t, "127.0.0.1:0", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
}

func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func through(t *testing.T, url string, credentials string) *dial.Dialer {
	t.Helper()
	p, err := dial.ParseProxy(url)
	if err != nil {
		t.Fatal(err)
	}
	if credentials != "" {
		if p, err = p.WithCredentials(secret.New(credentials)); err != nil {
			t.Fatal(err)
		}
	}
	return dial.New(dial.Config{Proxy: p})
}

// talk proves that nothing of the stream is lost or added, in both directions.
func talk(t *testing.T, c net.Conn) {
	t.Helper()
	defer c.Close()
	if _, err := io.WriteString(c, "device"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len("hello device"))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello device" {
		t.Errorf("through the proxy: %q, %v", got, err)
	}
}

func TestConnect(t *testing.T) {
	target := echo(t, "127.0.0.1:0")
	c, err := through(t, "http://"+connectProxy(t), "u:"+password).DialContext(t.Context(), "tcp", target)
	if err != nil {
		t.Fatal(err)
	}
	talk(t, c)
}

// TestProxyFaults names each way in which a proxy fails.
func TestProxyFaults(t *testing.T) {
	server, nowhere := echo(t, "127.0.0.1:0"), closed(t)
	tests := []struct {
		name        string
		proxy       string
		credentials string
		target      string
		want        dial.Fault
		status      int
	}{
		{"not there", "http://" + closed(t), "", server, dial.Unreachable, 0},
		{"no credentials", "http://" + connectProxy(t), "", server, dial.Authentication, 407},
		{"wrong credentials", "http://" + connectProxy(t), "u:wrong", server, dial.Authentication, 407},
		{"server away", "http://" + connectProxy(t), "u:" + password, nowhere, dial.NoWay, 502},
		{"forbidden", "http://" + answering(t, "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<html>policy"), "", server, dial.Refused, 403},
		{"login page", "http://" + answering(t, "HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n"), "", server, dial.Refused, 302},
		{"web server", "http://" + answering(t, "HTTP/1.1 405 Method Not Allowed\r\n\r\n"), "", server, dial.NoProxy, 405},
		{"HTML", "http://" + answering(t, "<html>not HTTP</html>\r\n\r\n"), "", server, dial.NoProxy, 0},
		{"other protocol", "http://" + answering(t, "220 mail.example.com ESMTP\r\n\r\n"), "", server, dial.NoProxy, 0},
		{"strange status", "http://" + answering(t, "HTTP/1.1 2 OK\r\n\r\n"), "", server, dial.NoProxy, 0},
		{"HTTP/2", "http://" + answering(t, "HTTP/2 200 OK\r\n\r\n"), "", server, dial.NoProxy, 0},
		{"hangs up", "http://" + answering(t, ""), "", server, dial.NoProxy, 0},
		{"cut off", "http://" + answering(t, "HTTP/1.1 200 OK\r\nVia"), "", server, dial.NoProxy, 0},
		{"endless header", "http://" + answering(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 17<<10)), "", server, dial.NoProxy, 0},
		{"silent", "http://" + silent(t), "", server, dial.Silent, 0},
		{"plain server for https", "https://" + answering(t, "HTTP/1.1 200 OK\r\n\r\n"), "", server, dial.NoProxy, 0},
		{"silent SOCKS", "socks5://" + silent(t), "", server, dial.Silent, 0},
		{"no SOCKS", "socks5://" + serve(t, "127.0.0.1:0", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }), "", server, dial.NoProxy, 0},
		{"SOCKS not there", "socks5://" + closed(t), "", server, dial.Unreachable, 0},
		{"SOCKS without credentials", "socks5://" + socksProxy(t, 0), "", server, dial.Authentication, 0},
		{"SOCKS, wrong credentials", "socks5://" + socksProxy(t, 0), "u:wrong", server, dial.Authentication, 0},
		{"SOCKS ruleset", "socks5://" + socksProxy(t, 2), "u:" + password, server, dial.Refused, 0},
		{"SOCKS, server away", "socks5://" + socksProxy(t, 5), "u:" + password, nowhere, dial.NoWay, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			limit := 10 * time.Second
			if tt.want == dial.Silent {
				limit = 200 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			c, err := through(t, tt.proxy, tt.credentials).DialContext(ctx, "tcp", tt.target)
			if err == nil {
				c.Close()
				t.Fatal("connected")
			}
			got, ok := errors.AsType[*dial.ProxyError](err)
			if !ok || got.Fault != tt.want || got.Status != tt.status {
				t.Errorf("%v (%+v), want fault %s, status %d", err, got, tt.want, tt.status)
			}
			if strings.Contains(err.Error(), "s3cr3t") || !strings.Contains(err.Error(), tt.proxy) {
				t.Errorf("error %q, want the proxy in it and no password", err)
			}
		})
	}
}

// TestHeaderLimit: 16 KiB of header are read, and one byte more is not.
func TestHeaderLimit(t *testing.T) {
	const head, end = "HTTP/1.1 200 OK\r\nX: ", "\r\n\r\n"
	for _, size := range []int{16<<10 - 1, 16 << 10, 16<<10 + 1} {
		text := head + strings.Repeat("x", size-len(head)-len(end)) + end
		c, err := through(t, "http://"+answering(t, text+"hello device"), "").DialContext(t.Context(), "tcp", "example.com:1")
		if ok := err == nil; ok != (size <= 16<<10) {
			t.Errorf("%d bytes of header: %v", size, err)
		}
		if err == nil {
			got, _ := io.ReadAll(c)
			if c.Close(); string(got) != "hello device" {
				t.Errorf("after %d bytes: %q", size, got)
			}
		}
	}
}

// socksProxy wants user "u" and the password, and answers reply to CONNECT.
func socksProxy(t *testing.T, reply byte) string {
	t.Helper()
	return serve(t, "127.0.0.1:0", func(c net.Conn) {
		head := make([]byte, 2)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		methods := make([]byte, head[1])
		if _, err := io.ReadFull(c, methods); err != nil || !strings.Contains(string(methods), "\x02") {
			_, _ = c.Write([]byte{5, 0xff})
			return
		}
		_, _ = c.Write([]byte{5, 2})
		in := bufio.NewReader(c)
		var got [2]string
		_, _ = in.ReadByte()
		for i := range got {
			n, err := in.ReadByte()
			if err != nil {
				return
			}
			text := make([]byte, n)
			if _, err := io.ReadFull(in, text); err != nil {
				return
			}
			got[i] = string(text)
		}
		if got != [2]string{"u", password} {
			_, _ = c.Write([]byte{1, 1})
			return
		}
		_, _ = c.Write([]byte{1, 0})
		_, _ = io.CopyN(io.Discard, in, 10)
		_, _ = c.Write([]byte{5, reply, 0, 1, 0, 0, 0, 0, 0, 0})
	})
}

func TestParseProxy(t *testing.T) {
	tests := []struct{ in, want string }{
		{"http://proxy.example.com:3128", "http://proxy.example.com:3128"},
		{"proxy.example.com:3128", "http://proxy.example.com:3128"},
		{"http://proxy", "http://proxy:80"},
		{"https://proxy/", "https://proxy:443"},
		{"socks5://[::1]", "socks5://[::1]:1080"},
		{"socks5h://u:" + password + "@127.0.0.1:9", "socks5://127.0.0.1:9"},
		{"http://u:" + password + "@proxy:65535", "http://proxy:65535"},
		{"http://proxy:65536", ""}, {"http://proxy:0", ""}, {"ftp://proxy", ""}, {"http://", ""}, {"", ""},
		{"http://proxy/path", ""}, {"http://proxy?x", ""}, {"http://u:" + password + "@pro xy", ""}, {"http://proxy:x" + password, ""},
	}
	for _, tt := range tests {
		p, err := dial.ParseProxy(tt.in)
		if got := ""; err == nil {
			got = p.String()
			if got != tt.want || strings.Contains(fmt.Sprintf("%v %+v %#v %s", p, p, p, p), "s3cr3t") {
				t.Errorf("%q: got %v, want %q", tt.in, p, tt.want)
			}
		} else if tt.want != "" || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %v, want %q", tt.in, err, tt.want)
		}
	}
	p, _ := dial.ParseProxy("http://p")
	for _, text := range []string{"", "user", ":pw"} {
		if _, err := p.WithCredentials(secret.New(text)); err == nil {
			t.Errorf("credentials %q are taken", text)
		}
	}
}
