package interop_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm/pkcs11key/p11test"
)

// setKey replaces the URI of the key store that enrolment noted.
func (d *device) setKey(t testing.TB, uri string) {
	t.Helper()
	path := filepath.Join(d.state, "settings.toml")
	var lines []string
	for line := range strings.Lines(readFile(t, path)) {
		if !strings.HasPrefix(line, "key = ") {
			lines = append(lines, line)
		}
	}
	quoted, err := json.Marshal(uri)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, "key = "+string(quoted)+"\n"+strings.Join(lines, ""))
}

// finds runs the doctor and wants code as the fault, with says in what was seen
// and advises in what to do.
func (d *device) finds(t testing.TB, status int, code, says, advises string) {
	t.Helper()
	r := d.doctor(t, status, code)
	for _, f := range r.Findings {
		if f.Code == code && strings.Contains(f.Detail, says) && r.Fault != nil && strings.Contains(r.Fault.Advice, advises) {
			return
		}
	}
	t.Errorf("%s: want %q and %q in %+v, %+v", code, says, advises, r.Fault, r.Findings)
}

func chmod(t testing.TB, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestDoctorOfTokens names what is wrong with a real token, its PIN, its module,
// the helper and the keys in it.
func TestDoctorOfTokens(t *testing.T) {
	f := p11test.StartFaults(t)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := tokenDevice(t, s, f.SoftHSM, "token-patient")
	uri := f.URI(d.id, "")
	d.run(t, append(d.enrol(), "--key", uri)...).want(t, exitDone)
	ref := inToken(t, f.SoftHSM, d)
	const (
		finalTry  = 0x20000 // CKF_USER_PIN_FINAL_TRY
		pinLocked = 0x40000 // CKF_USER_PIN_LOCKED
	)
	garbled := filepath.Join(t.TempDir(), "module.so")
	writeFile(t, garbled, "no library\n")
	with := func(old, new string) func() { return func() { d.setKey(t, strings.Replace(uri, old, new, 1)) } }
	plan := func(lines ...string) func() { return func() { f.Spoil(t, lines...) } }
	pin := func(pin string) func() { return func() { f.SetPIN(t, pin) } }
	for _, tt := range []struct {
		name          string
		spoil         func()
		status        int
		code          string
		says, advises string
	}{
		{"healthy", func() {}, exitDone, "", "", ""},
		{"token pulled", func() { f.Pull(t) }, exitLater, "M046", "no token is there", "plug the token in"},
		{"wrong label", with("token="+d.id, "token=other"), exitLater, "M046", "there are: token=" + d.id, "compare token="},
		{"two tokens of the label", func() { f.AddToken(t, d.id) }, exitFailed, "M040", "several tokens match", "add serial="},
		{"wrong PIN", pin("4711"), exitFailed, "M047", "the PIN is wrong", "correct the file that pin-source names"},
		{"PIN file gone", with(f.PINFile, f.PINFile+".absent"), exitFailed, "M047", "the PIN cannot be read", "write it to the file"},
		{"PIN file that others read", func() { chmod(t, f.PINFile, 0o644) }, exitFailed, "M047", "others may read it", "chmod 600"},
		{"last try", plan(fmt.Sprintf("C_GetTokenInfo 1+ flags %#x", finalTry)), exitFailed, "M047", "one more would lock the token", "log in once by hand"},
		{"PIN locked", plan(fmt.Sprintf("C_GetTokenInfo 1+ flags %#x", pinLocked)), exitFailed, "M047", "locked after wrong tries", "security officer"},
		{"no module", with(f.Module, "/absent.so"), exitFailed, "M040", "cannot be read", ""},
		{"no PKCS#11 module", with(f.Module, garbled), exitFailed, "M040", "cannot be loaded", ""},
		{"a library that is no module", with(f.Module, "/lib/x86_64-linux-gnu/libm.so.6"), exitFailed, "M040", "", ""},
		{"no helper", with(f.Helper, "/absent"), exitFailed, "M040", "helper", "install"},
		{"key gone", func() { f.Tool(t, d.id, "--delete-object", "--type", "privkey", "--label", ref) }, exitFailed, "M041", "no such key", "enrol --again"},
		{"dead", plan("* 1+ code 0x30"), exitLater, "M046", "CKR_DEVICE_ERROR", ""},
		{"signs no more", plan("C_SignInit 1+ code 0x68"), exitFailed, "M043", "may not be used for that", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			restore := f.Keep(t)
			defer func() {
				restore()
				d.setKey(t, uri)
				chmod(t, f.PINFile, 0o600)
				f.SetPIN(t, p11test.PIN)
				f.Spoil(t)
			}()
			f.Spoil(t)
			tt.spoil()
			if tt.code == "" {
				d.doctor(t, tt.status, tt.code)
				return
			}
			d.finds(t, tt.status, tt.code, tt.says, tt.advises)
		})
	}
	d.doctor(t, exitDone, "")
}
