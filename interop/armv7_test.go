//go:build armv7

package interop_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/interop/guest"
)

// The agent's program for ARMv7, on Debian's kernel for it: it enrols, connects,
// gets a token, sends what another program gives it, and renews.
func TestARMv7(t *testing.T) {
	if missing := guest.Missing(); missing != "" {
		t.Fatal(missing)
	}
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	agent := filepath.Join(t.TempDir(), "mooring-agent")
	// With the flags of the Makefile, when make runs this.
	if err := guest.Build(t.Context(), agent, "mooring/agent/cmd/mooring-agent", strings.Fields(os.Getenv("AGENT_FLAGS"))...); err != nil {
		t.Fatal(err)
	}
	g, err := guest.Boot(t.Context(), guest.Config{Dir: guest.KernelDir(), Programs: map[string]string{"/bin/mooring-agent": agent, "/root.pem": s.rootFile()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console:\n%s", g.Console())
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	const id = "armv7"
	s.register(t, id, "otp-of-armv7")
	m := machine{t: t, Guest: g}
	m.write("/otp", "otp-of-armv7\n")
	m.agent("enrol", "--server", "localhost:"+port(t, s.HTTPS), "--mtls-port", port(t, s.MTLS), "--mqtts-port", port(t, s.MQTTS),
		"--ca", "/root.pem", "--id", id, "--otp-file", "/otp", "--timeout", "60s")
	const chain = "/var/lib/mooring/current/chain.pem"
	first := m.must(guest.Order{Read: chain}).Out

	pid := m.must(guest.Order{Start: []string{"/bin/mooring-agent", "run"}}).PID
	a := m.must(guest.Order{Await: &guest.Await{PID: pid, Text: "connected to"}})
	t.Logf("start to connected: %s of CPU time, %s", a.CPU, a.Wall)
	if token := m.agent("token"); strings.Count(strings.TrimSpace(token), ".") != 2 {
		t.Errorf("token: got %q", token)
	}
	m.agent("pub", "--timeout", "60s", "200,c8y_Kill,N,7")
	if got := s.values(t, id, "c8y_Kill"); got[7] != 1 {
		t.Errorf("measurements: got %v, want 7 once", got)
	}
	m.agent("renew")
	// The newer generation is the current one when the server has named it.
	eventually(t, "a renewed certificate", func() bool { return !bytes.Equal(m.must(guest.Order{Read: chain}).Out, first) })
	if status := m.agent("status"); !strings.Contains(status, id) {
		t.Errorf("status: got %q", status)
	}
	if end := m.must(guest.Order{Stop: pid}); end.Status != exitDone {
		t.Errorf("the agent ended with status %d\n%s", end.Status, end.Out)
	}
}

// machine is an emulated machine whose orders must succeed.
type machine struct {
	*guest.Guest
	t *testing.T
}

func (m machine) must(o guest.Order) guest.Answer {
	m.t.Helper()
	a, err := m.Do(context.Background(), o)
	if err != nil {
		m.t.Fatal(err)
	}
	return a
}

func (m machine) write(path, text string) {
	m.t.Helper()
	m.must(guest.Order{Write: &guest.File{Path: path, Text: []byte(text)}})
}

// agent runs the agent to its end, which must be status 0, and returns what it said.
func (m machine) agent(args ...string) string {
	m.t.Helper()
	a := m.must(guest.Order{Run: append([]string{"/bin/mooring-agent"}, args...)})
	if a.Status != exitDone {
		m.t.Fatalf("mooring-agent %s: status %d\n%s", args[0], a.Status, a.Out)
	}
	return string(a.Out)
}
