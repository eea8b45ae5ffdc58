package interop_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAgentRefusals: what a person gets for a mistake: the exit status of the
// contract, one error, advice, and an identity that still works.
func TestAgentRefusals(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	healthy := enrolledDevice(t, s, "careful")
	write := func(t *testing.T, name, text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	instead := func(d *device, flag, value string) []string {
		args := d.enrol()
		for n, a := range args {
			if a == flag {
				args[n+1] = value
			}
		}
		return append(args, "--timeout", "2s")
	}
	tests := []struct {
		name   string
		fresh  bool // the device has not enrolled
		args   func(t *testing.T, d *device) []string
		status int
		err    string
		hint   string
	}{
		{"enrolled already", false, func(_ *testing.T, d *device) []string { return d.enrol() }, exitFailed, "is enrolled already", "enrol --again"},
		{"trust anchors missing", true, func(_ *testing.T, d *device) []string { return instead(d, "--ca", "/nowhere.pem") }, exitFailed, "trust anchors: .*/nowhere.pem", "name a PEM file"},
		{"trust anchors of Java", true, func(t *testing.T, d *device) []string {
			return instead(d, "--ca", write(t, "ca.jks", "\xfe\xed\xfe\xed\x00\x00\x00\x02"))
		}, exitFailed, "holds no certificate", "keytool -importkeystore"},
		{"trust anchors garbled", true, func(t *testing.T, d *device) []string { return instead(d, "--ca", write(t, "ca.pem", "x")) }, exitFailed, "holds no certificate", "name a PEM file"},
		{"trust anchors of another", true, func(t *testing.T, d *device) []string {
			return instead(d, "--ca", write(t, "ca.pem", readFile(t, filepath.Join(healthy.state, "current", "chain.pem"))))
		}, exitLater, "server certificate: .*unknown authority", "set ca to the trust anchors"},
		{"name that the server's certificate has not", true, func(t *testing.T, d *device) []string {
			return instead(d, "--server", "0.0.0.0:"+port(t, s.HTTPS)) // leads to this machine
		}, exitLater, "server certificate: .*0.0.0.0", "set ca"},
		{"name that does not exist", true, func(t *testing.T, d *device) []string {
			return instead(d, "--server", "absent.invalid:"+port(t, s.HTTPS))
		}, exitLater, "unreachable: .*absent.invalid", "check"},
		{"port where nobody listens", true, func(_ *testing.T, d *device) []string { return instead(d, "--server", "localhost:1") }, exitLater, "unreachable: .*connection refused", "check"},
		{"URL as server", true, func(_ *testing.T, d *device) []string { return instead(d, "--server", "https://localhost") }, exitUsage, "--server is HOST", ""},
		{"ID with a colon", true, func(_ *testing.T, d *device) []string { return instead(d, "--id", "a:b") }, exitUsage, "device_id", ""},
		{"password file missing", true, func(_ *testing.T, d *device) []string { return instead(d, "--otp-file", "/nowhere") }, exitFailed, "one-time password: .*/nowhere", ""},
		{"password file empty", true, func(t *testing.T, d *device) []string { return instead(d, "--otp-file", write(t, "otp", "")) }, exitUsage, "is empty", ""},
		{"wrong password", true, func(t *testing.T, d *device) []string { return instead(d, "--otp-file", write(t, "otp", "wrong")) }, exitLater, "No newDeviceRequest found", "register the device again"},
		{"device that nobody registered", true, func(_ *testing.T, d *device) []string { return instead(d, "--id", "stranger") }, exitLater, "No newDeviceRequest found", "register the device again"},
		{"unknown key in the configuration", false, func(t *testing.T, _ *device) []string {
			return []string{"run", "--config", write(t, "agent.toml", "sever = 'x'\n")}
		}, exitUsage, "unknown key sever", "config check"},
		{"value out of bounds", false, func(t *testing.T, _ *device) []string {
			return []string{"run", "--config", write(t, "agent.toml", "keep_alive = '1s'\n")}
		}, exitUsage, "keep_alive: must be 5s", ""},
		{"another device's configuration", false, func(t *testing.T, _ *device) []string {
			return []string{"run", "--config", write(t, "agent.toml", "device_id = 'other'\n")}
		}, exitFailed, `is that of "careful", and the configuration says device_id "other"`, "correct device_id"},
		{"key store of an unknown kind", false, func(t *testing.T, _ *device) []string {
			return []string{"run", "--config", write(t, "agent.toml", "key = 'cloud:x'\n")}
		}, exitFailed, "cloud", ""},
		{"line that is none", false, func(*testing.T, *device) []string { return []string{"pub", "--timeout", "5s", "400,\"x"} }, exitFailed, "not SmartREST", ""},
		{"not enrolled", true, func(*testing.T, *device) []string { return []string{"run"} }, exitFailed, ".", "enrol"},
	}
	for n, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var d *device
			if tt.fresh {
				d = newDevice(t, s, "careful-"+string(rune('a'+n)))
			} else {
				d = healthy.twin(t)
			}
			before := d.fingerprint(t)
			o := d.run(t, tt.args(t, d)...)
			if o.status != tt.status {
				t.Errorf("want status %d: %s", tt.status, o)
			}
			if tt.hint == "" {
				o.told(t)
			} else {
				o.hinted(t, tt.err, tt.hint)
			}
			if tt.fresh {
				d.run(t, d.enrol()...).want(t, exitDone) // as it should be done
				return
			}
			if d.fingerprint(t) != before {
				t.Errorf("changes the identity: %s", o)
			}
			d.pub(t, 1).want(t, exitDone)
		})
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSecondAgent: one state directory has one agent; a second one says so, and
// commands go through the first.
func TestSecondAgent(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := enrolledDevice(t, s, "single")
	first := d.command(t.Context(), t, "run")
	log := &logBuffer{}
	first.Stderr = log
	stdin, err := first.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func(c io.Closer) { _ = c.Close() }(stdin)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = first.Process.Kill()
		_ = first.Wait()
	}()
	eventually(t, "the agent is connected", func() bool { return strings.Contains(log.String(), "the server confirmed the connection") })
	o := d.run(t, "run")
	o.want(t, exitFailed)
	o.hinted(t, "in use by another mooring-agent", "runs already")
	d.pub(t, 1).want(t, exitDone)
	if o := d.run(t, "status"); !strings.Contains(o.stdout, "connected   yes") {
		t.Errorf("status beside a running agent: %s", o)
	}
}
