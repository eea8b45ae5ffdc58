package interop_test

import (
	"strings"
	"testing"

	"mooring/hsm/pkcs11key/p11test"
)

// TestTokenRecoveryIsTold: what the key store does to get at its keys again is in
// the log of the agent, in its status and in the report of a self-test.
func TestTokenRecoveryIsTold(t *testing.T) {
	f := p11test.StartFaults(t)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := tokenDevice(t, s, f.SoftHSM, "mended-device")
	d.run(t, append(d.enrol(), "--key", f.URI(d.id, ""))...).want(t, exitDone)

	f.Spoil(t, "C_Sign 5 code 0xb3", "C_Sign 9 code 0x30")
	o := d.run(t, "keystore", "selftest", "-n", "20", "--json")
	o.want(t, exitDone)
	if !strings.Contains(o.stdout, `"recoveries":{"module":1,"session":1}`) {
		t.Errorf("selftest does not tell what it did: %s", o)
	}
	f.Spoil(t)

	log := d.online(t).log
	f.Spoil(t, "C_SignInit 1 code 0xb3", "C_SignInit 3 code 0x101")
	d.run(t, "renew").want(t, exitDone)
	if n := f.Calls(t, "C_Login"); n != 1 {
		t.Errorf("%d logins, want that of the login rung alone", n)
	}
	for _, want := range []string{"step=session", "CKR_SESSION_HANDLE_INVALID", "step=login", "CKR_USER_NOT_LOGGED_IN"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not tell %s:\n%s", want, log)
		}
	}
	if o := d.run(t, "status", "--json"); !strings.Contains(strings.ReplaceAll(o.stdout, " ", ""), `"login":1`) || !strings.Contains(o.stdout, "key_recoveries") {
		t.Errorf("the status does not tell: %s", o)
	}
}
