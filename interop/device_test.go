package interop_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The exit status of the agent, as its help says.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitLater  = 75
	exitKilled = -1 // by a signal
)

// agentLimit is what one command of the agent may take.
const agentLimit = 30 * time.Second

// device is a device with the real agent.
type device struct {
	server *instance
	id     string
	state  string // directory
	otp    string // file
	env    []string
}

// newDevice registers a device that has not enrolled yet.
func newDevice(t testing.TB, s *instance, id string) *device {
	t.Helper()
	dir := t.TempDir()
	d := &device{server: s, id: id, state: filepath.Join(dir, "state"), otp: filepath.Join(dir, "otp")}
	password := "otp-of-" + id
	if err := os.WriteFile(d.otp, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.register(t, id, password)
	return d
}

// enrolledDevice registers and enrols a device.
func enrolledDevice(t testing.TB, s *instance, id string) *device {
	t.Helper()
	d := newDevice(t, s, id)
	d.run(t, d.enrol()...).want(t, exitDone)
	return d
}

// outcome is how one run of the agent ended.
type outcome struct {
	args           []string
	status         int
	stdout, stderr string
	took           time.Duration
}

func (o outcome) String() string {
	return fmt.Sprintf("mooring-agent %s: status %d after %s\n%s%s", strings.Join(o.args, " "), o.status, o.took, o.stdout, o.stderr)
}

func (o outcome) want(t testing.TB, status int) {
	t.Helper()
	if o.status != status {
		t.Fatalf("want status %d: %s", status, o)
	}
}

// command is the agent, about to be started on the device's state directory.
// At the end of ctx it is killed.
func (d *device) command(ctx context.Context, t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	all := append([]string{args[0], "--state", d.state}, args[1:]...)
	cmd := exec.CommandContext(ctx, program(t, agentProgram), all...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(d.state), "TZ=UTC"}
	cmd.Env = append(cmd.Env, d.env...)
	return cmd
}

// running is an agent that runs.
type running struct {
	*os.Process
	log   *logBuffer // what it writes
	ended chan error // receives its end
}

// start starts the agent's run, which is killed when the test ends; if it
// failed, it shows the log.
func (d *device) start(t testing.TB, args ...string) *running {
	t.Helper()
	cmd, log := d.command(context.Background(), t, append([]string{"run"}, args...)...), &logBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r, gone := &running{cmd.Process, log, make(chan error, 1)}, make(chan struct{})
	go func() {
		defer close(gone)
		r.ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = r.Kill() // it may have ended
		<-gone
		if t.Failed() {
			t.Logf("log of the agent:\n%s", log)
		}
	})
	return r
}

// online starts an agent and waits until it is connected by its certificate.
func (d *device) online(t testing.TB) *running {
	t.Helper()
	r := d.start(t)
	eventually(t, "the agent is online", func() bool { return strings.Contains(r.log.String(), "state=valid") })
	return r
}

// run runs the agent to its end.
func (d *device) run(t testing.TB, args ...string) outcome {
	t.Helper()
	program(t, agentProgram) // its time is not the device's
	ctx, cancel := context.WithTimeout(context.Background(), agentLimit)
	defer cancel()
	o := d.runUntil(ctx, t, args...)
	if ctx.Err() != nil {
		t.Fatalf("killed after %s: %s", agentLimit, o)
	}
	return o
}

// runUntil runs the agent and kills it at the end of ctx.
func (d *device) runUntil(ctx context.Context, t testing.TB, args ...string) outcome {
	t.Helper()
	return outcomeOf(ctx, t, d.command(ctx, t, args...))
}

// outcomeOf runs a command that is killed at the end of ctx.
func outcomeOf(ctx context.Context, t testing.TB, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok && ctx.Err() == nil {
		t.Fatal(err)
	}
	return outcome{cmd.Args[1:], cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), time.Since(start)}
}

func port(t testing.TB, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// enrol is the command line that enrols the device.
func (d *device) enrol() []string {
	s := d.server
	return []string{"enrol", "--server", "localhost:" + port(s.t, s.HTTPS), "--mtls-port", port(s.t, s.MTLS),
		"--mqtts-port", port(s.t, s.MQTTS), "--ca", s.rootFile(), "--id", d.id, "--otp-file", d.otp, "--timeout", "20s"}
}

// pub sends a measurement with the value n.
func (d *device) pub(t testing.TB, n int) outcome {
	t.Helper()
	return d.run(t, "pub", "--timeout", "20s", fmt.Sprintf("200,c8y_Kill,N,%d", n))
}

// pair reads the current generation as other programs would: the key and the
// chain must belong together and be the device's.
func (d *device) pair() (tls.Certificate, error) {
	var metadata struct{ Key string }
	text, err := os.ReadFile(filepath.Join(d.state, "current", "identity.json"))
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := json.Unmarshal(text, &metadata); err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(d.state, "current", "chain.pem"), filepath.Join(d.state, "keys", metadata.Key+".pem"))
	if err != nil {
		return tls.Certificate{}, err
	}
	if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return tls.Certificate{}, err
	}
	if pair.Leaf.Subject.CommonName != d.id {
		return tls.Certificate{}, fmt.Errorf("the certificate is that of %q", pair.Leaf.Subject.CommonName)
	}
	return pair, nil
}
