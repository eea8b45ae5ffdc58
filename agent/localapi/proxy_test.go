package localapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"mooring/agent/localapi"
)

// platform is a server that takes token-2 only, and tells what it was asked.
func platform(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-2" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/cut":
			_, _ = io.WriteString(w, strings.Repeat("x", 50_000))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler) // net/http's way to end in the middle
		case "/wait":
			_, _ = io.WriteString(w, "first")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Answer", "yes")
		w.Header().Set("Set-Cookie", "a=b")
		fmt.Fprintf(w, "%s %s %d cookie=%q te=%q own=%q", r.Method, r.URL.RequestURI(), n, r.Header.Get("Cookie"), r.Header.Get("Te"), r.Header.Get("X-Own"))
	}))
	t.Cleanup(s.Close)
	return s
}

func startProxy(t *testing.T, d *device, s *httptest.Server, rules ...string) *rig {
	return serving(t, func(log *slog.Logger) server {
		return localapi.NewProxy(d, policy(t, rules...), s.Listener.Addr().String(), s.Client().Transport, log)
	})
}

// A request passes with the token, and again with a fresh one if the first was
// refused.
func TestProxy(t *testing.T) {
	d := newDevice(t)
	r := startProxy(t, d, platform(t), everybody())
	request, err := http.NewRequestWithContext(t.Context(), "PUT", "http://localhost/inventory/managedObjects/1%2F2?a=b", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {"Basic x"}, "Cookie": {"c=d"}, "Te": {"trailers"}, "Connection": {"X-Own"}, "X-Own": {"1"}}
	answer, err := r.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	if want := `PUT /inventory/managedObjects/1%2F2?a=b 4 cookie="" te="" own=""`; string(text) != want || answer.Header.Get("X-Answer") != "yes" || answer.Header.Get("Set-Cookie") != "" {
		t.Errorf("got %s %v", text, answer.Header)
	}
	if len(d.forgotten) != 1 || d.forgotten[0] != "token-1" {
		t.Errorf("forgotten: %q", d.forgotten)
	}
	// The call is logged after its answer.
	if log := r.log.with(t, fmt.Sprintf("uid=%d gid=%d pid=%d", os.Getuid(), os.Getgid(), os.Getpid())); strings.Contains(log, "token-") {
		t.Errorf("log: %s", log)
	}
}

// A body is sent again as far as it was kept: beyond 64 KiB the caller hears
// 401, and the next request has the fresh token.
func TestProxyReplay(t *testing.T) {
	for _, row := range []struct{ size, status int }{{64<<10 - 1, 200}, {64 << 10, 200}, {64<<10 + 1, 401}} {
		r := startProxy(t, newDevice(t), platform(t), everybody())
		body := strings.Repeat("x", row.size)
		if status, text := r.call("POST", "/a", body); status != row.status {
			t.Errorf("%d bytes: got %d %s", row.size, status, text)
		}
		if status, text := r.call("POST", "/a", body); status != 200 || !strings.HasPrefix(text, fmt.Sprintf("POST /a %d ", row.size)) {
			t.Errorf("%d bytes again: got %d %s", row.size, status, text)
		}
	}
}

// A body in chunks may have none.
func TestProxyEmptyChunked(t *testing.T) {
	r := startProxy(t, newDevice(t), platform(t), everybody())
	nc, err := net.Dial("unix", r.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	_, _ = io.WriteString(nc, "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != 200 || !strings.HasPrefix(string(text), "POST /a 0 ") {
		t.Errorf("got %d %s", answer.StatusCode, text)
	}
}

// An answer reaches the caller as it comes; one that is cut does not look
// whole; and who hangs up ends the server's work.
func TestProxyStreams(t *testing.T) {
	r := startProxy(t, newDevice(t), platform(t), everybody())
	answer := r.open("GET", "/wait", "")
	got := make([]byte, 5)
	if _, err := io.ReadFull(answer.Body, got); err != nil || string(got) != "first" {
		t.Errorf("got %q, %v", got, err)
	}
	_ = answer.Body.Close() // or the platform would not end
	answer = r.open("GET", "/cut", "")
	if text, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("got %d bytes as if they were all", len(text))
	}
}

// What the proxy is not for.
func TestProxyRefuses(t *testing.T) {
	d := newDevice(t)
	p := platform(t)
	unix := startProxy(t, d, p, everybody())
	for request, want := range map[string]string{
		"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n":                      "leads to one server",
		"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n":                          "leads to one server",
		"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n": "do not pass",
	} {
		nc, err := net.Dial("unix", unix.path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = nc.Close() }()
		_, _ = io.WriteString(nc, request)
		answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(answer.Body); answer.StatusCode != 400 || !strings.Contains(string(text), want) {
			t.Errorf("%q: got %d %s", request, answer.StatusCode, text)
		}
	}
	d.fail = errAway
	if status, text := unix.call("GET", "/", ""); status != 503 {
		t.Errorf("without token: got %d %s", status, text)
	}
	d.fail = nil
	p.Close()
	if status, text := unix.call("GET", "/", ""); status != 503 || !strings.Contains(text, "not reached") {
		t.Errorf("without server: got %d %s", status, text)
	}
}

// On the loopback, a web page in a browser is not a program of the device.
func TestProxyOnLoopback(t *testing.T) {
	p := platform(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	proxy := localapi.NewProxy(newDevice(t), policy(t), p.Listener.Addr().String(), p.Client().Transport, slog.New(slog.DiscardHandler))
	go func() { ended <- proxy.Serve(ctx, l) }()
	defer func() { cancel(); <-ended }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, row := range []struct {
		host, origin string
		status       int
	}{
		{"localhost:" + port, "", 200}, {"127.0.0.1", "", 200}, {"[::1]:" + port, "", 200}, {"[::1]", "", 200},
		{"evil.example:" + port, "", 403}, {"10.0.0.1", "", 403}, {"localhost.evil.example", "", 403},
		{"localhost", "https://evil.example", 403},
	} {
		request, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.Addr().String()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = row.host
		if row.origin != "" {
			request.Header.Set("Origin", row.origin)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != row.status {
			t.Errorf("%+v: got %d", row, answer.StatusCode)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
