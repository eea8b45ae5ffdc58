package interop_test

import (
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm/pkcs11key/p11test"
	"mooring/hsm/tpmkey/swtpmtest"
)

// TestClearedTPM: the key of a TPM that was cleared is lost, and the device enrols
// anew with the same TPM, in the same state directory.
func TestClearedTPM(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	tpm := swtpmtest.Start(t)
	d := newDevice(t, s, "cleared")
	d.run(t, append(d.enrol(), "--key", "tpm:"+tpm.Socket)...).want(t, exitDone)
	d.pub(t, 1).want(t, exitDone)
	tpmTool(t, tpm, "tpm2_clear")
	o := d.run(t, "pub", "--timeout", "5s", "200,c8y_Kill,N,2")
	if o.status == exitDone || !strings.Contains(o.stderr, "key store: the key of the device does not sign") || !strings.Contains(o.stderr, "hint: the private key cannot be had any more") {
		t.Errorf("with a TPM that was cleared: %s", o)
	}
	s.register(t, d.id, "otp-of-"+d.id)
	d.run(t, append(d.enrol(), "--again")...).want(t, exitDone)
	d.pub(t, 3).want(t, exitDone)
	d.run(t, "renew").want(t, exitDone)
	d.doctor(t, exitDone, "")
}

// TestReplacedToken: the same for a token that was initialised anew.
func TestReplacedToken(t *testing.T) {
	hsm := p11test.Start(t)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := tokenDevice(t, s, hsm, "replaced")
	d.run(t, append(d.enrol(), "--key", hsm.URI(d.id, ""))...).want(t, exitDone)
	hsm.Pull(t)
	hsm.AddToken(t, d.id)
	s.register(t, d.id, "otp-of-"+d.id)
	d.run(t, append(d.enrol(), "--again")...).want(t, exitDone)
	d.pub(t, 1).want(t, exitDone)
	inToken(t, hsm, d)
}

// TestLostKeyFile: and for a key whose file is gone.
func TestLostKeyFile(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := enrolledDevice(t, s, "lost-file")
	removeFileOf(t, onlyKey(t, d))
	s.register(t, d.id, "otp-of-"+d.id)
	d.run(t, append(d.enrol(), "--again")...).want(t, exitDone)
	d.pub(t, 1).want(t, exitDone)
	if files, err := filepath.Glob(filepath.Join(d.state, "keys", "*.pem")); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}
