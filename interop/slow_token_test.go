package interop_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"mooring/hsm/pkcs11key/p11test"
)

// TestSlowToken: a token that takes longer for a signature than is allowed for one
// that was not measured works once it was. A signature is two calls of C_Sign, and
// one slow call is enough to see what becomes of it.
func TestSlowToken(t *testing.T) {
	f := p11test.StartFaults(t)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := tokenDevice(t, s, f.SoftHSM, "slow-patient")
	d.run(t, append(d.enrol(), "--key", f.URI(d.id, ""))...).want(t, exitDone)

	f.Spoil(t, "C_Sign 1+ delay 11000")
	o := d.patient(t, "doctor")
	if o.status != exitLater || !strings.Contains(o.stdout, "M046") || !strings.Contains(o.stdout, "keystore selftest finds out how long") {
		t.Errorf("not measured: %s", o)
	}
	f.Spoil(t, "C_Sign 3 delay 11000")
	o = d.patient(t, "keystore", "selftest", "-n", "1")
	o.want(t, exitDone)
	if !strings.Contains(o.stdout, "noted for the agent's next start") {
		t.Errorf("not noted: %s", o)
	}
	f.Spoil(t, "C_Sign 1 delay 11000")
	o = d.patient(t, "doctor")
	if o.status != exitDone || !strings.Contains(o.stdout, "M044") || !strings.Contains(o.stdout, "the certificate is taken with TLS 1.3, TLS 1.2") {
		t.Errorf("measured: %s", o)
	}
	f.Spoil(t, "C_Sign 1 delay 11000")
	d.patient(t, "prove", "some-code").want(t, exitDone)

	// This server gives a handshake ten seconds.
	f.Spoil(t, "C_Sign 3 delay 11000")
	o = d.patient(t, "doctor")
	if o.status != exitFailed || !strings.Contains(o.stdout, `M048, in the layer "key"`) || !strings.Contains(o.stdout, "the key took 11") {
		t.Errorf("longer than the server waits: %s", o)
	}
}

// patient runs the agent as long as a slow token takes.
func (d *device) patient(t testing.TB, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	o := d.runUntil(ctx, t, args...)
	if ctx.Err() != nil {
		t.Fatalf("killed: %s", o)
	}
	return o
}

// TestPINOverRestarts: a service with a wrong PIN that systemd starts again and
// again tries it once, whatever commands are run meanwhile.
func TestPINOverRestarts(t *testing.T) {
	f := p11test.StartFaults(t)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := tokenDevice(t, s, f.SoftHSM, "restarted")
	d.run(t, append(d.enrol(), "--key", f.URI(d.id, ""))...).want(t, exitDone)
	f.SetPIN(t, "4711")
	f.Spoil(t)
	for n := range 10 {
		o := d.run(t, "run")
		if o.status == exitDone || !strings.Contains(o.stderr, "the PIN is wrong") || !strings.Contains(o.stderr, "hint: correct the file that pin-source names") {
			t.Fatalf("start %d: %s", n, o)
		}
	}
	d.finds(t, exitFailed, "M047", "the PIN is wrong", "correct the file")
	for _, command := range [][]string{{"keystore", "list"}, {"keystore", "selftest"}, {"status"}, {"pub", "--timeout", "2s", "200,c8y_Kill,N,1"}, {"prove", "x"}} {
		_ = d.run(t, command...)
	}
	if n := f.Calls(t, "C_Login"); n != 1 {
		t.Errorf("%d tries of a wrong PIN, want 1", n)
	}
	f.SetPIN(t, p11test.PIN)
	d.pub(t, 2).want(t, exitDone)
	d.doctor(t, exitDone, "")
}
