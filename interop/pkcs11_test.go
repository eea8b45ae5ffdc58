package interop_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm/pkcs11key/p11test"
)

// tokenServer starts a server whose key-encryption key is in the token "server",
// and with it the key of the tenant's certificate authority.
func tokenServer(t *testing.T, hsm *p11test.SoftHSM) (*instance, launch, string) {
	t.Helper()
	hsm.AddToken(t, "server")
	uri := "\"" + hsm.URI("server", "") + "\"\n"
	l, dir := launch{config: "[keys]\nencryption = " + uri + "authority = " + uri}, t.TempDir()
	s := l.start(t, dir)
	s.authority(t)
	if out := hsm.Tool(t, "server", "--list-objects"); !strings.Contains(out, "mooring-kek") || !strings.Contains(out, "mooring-ca-t1000-") {
		t.Errorf("the token holds no key of the server: %s", out)
	}
	return s, l, dir
}

// tokenDevice registers a device whose key will be in the token of its name.
func tokenDevice(t *testing.T, s *instance, hsm *p11test.SoftHSM, id string) *device {
	t.Helper()
	hsm.AddToken(t, id)
	d := newDevice(t, s, id)
	for _, name := range []string{"SOFTHSM2_CONF", "SHIM_MODULE", "SHIM_PLAN", "SHIM_LOG"} {
		d.env = append(d.env, name+"="+os.Getenv(name))
	}
	return d
}

// inToken checks that the token holds one key pair, that of the device, and
// returns its name.
func inToken(t *testing.T, hsm *p11test.SoftHSM, d *device) string {
	t.Helper()
	objects := hsm.Objects(t, d.id)
	if len(objects) != 2 {
		t.Errorf("%d objects in the token, want one key pair: %v", len(objects), objects)
	}
	text, err := os.ReadFile(filepath.Join(d.state, "current", "identity.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), `"key": "`)
	ref, _, _ := strings.Cut(rest, `"`)
	if ref == "" || !strings.Contains(hsm.Tool(t, d.id, "--list-objects"), ref) {
		t.Errorf("the token does not hold the key %q", ref)
	}
	return ref
}

// TestTokens is the life of a device whose key never leaves a PKCS#11 token, at a
// server whose secrets are sealed by another.
func TestTokens(t *testing.T) {
	f := p11test.StartFaults(t)
	s, l, dir := tokenServer(t, f.SoftHSM)
	d := tokenDevice(t, s, f.SoftHSM, "token-device")
	d.run(t, append(d.enrol(), "--key", f.URI(d.id, ""))...).want(t, exitDone)
	first := inToken(t, f.SoftHSM, d)
	d.pub(t, 1).want(t, exitDone)
	d.run(t, "renew").want(t, exitDone)
	second := inToken(t, f.SoftHSM, d)
	if first == second {
		t.Error("the renewal kept the key")
	}
	d.pub(t, 2).want(t, exitDone)

	// Without its token the device says so, and nothing is lost.
	f.Pull(t)
	o := d.run(t, "pub", "--timeout", "3s", "200,c8y_Kill,N,3")
	if o.status == exitDone || !strings.Contains(o.stderr, "no token is there") || !strings.Contains(o.stderr, "mooring-agent: hint: ") {
		t.Errorf("without a token: %s", o)
	}
	f.Plug(t)
	d.pub(t, 4).want(t, exitDone)

	// The server starts with what the token sealed, and not without the token.
	s.kill()
	l.again = s
	s = l.start(t, dir)
	d.server = s
	d.pub(t, 5).want(t, exitDone)

	// Faults while a key is made and destroyed leave no orphans.
	for _, plan := range []string{"C_GenerateKeyPair 1 crash-after", "C_GenerateKeyPair 1+ crash-after", "C_DestroyObject 1+ crash", "C_DestroyObject 2 crash-after",
		"C_Sign 2 crash", "C_Sign 1+ code 0x30"} {
		f.Spoil(t, plan)
		_ = d.run(t, "renew", "--timeout", "5s")
		f.Spoil(t)
		d.run(t, "renew").want(t, exitDone)
		inToken(t, f.SoftHSM, d)
	}
	d.pub(t, 6).want(t, exitDone)
}

// TestTokenPulledWhileRunning pulls the token from under `run`.
func TestTokenPulledWhileRunning(t *testing.T) {
	f := p11test.StartFaults(t)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := tokenDevice(t, s, f.SoftHSM, "pulled-device")
	f.Spoil(t, "C_GetMechanismInfo 1+ mech 0x1040") // RSA alone
	d.run(t, append(d.enrol(), "--key", f.URI(d.id, ""))...).want(t, exitDone)
	inToken(t, f.SoftHSM, d)
	if out := f.Tool(t, d.id, "--list-objects"); !strings.Contains(out, "RSA") {
		t.Errorf("the key is not RSA: %s", out)
	}
	f.Spoil(t)
	agent := d.online(t)
	f.Pull(t)
	if o := d.run(t, "renew", "--timeout", "3s"); o.status == exitDone {
		t.Errorf("renewed without a token: %s", o)
	}
	f.Plug(t)
	d.run(t, "renew").want(t, exitDone)
	inToken(t, f.SoftHSM, d)
	select {
	case err := <-agent.ended:
		t.Errorf("the agent ended: %v", err)
	default:
	}
}
