package interop_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"mooring/internal/daemontest"
)

// diagnosis is what doctor --json prints, as far as these tests look.
type diagnosis struct {
	Version  int
	Fault    *struct{ Code, Layer, Cause, Advice string }
	Findings []struct{ Check, Level, Code, Detail string }
}

// doctor runs the doctor and wants the fault code, empty for none, and the exit
// status that belongs to it.
func (d *device) doctor(t testing.TB, status int, code string, args ...string) diagnosis {
	t.Helper()
	o := d.run(t, append([]string{"doctor", "--json", "--timeout", "20s"}, args...)...)
	var r diagnosis
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil || r.Version != 1 {
		t.Fatalf("%v: %s", err, o)
	}
	got := ""
	if r.Fault != nil {
		got = r.Fault.Code
	}
	if o.status != status || got != code || o.stderr != "" {
		t.Errorf("want status %d by %q: %s", status, code, o)
	}
	return r
}

func (r diagnosis) has(code string) bool {
	for _, f := range r.Findings {
		if f.Code == code {
			return true
		}
	}
	return false
}

// TestDoctorBesideAgent: the doctor examines beside a running agent, which stays
// connected; it tells an agent that hangs from a server that is away.
func TestDoctorBesideAgent(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := enrolledDevice(t, s, "patient")
	if r := d.doctor(t, exitDone, ""); !r.has("M183") {
		t.Errorf("does not say that no agent runs: %+v", r)
	}
	agent := d.start(t)
	log := agent.log
	confirmed := func() int { return strings.Count(log.String(), "the server confirmed the connection") }
	eventually(t, "the agent is connected", func() bool { return confirmed() > 0 })
	before := d.fingerprint(t)
	if r := d.doctor(t, exitDone, ""); r.has("M183") {
		t.Errorf("does not see the running agent: %+v", r)
	}
	d.pub(t, 1).want(t, exitDone)
	if strings.Contains(log.String(), "msg=disconnected") || confirmed() != 1 || d.fingerprint(t) != before {
		t.Errorf("the doctor disturbs the agent:\n%s", log)
	}
	if err := agent.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	d.doctor(t, exitFailed, "M180")
	if err := agent.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s.kill()
	r := d.doctor(t, exitLater, "M090")
	if r.Fault != nil && (r.Fault.Layer != "tcp" || r.Fault.Advice == "") {
		t.Errorf("got %+v", r.Fault)
	}
}

// TestDoctorSpoiltState: what TestSpoiltState makes of a state directory has its
// code, and is not touched.
func TestDoctorSpoiltState(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	healthy := enrolledDevice(t, s, "spoilt-patient")
	type row struct {
		name  string
		spoil spoil
		want  string
	}
	tests := []row{
		{"key that others can read", mode("keys/*.pem", 0o644), "M041"},
		{"key garbled", content("keys/*.pem", "x"), "M041"},
		{"key gone", onFile("keys/*.pem", os.Remove), "M041"},
		{"state that others can replace", mode(".", 0o777), "M010"},
		{"chain emptied", content("generations/*/chain.pem", ""), "M011"},
		{"pointer out of the directory", point("/etc"), "M011"},
		{"settings garbled", content("settings.toml", "server ="), "M001"},
	}
	if os.Geteuid() == 0 {
		chown := func(path string) error { return os.Chown(path, 4711, 4711) }
		tests = append(tests, row{"a file of another user", onFile("settings.toml", chown), "M012"},
			row{"a directory of another user", onFile(".", chown), "M010"})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := healthy.twin(t)
			tt.spoil(t, d.state)
			before := d.fingerprint(t)
			status := exitFailed
			if tt.want == "M001" {
				status = exitUsage
			}
			d.doctor(t, status, tt.want)
			if d.fingerprint(t) != before {
				t.Error("the doctor changes the identity")
			}
		})
	}
}

// TestRealProxies: the whole life of a device through tinyproxy and microsocks,
// with credentials, to a server on IPv6 among whose addresses one is dead.
func TestRealProxies(t *testing.T) {
	t.Parallel()
	s := launch{again: &instance{readyLine: readyLine{HTTPS: "[::1]:0", MTLS: "[::1]:0", MQTTS: "[::1]:0"}}}.start(t, t.TempDir())
	s.authority(t)
	for scheme, start := range map[string]func(t *testing.T, addr string){
		"http": func(t *testing.T, addr string) {
			conf := fmt.Sprintf("Port %s\nListen 127.0.0.1\nAllow 127.0.0.1\nBasicAuth u s3cr3t\n", port(t, addr))
			for _, a := range []string{s.HTTPS, s.MTLS, s.MQTTS} {
				conf += "ConnectPort " + port(t, a) + "\n"
			}
			file := filepath.Join(t.TempDir(), "conf")
			if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
				t.Fatal(err)
			}
			daemontest.Start(t, addr, "tinyproxy", "-d", "-c", file)
		},
		"socks5": func(t *testing.T, addr string) {
			daemontest.Start(t, addr, "microsocks", "-i", "127.0.0.1", "-p", port(t, addr), "-u", "u", "-P", "s3cr3t")
		},
	} {
		t.Run(scheme, func(t *testing.T) {
			addr := freeAddress(t)
			start(t, addr)
			d := newDevice(t, s, "behind-"+scheme)
			dir := t.TempDir()
			file, secret := filepath.Join(dir, "agent.toml"), filepath.Join(dir, "secret")
			text := fmt.Sprintf("addresses = ['127.0.0.9', '::1']\n[proxy]\nurl = '%s://%s'\ncredentials = '%s'\n", scheme, addr, secret)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(secret, []byte("u:s3cr3t\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			d.env = append(d.env, "MOORING_CONFIG="+file)
			d.run(t, d.enrol()...).want(t, exitDone)
			d.pub(t, 1).want(t, exitDone)
			d.run(t, "renew", "--timeout", "20s").want(t, exitDone)
			if r := d.doctor(t, exitDone, ""); !r.has("M094") {
				t.Errorf("the dead address is not named: %+v", r)
			}
			if err := os.WriteFile(secret, []byte("u:wrong\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			d.doctor(t, exitFailed, "M082")
			o := d.run(t, "pub", "--timeout", "3s", "400,c8y_X,x")
			if o.status == exitDone || strings.Contains(o.stderr+o.stdout, "wrong\n") || !strings.Contains(o.stderr, "wants other credentials") {
				t.Errorf("want the proxy named: %s", o)
			}
		})
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
