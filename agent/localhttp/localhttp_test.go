package localhttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"mooring/agent/localhttp"
)

// serving starts s on a socket and returns what dials it. The server has ended
// when the test has.
func serving(t *testing.T, s *localhttp.Server) func() net.Conn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return func() net.Conn {
		t.Helper()
		nc, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		return nc
	}
}

func client(dial func() net.Conn) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return dial(), nil }}}
}

// echo answers with the method and the body, or why it could not be read.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, body)
}

// A client of net/http is answered on one connection, whatever shape request
// and answer have.
func TestOneConnection(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	dial := serving(t, &localhttp.Server{MaxConns: 1, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ignores-body":
			w.WriteHeader(http.StatusNoContent)
		case "/long":
			_, _ = io.WriteString(w, long)
		case "/stated":
			w.Header().Set("Content-Length", "3")
			_, _ = io.WriteString(w, "abc")
		default:
			echo(w, r)
		}
	})})
	c := client(dial)
	for _, row := range []struct{ method, path, body, want string }{
		{"GET", "/", "", "GET / "},
		{"POST", "/a", "body", "POST /a body"},
		{"PUT", "/b", long, "PUT /b " + long},
		{"POST", "/ignores-body", "unread", ""},
		{"GET", "/long", "", long},
		{"GET", "/stated", "", "abc"},
		{"HEAD", "/long", "", ""},
		{"GET", "/after", "", "GET /after "},
	} {
		var body io.Reader
		if row.body != "" {
			body = io.MultiReader(strings.NewReader(row.body)) // of unknown length: sent in chunks
		}
		r, err := http.NewRequestWithContext(t.Context(), row.method, "http://x"+row.path, body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.Do(r)
		if err != nil {
			t.Fatalf("%s %s: %v", row.method, row.path, err)
		}
		got, err := io.ReadAll(answer.Body)
		if err != nil || string(got) != row.want {
			t.Errorf("%s %s: got %.40q of %d, %v", row.method, row.path, got, len(got), err)
		}
	}
}

// What is sent as bytes is answered as bytes.
func TestWire(t *testing.T) {
	dial := serving(t, &localhttp.Server{MaxHeader: 60, MaxBody: 4, Handler: http.HandlerFunc(echo)})
	header := func(n int) string { // a request with a header of n bytes
		const fixed = len("GET / HTTP/1.1\r\nHost: x\r\nA: \r\n\r\n")
		return "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", n-fixed) + "\r\n\r\n"
	}
	post := func(body string) string {
		return fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	for name, row := range map[string]struct{ send, status, contains string }{
		"header n-1":        {header(59), "200", "GET / "},
		"header n":          {header(60), "200", "GET / "},
		"header n+1":        {header(61), "431", "Connection: close"},
		"no end of header":  {"GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 100_000), "431", ""},
		"body n-1":          {post("abc"), "200", "POST / abc"},
		"body n":            {post("abcd"), "200", "POST / abcd"},
		"body n+1":          {post("abcde"), "413", ""},
		"not HTTP":          {"hello\r\n\r\n", "400", ""},
		"a TLS hello":       {"\x16\x03\x01\x00\xf0\x01\r\n\r\n", "400", ""},
		"HTTP/1.0":          {"GET / HTTP/1.0\r\n\r\n", "200", "Connection: close"},
		"close":             {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200", "Connection: close"},
		"two lengths":       {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "431", ""}, // 60 bytes of header do not reach the end
		"blank in a name":   {"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", "400", "Connection: close"},
		"control in value":  {"GET / HTTP/1.1\r\nHost: x\r\nA: \x01b\r\n\r\n", "400", "Connection: close"},
		"tab in value":      {"GET / HTTP/1.1\r\nHost: x\r\nA: b\tc\r\n\r\n", "200", "GET / "},
		"a head of nothing": {"\r\n\r\n", "400", ""},
	} {
		t.Run(name, func(t *testing.T) {
			nc := dial()
			go func() { _, _ = io.WriteString(nc, row.send) }() // the server may stop reading
			answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			_ = answer.Header.Write(&text)
			if answer.Close {
				text.WriteString("Connection: close\n")
			}
			body, _ := io.ReadAll(answer.Body)
			text.Write(body)
			if got := answer.Status[:3]; got != row.status || !strings.Contains(text.String(), row.contains) {
				t.Errorf("got %s %q; want %s with %q", got, text.String(), row.status, row.contains)
			}
		})
	}
}

// A caller that waits for "100 Continue" is told to go on when its body is
// wanted.
func TestExpect(t *testing.T) {
	dial := serving(t, &localhttp.Server{Handler: http.HandlerFunc(echo)})
	nc := dial()
	in := bufio.NewReader(nc)
	fmt.Fprint(nc, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
	if line, err := in.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	_, _ = in.ReadString('\n')
	fmt.Fprint(nc, "ab")
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(answer.Body); string(body) != "POST / ab" {
		t.Errorf("got %q, %v", body, err)
	}
}

// A stream reaches the caller piece by piece, and its hanging up ends it.
func TestStream(t *testing.T) {
	pieces, ended := make(chan string), make(chan error, 1)
	dial := serving(t, &localhttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			select {
			case p := <-pieces:
				_, _ = io.WriteString(w, p)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				ended <- r.Context().Err()
				return
			}
		}
	})})
	nc := dial()
	fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	pieces <- "one"
	answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	for _, want := range []string{"one", "two"} {
		if want == "two" {
			pieces <- want
		}
		if _, err := io.ReadFull(answer.Body, got); err != nil || string(got) != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	_ = nc.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// An answer shorter or longer than it said ends the connection: nothing after
// it could be understood.
func TestWrongLength(t *testing.T) {
	for name, text := range map[string]string{"short": "ab", "long": "abcd"} {
		dial := serving(t, &localhttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			_, _ = io.WriteString(w, text)
		})})
		nc := dial()
		fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		all, err := io.ReadAll(nc)
		if err != nil || strings.HasSuffix(string(all), "abcd") {
			t.Errorf("%s: got %q, %v; want an end", name, all, err)
		}
	}
}

// Routes tell an unknown path from a wrong method.
func TestRoutes(t *testing.T) {
	c := client(serving(t, &localhttp.Server{Handler: localhttp.Routes{"GET /a": echo, "POST /a": echo}}))
	for call, want := range map[string]string{"GET /a": "200 ", "POST /a": "200 ", "PUT /a": "405 GET,POST", "GET /b": "404 ", "GET /a/": "404 "} {
		method, path, _ := strings.Cut(call, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, "http://x"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if got := fmt.Sprint(answer.StatusCode, " ", strings.Join(answer.Header["Allow"], ",")); got != want {
			t.Errorf("%s: got %q, want %q", call, got, want)
		}
	}
}
