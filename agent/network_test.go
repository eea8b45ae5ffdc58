package agent_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/internal/durable"
	"mooring/server/servertest"
)

// proxied counts what goes through a proxy.
type proxied struct {
	server *servertest.Server
	status string // of its answers; empty lets through

	mu      sync.Mutex
	targets map[string]int
}

// dial reaches nothing but the proxy.
func (p *proxied) dial(_ context.Context, _, addr string) (net.Conn, error) {
	if addr != "proxy.test:3128" {
		return nil, &net.OpError{Op: "dial", Err: io.ErrNoProgress}
	}
	a := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 3128}
	client, inner := servertest.Pipe(a, a)
	go p.serve(inner)
	return client, nil
}

func (p *proxied) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	p.mu.Lock()
	status := p.status
	p.targets[r.RequestURI]++
	p.mu.Unlock()
	if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("u:s3cr3t")) {
		status = "407 Who"
	}
	if status != "" {
		_, _ = io.WriteString(c, "HTTP/1.1 "+status+"\r\n\r\n")
		return
	}
	s, err := p.server.Network.DialContext(context.Background(), "tcp", r.RequestURI)
	if err != nil {
		return
	}
	defer s.Close()
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(s, in); _ = s.Close() }()
	_, _ = io.Copy(c, s)
}

// TestThroughProxy: EST, MQTT and the questions over HTTPS all go through the
// proxy; what it refuses is said, and it is no reason to give up.
func TestThroughProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{})
		p := &proxied{server: s, targets: map[string]int{}}
		d := newRig(t, s, "dev1")
		d.network = p.dial
		d.edit = func(c *config.Config) {
			c.Proxy = config.Proxy{URL: "http://proxy.test:3128", Credentials: state + "/proxy"}
		}
		if err := durable.WriteFile(d.disk, state+"/proxy", []byte("u:s3cr3t\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Register("dev1", "the-right-password")
		d.start()
		d.enrol("the-right-password")
		d.until("valid", valid)
		d.renew()
		d.until("valid", valid)
		p.mu.Lock()
		for _, target := range []string{servertest.HTTPS, servertest.MTLS, servertest.MQTTS} {
			if p.targets[target] == 0 {
				t.Errorf("%s was not reached through the proxy: %v", target, p.targets)
			}
		}
		p.status = "403 Forbidden"
		p.mu.Unlock()
		s.Stop()
		s.Start()
		refused := d.until("refused by the proxy", func(s agent.Status) bool { return s.LastError != nil && s.LastError.Reason == "proxy" })
		if !strings.Contains(refused.LastError.Detail, "403") || strings.Contains(refused.LastError.Detail, "s3cr3t") {
			t.Errorf("got %+v", refused.LastError)
		}
		p.mu.Lock()
		p.status = ""
		p.mu.Unlock()
		d.until("valid again", valid)
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestFailOver: of three addresses one is dead, one takes connections and does
// not serve them, one works; when that dies, another one takes over.
func TestFailOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{})
		var mu sync.Mutex
		good := "192.0.2.3"
		d := newRig(t, s, "dev1")
		d.network = func(ctx context.Context, network, addr string) (net.Conn, error) {
			host, _, _ := net.SplitHostPort(addr)
			mu.Lock()
			defer mu.Unlock()
			switch host {
			case good:
				return s.Network.DialContext(ctx, network, addr)
			case "192.0.2.2": // a balancer without server
				a := &net.TCPAddr{IP: net.ParseIP(host)}
				client, inner := servertest.Pipe(a, a)
				go func() { _, _ = io.Copy(io.Discard, inner) }()
				return client, nil
			}
			return nil, &net.OpError{Op: "dial", Err: io.ErrNoProgress}
		}
		d.edit = func(c *config.Config) { c.Addresses = []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} }
		s.Register("dev1", "the-right-password")
		d.start()
		d.enrol("the-right-password")
		d.until("valid", valid)
		mu.Lock()
		good = "192.0.2.1"
		mu.Unlock()
		s.Stop()
		time.Sleep(time.Minute)
		s.Start()
		d.until("valid by another address", valid)
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
}
