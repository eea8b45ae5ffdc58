package agent_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/agent/config"
	"mooring/internal/pki"
	"mooring/server/servertest"
)

// neighbour is another program on the device.
type neighbour struct {
	t    *testing.T
	http *http.Client
}

func newNeighbour(t *testing.T, socket string) neighbour {
	t.Helper()
	return neighbour{t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}}
}

func (n neighbour) open(method, target, body string) *http.Response {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), method, "http://localhost"+target, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	answer, err := n.http.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer
}

func (n neighbour) call(method, target, body string, status int) string {
	n.t.Helper()
	answer := n.open(method, target, body)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		n.t.Errorf("%s %s: got %s %s, %v", method, target, answer.Status, text, err)
	}
	return string(text)
}

// Other programs on the device send, hear, follow the chain and ask the server,
// without a credential of their own.
func TestNeighbours(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	d := newRig(t, s, "dev1")
	dir := t.TempDir()
	d.edit = func(c *config.Config) {
		c.Local.Socket, c.Local.Proxy = filepath.Join(dir, "api.sock"), filepath.Join(dir, "proxy.sock")
	}
	for _, name := range []string{"api.sock", "proxy.sock"} { // left behind by a power cut
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, name), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		_ = l.Close()
	}
	d.start()
	defer func() { _ = d.stop() }()
	if err := d.agent.Publish(t.Context(), nil); err == nil { // waits until the agent runs
		t.Fatal("published nothing")
	}
	api, proxy := newNeighbour(t, filepath.Join(dir, "api.sock")), newNeighbour(t, filepath.Join(dir, "proxy.sock"))
	for _, target := range []string{"/v1/token", "/v1/publish"} {
		if text := api.call("POST", target, "200,c8y_T,T,1,C", http.StatusConflict); !strings.Contains(text, "not enrolled") {
			t.Errorf("before enrolment: got %s", text)
		}
	}

	follow := api.open("GET", "/v1/chain?follow", "")
	defer func() { _ = follow.Body.Close() }()
	chains := bufio.NewScanner(follow.Body)
	s.Register("dev1", "the-right-password")
	d.enrol("the-right-password")
	first := nextChain(t, chains)
	if serial := pki.SerialHex(first.Leaf().SerialNumber); serial != d.status().Serial {
		t.Errorf("chain: got serial %s, status says %s", serial, d.status().Serial)
	}
	d.renew()
	if second := nextChain(t, chains); second.Leaf().Equal(first.Leaf()) {
		t.Error("the same chain again")
	}

	api.call("POST", "/v1/publish", "200,c8y_Temperature,T,21.5,C", http.StatusOK)
	api.call("POST", "/v1/publish", `200,"`, http.StatusBadRequest)
	if err := d.agent.Publish(t.Context(), []string{"200,c8y_Temperature,T,22,C"}); err != nil { // in order: the first is there
		t.Fatal(err)
	}
	if text := proxy.call("GET", "/measurement/measurements?pageSize=5&withTotalElements=true", "", http.StatusOK); !strings.Contains(text, `"totalElements":2`) {
		t.Errorf("measurements by the proxy: got %s", text)
	}
	if text := api.call("GET", "/v1/status", "", http.StatusOK); !strings.Contains(text, `"state":"valid"`) {
		t.Errorf("status: got %s", text)
	}
	api.call("POST", "/v1/sign", `{"hash":"SHA-256"}`, http.StatusForbidden)
}

func nextChain(t *testing.T, lines *bufio.Scanner) pki.Chain {
	t.Helper()
	if !lines.Scan() {
		t.Fatal(lines.Err())
	}
	var event struct{ Chain string }
	if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
		t.Fatal(err)
	}
	chain, err := pki.ParsePEMChain([]byte(event.Chain))
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// Every user may knock at the socket; a file that is none is left alone.
func TestDoors(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	d := newRig(t, s, "dev1")
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.edit = func(c *config.Config) { c.Local.Socket, c.Local.Proxy = filepath.Join(dir, "api.sock"), precious }
	d.start()
	_ = d.agent.Publish(t.Context(), nil) // refused, once the agent runs
	if info, err := os.Stat(filepath.Join(dir, "api.sock")); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(precious); err != nil || string(text) != "text" {
		t.Errorf("got %q, %v", text, err)
	}
}
