package agent_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mooring/agent"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/servertest"
)

// Other commands speak to a running agent through its socket.
func TestSocket(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	d := newRig(t, s, "dev1")
	dir := t.TempDir()
	remote := agent.Dial(dir)
	if _, err := remote.Status(t.Context()); !agent.NotRunning(err) {
		t.Errorf("nobody runs: got %v", err)
	}
	d.start()
	defer func() { _ = d.stop() }()
	l, err := agent.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(filepath.Join(dir, "agent.sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: got %v, %v; want mode 0600", info.Mode(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- d.agent.Serve(ctx, l) }()

	if _, _, err := remote.Token(t.Context()); !errors.Is(err, problem.Conflict) || agent.Hint(err) == "" {
		t.Errorf("token without identity: got %v, hint %q", err, agent.Hint(err))
	}
	short, stop := context.WithTimeout(t.Context(), 900*time.Millisecond)
	defer stop()
	if _, err := remote.Enrol(short, secret.New("not-registered-yet")); !errors.Is(err, problem.Unavailable) || !strings.Contains(agent.Hint(err), "OTP") {
		t.Errorf("enrol unregistered: got %v, hint %q", err, agent.Hint(err))
	}
	s.Register("dev1", "the-right-password")
	first, err := remote.Enrol(t.Context(), secret.New("the-right-password"))
	if err != nil {
		t.Fatal(err)
	}
	if _, claims, err := remote.Token(t.Context()); err != nil || claims.Subject != "device_dev1" {
		t.Errorf("token: got %+v, %v", claims, err)
	}
	if err := remote.Publish(t.Context(), []string{"200,c8y_Temperature,T,1,C", "200,c8y_Temperature,T,2,C"}); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]string{nil, {""}, {`200,"a`}} {
		if err := remote.Publish(t.Context(), bad); !errors.Is(err, problem.Invalid) {
			t.Errorf("publish %q: got %v", bad, err)
		}
	}
	second, err := remote.Renew(t.Context())
	if err != nil || second.Serial == first.Serial {
		t.Errorf("renew: got %+v, %v", second, err)
	}
	if got, err := remote.Status(t.Context()); err != nil || got.Serial != second.Serial || got.State != "valid" {
		t.Errorf("status: got %+v, %v", got, err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := remote.Status(t.Context()); !agent.NotRunning(err) {
		t.Errorf("stopped: got %v", err)
	}
}

// What is no call gets an error and nothing else happens.
func TestSocketBadCalls(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	d := newRig(t, s, "dev1")
	d.start()
	defer func() { _ = d.stop() }()
	dir := t.TempDir()
	l, err := agent.Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- d.agent.Serve(ctx, l) }()
	for _, tt := range []struct{ name, call, want string }{
		{"no JSON", "POST /publish HTTP/1.0\r\nContent-Length: 1\r\n\r\n{", "422"},
		{"too long", "POST /publish HTTP/1.0\r\nContent-Length: 131073\r\n\r\n" + strings.Repeat("x", 128<<10+1), "422"},
		{"unknown path", "GET / HTTP/1.0\r\n\r\n", "404"},
		{"wrong method", "GET /renew HTTP/1.0\r\n\r\n", "405"},
		{"no HTTP", "hello\r\n\r\n", "400"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := net.Dial("unix", filepath.Join(dir, "agent.sock"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			go func() { _, _ = c.Write([]byte(tt.call)) }()
			buf := make([]byte, 64)
			n, _ := c.Read(buf)
			if !strings.Contains(string(buf[:n]), " "+tt.want+" ") {
				t.Errorf("got %q, want %s", buf[:n], tt.want)
			}
		})
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
