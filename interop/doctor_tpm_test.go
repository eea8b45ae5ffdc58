package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"mooring/hsm/tpmkey/swtpmtest"
)

// tpmTool runs a program of tpm2-tools on a TPM. Each command connects anew.
func tpmTool(t testing.TB, tpm *swtpmtest.TPM, name string, args ...string) {
	t.Helper()
	swtpmtest.Need(t, name)
	cmd := exec.Command(name, append([]string{"-T", "swtpm:path=" + tpm.Socket}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// TestDoctorOfTPM names what is wrong with a real TPM and the key in it.
func TestDoctorOfTPM(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	for n, tt := range []struct {
		name          string
		spoil         func(t *testing.T, d *device, tpm *swtpmtest.TPM)
		status        int
		code          string
		says, advises string
	}{
		{"healthy", func(*testing.T, *device, *swtpmtest.TPM) {}, exitDone, "", "", ""},
		{"reset", func(t *testing.T, _ *device, tpm *swtpmtest.TPM) { tpm.Reset(t) }, exitDone, "", "", ""},
		{"gone", func(t *testing.T, _ *device, tpm *swtpmtest.TPM) { tpm.Stop(t) }, exitLater, "M046", "there is no TPM at", "switched on"},
		{"cleared", func(t *testing.T, _ *device, tpm *swtpmtest.TPM) { tpmTool(t, tpm, "tpm2_clear") }, exitFailed, "M041", "this one was cleared", "enrol --again"},
		{"another TPM", func(t *testing.T, d *device, _ *swtpmtest.TPM) {
			d.setKey(t, "tpm:"+swtpmtest.Start(t).Socket)
		}, exitFailed, "M041", "made by another TPM", "enrol --again"},
		{"password of the owner", func(t *testing.T, _ *device, tpm *swtpmtest.TPM) {
			tpmTool(t, tpm, "tpm2_changeauth", "-c", "owner", "secret")
		}, exitFailed, "M047", "asks for a password", "tpm2_changeauth"},
		{"key file gone", func(t *testing.T, d *device, _ *swtpmtest.TPM) {
			onFile("keys/*.tss2", os.Remove)(t, d.state)
		}, exitFailed, "M041", "no such key", "restore it"},
		{"key file garbled", func(t *testing.T, d *device, _ *swtpmtest.TPM) {
			content("keys/*.tss2", "-----BEGIN TSS2 PRIVATE KEY-----\nAAAA\n-----END TSS2 PRIVATE KEY-----\n")(t, d.state)
		}, exitFailed, "M041", "is damaged", ""},
		{"no TPM but a file", func(t *testing.T, d *device, _ *swtpmtest.TPM) {
			file := filepath.Join(d.state, "settings.toml")
			d.setKey(t, "tpm:"+file)
		}, exitLater, "M046", "cannot be opened", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tpm := swtpmtest.Start(t)
			d := newDevice(t, s, fmt.Sprint("tpm-patient-", n))
			d.run(t, append(d.enrol(), "--key", "tpm:"+tpm.Socket)...).want(t, exitDone)
			tt.spoil(t, d, tpm)
			if tt.code == "" {
				d.doctor(t, tt.status, tt.code)
				return
			}
			d.finds(t, tt.status, tt.code, tt.says, tt.advises)
		})
	}
}

// TestDoctorOfTPMInLockout: wrong passwords of another program lock what is
// protected against them; the device's key is not.
func TestDoctorOfTPMInLockout(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	tpm := swtpmtest.Start(t)
	d := newDevice(t, s, "tpm-lockout")
	d.run(t, append(d.enrol(), "--key", "tpm:"+tpm.Socket)...).want(t, exitDone)
	tpm.LockOut(t)
	d.doctor(t, exitDone, "")
	d.pub(t, 1).want(t, exitDone)
	d.run(t, "renew").want(t, exitDone)
	d.pub(t, 2).want(t, exitDone)
}
