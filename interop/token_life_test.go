package interop_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"mooring/hsm/pkcs11key/p11test"
	"mooring/hsm/pkcs11key/tpm2test"
)

// writeFile writes a file that its owner alone reads.
func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRSATokenLife is the whole life with a token that knows RSA alone.
func TestRSATokenLife(t *testing.T) {
	f := p11test.StartFaults(t)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := tokenDevice(t, s, f.SoftHSM, "rsa-device")
	f.Spoil(t, "C_GetMechanismInfo 1+ mech 0x1040")
	d.run(t, append(d.enrol(), "--key", f.URI(d.id, ""))...).want(t, exitDone)
	d.pub(t, 1).want(t, exitDone)
	d.run(t, "token").want(t, exitDone)
	first := inToken(t, f.SoftHSM, d)
	d.run(t, "renew").want(t, exitDone)
	if inToken(t, f.SoftHSM, d) == first {
		t.Error("the renewal kept the key")
	}
	d.pub(t, 2).want(t, exitDone)
	s.register(t, d.id, "otp-of-"+d.id)
	d.run(t, append(d.enrol(), "--again")...).want(t, exitDone)
	d.pub(t, 3).want(t, exitDone)
	inToken(t, f.SoftHSM, d)
	if out := f.Tool(t, d.id, "--list-objects"); strings.Contains(out, "EC") || !strings.Contains(out, "RSA") {
		t.Errorf("the key is not RSA: %s", out)
	}
}

// TestTokensOfOneLabel: of two tokens in one module none is taken by their label,
// and by serial number each device keeps to its own.
func TestTokensOfOneLabel(t *testing.T) {
	hsm := p11test.Start(t)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	one := tokenDevice(t, s, hsm, "one-device")
	two := newDevice(t, s, "two-device")
	two.env = one.env
	hsm.AddToken(t, "same")
	hsm.AddToken(t, "same")
	o := one.run(t, append(one.enrol(), "--timeout", "3s", "--key", hsm.URI("same", ""))...)
	_, last, _ := strings.Cut(o.stderr, "mooring-agent: error: ")
	serials := regexp.MustCompile(`token=same serial=([0-9a-f]+)`).FindAllStringSubmatch(last, -1)
	if o.status == exitDone || len(serials) != 2 || !strings.Contains(o.stderr, "add serial= or id= to the URI") {
		t.Fatalf("by label alone: %s", o)
	}
	for n, d := range []*device{one, two} {
		d.run(t, append(d.enrol(), "--key", hsm.URI("same", ";serial="+serials[n][1]))...).want(t, exitDone)
	}
	for n, d := range []*device{one, two} {
		d.run(t, "renew").want(t, exitDone)
		d.pub(t, 1).want(t, exitDone)
		list := d.run(t, "keystore", "list", "--json")
		list.want(t, exitDone)
		if strings.Count(list.stdout, `"name"`) != 1 || !strings.Contains(list.stdout, `"use":"current"`) {
			t.Errorf("the token of device %d holds: %s", n, list)
		}
	}
}

// TestTPM2PKCS11Life is the life of a device whose token is a TPM seen through
// tpm2-pkcs11.
func TestTPM2PKCS11Life(t *testing.T) {
	token := tpm2test.Start(t)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := newDevice(t, s, "tpm2-device")
	d.env = token.Env
	d.run(t, append(d.enrol(), "--key", token.URI)...).want(t, exitDone)
	token.Empty(t)
	d.pub(t, 1).want(t, exitDone)
	token.Empty(t)
	d.run(t, "renew").want(t, exitDone)
	token.Empty(t)
	d.pub(t, 2).want(t, exitDone)
	token.Empty(t)
	list := d.run(t, "keystore", "list", "--json")
	if strings.Count(list.stdout, `"name"`) != 1 || !strings.Contains(list.stdout, `"use":"current"`) {
		t.Errorf("the token holds: %s", list)
	}
}
