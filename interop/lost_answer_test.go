package interop_test

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// mute is a TCP proxy that lets a client finish its TLS handshake and send its
// request, and never lets the answer through.
type mute struct {
	net.Listener
	to    string
	asked atomic.Bool // something followed the ClientHello
}

func newMute(t testing.TB, to string) *mute {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mute{Listener: l, to: to}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go m.serve(client)
		}
	}()
	return m
}

// serve ends when the client is gone.
func (m *mute) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", m.to)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var asked atomic.Bool
	go func() { // server to client, until the client has said all it needs answers for
		buf := make([]byte, 16<<10)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			if !asked.Load() {
				_, _ = client.Write(buf[:n]) // a client that is gone needs nothing
			}
		}
	}()
	buf := make([]byte, 16<<10)
	for flight := 1; ; flight++ { // the client sends nothing between ClientHello and Finished
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if flight > 1 {
			asked.Store(true)
			m.asked.Store(true)
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// issued lists the serials that the server's audit says it issued to a device.
func issued(t testing.TB, s *instance, id string) []string {
	t.Helper()
	var list struct {
		AuditRecords []struct{ Activity, Text string }
	}
	s.get(t, "/audit/auditRecords?pageSize=2000", &list)
	var serials []string
	for _, r := range list.AuditRecords {
		if r.Activity == "Tenant certificate authority(CA) signed certificate for device: "+id+"." {
			quoted := strings.TrimPrefix(r.Text, "Certificate serial number hex: ")
			serials = append(serials, strings.TrimLeft(strings.Trim(quoted, "'"), "0"))
		}
	}
	return serials
}

// TestLostAnswer: the server issues, its answer is lost and the agent dies. The
// spent one-time password gets the same certificate again.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := newDevice(t, s, "unheard")
	m := newMute(t, s.HTTPS)
	args := d.enrol()
	args[2] = "localhost:" + port(t, m.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), agentLimit)
	defer cancel()
	died := make(chan outcome, 1)
	go func() { died <- d.runUntil(ctx, t, args...) }()
	eventually(t, "the server has issued", func() bool { return len(issued(t, s, d.id)) > 0 })
	cancel()
	if o := <-died; o.status != exitKilled {
		t.Fatalf("the agent was not to hear the answer: %s", o)
	}
	if !m.asked.Load() {
		t.Fatal("nothing went through the proxy")
	}
	if _, err := d.pair(); err == nil {
		t.Fatal("the agent has a certificate whose answer was lost")
	}

	o := d.run(t, d.enrol()...)
	o.want(t, exitDone)
	pair, err := d.pair()
	if err != nil {
		t.Fatal(err)
	}
	serial := fmt.Sprintf("%x", pair.Leaf.SerialNumber)
	if got := issued(t, s, d.id); !slices.Equal(got, []string{serial}) {
		t.Errorf("the device has serial %s, and the server issued %v", serial, got)
	}
	d.pub(t, 1).want(t, exitDone)

	// The password is spent for every other key.
	other := *d
	other.state = filepath.Join(t.TempDir(), "state")
	o = other.run(t, append(other.enrol(), "--timeout", "1s")...)
	o.want(t, exitLater)
	if !strings.Contains(o.stderr, "hint: the OTP is unknown, wrong or spent") {
		t.Errorf("a second key with the same password: %s", o)
	}
}
