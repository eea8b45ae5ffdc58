package interop_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"mooring/hsm/pkcs11key/p11test"
)

// slow is what each signature of a slow token takes, longer than what is allowed
// for one that was not measured.
const slow = "C_Sign 1+ delay 12000"

// TestSlowToken: a device whose token signs as slowly as some do works once its
// token was measured, and so do doctor, import and selfsign.
func TestSlowToken(t *testing.T) {
	f := p11test.StartFaults(t)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := tokenDevice(t, s, f.SoftHSM, "slow-patient")
	d.run(t, append(d.enrol(), "--key", f.URI(d.id, ""))...).want(t, exitDone)
	f.Spoil(t, slow)

	o := d.patient(t, "doctor")
	if o.status != exitLater || !strings.Contains(o.stdout, "M046") || !strings.Contains(o.stdout, "keystore selftest finds out how long") {
		t.Errorf("not measured: %s", o)
	}
	measured := d.patient(t, "keystore", "selftest", "-n", "1")
	measured.want(t, exitDone)
	if !strings.Contains(measured.stdout, "noted for the agent's next start") {
		t.Errorf("not noted: %s", measured)
	}
	o = d.patient(t, "doctor")
	if o.status != exitDone || !strings.Contains(o.stdout, "M044") || !strings.Contains(o.stdout, "the certificate is taken with TLS 1.3, TLS 1.2") ||
		!strings.Contains(o.stdout, "token mqtt") {
		t.Errorf("measured: %s", o)
	}
	d.patient(t, "pub", "--timeout", "2m", "200,c8y_Kill,N,1").want(t, exitDone)
	d.patient(t, "prove", "some-code").want(t, exitDone)
}

// patient runs the agent as long as a slow token takes.
func (d *device) patient(t testing.TB, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
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
