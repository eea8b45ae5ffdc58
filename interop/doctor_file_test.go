package interop_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestDoctorOfKeyFiles names what is wrong with keys in files and their passphrase.
func TestDoctorOfKeyFiles(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	for n, tt := range []struct {
		name          string
		spoil         func(t *testing.T, d *device, passphrase string)
		code          string
		says, advises string
	}{
		{"wrong passphrase", func(t *testing.T, _ *device, passphrase string) { writeFile(t, passphrase, "another one\n") }, "M047", "the passphrase is wrong", "correct the file"},
		{"no passphrase", func(t *testing.T, d *device, _ string) { d.setKey(t, "file:"+filepath.Join(d.state, "keys")) }, "M047", "encrypted with a password", "correct the file"},
		{"passphrase file gone", func(t *testing.T, _ *device, passphrase string) { removeFileOf(t, passphrase) }, "M040", "passphrase", ""},
		{"passphrase that others read", func(t *testing.T, _ *device, passphrase string) { chmod(t, passphrase, 0o644) }, "M040", "has mode 0644", "chmod 600"},
		{"key that others read", func(t *testing.T, d *device, _ string) { mode("keys/*.pem", 0o640)(t, d.state) }, "M041", "has mode 0640", "chmod 600"},
		{"directory that others write", func(t *testing.T, d *device, _ string) { mode("keys", 0o770)(t, d.state) }, "M040", "has mode 0770", "chmod 700"},
		{"key of another", func(t *testing.T, d *device, _ string) {
			other := enrolledDevice(t, s, "file-other")
			onFile("keys/*.pem", func(path string) error { return os.WriteFile(path, []byte(readFile(t, onlyKey(t, other))), 0o600) })(t, d.state)
		}, "M042", "", "restore it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t, s, fmt.Sprint("file-patient-", n))
			passphrase := filepath.Join(t.TempDir(), "passphrase")
			writeFile(t, passphrase, "correct horse battery staple\n")
			d.run(t, append(d.enrol(), "--key", "file:"+filepath.Join(d.state, "keys")+"?passphrase-file="+passphrase)...).want(t, exitDone)
			d.doctor(t, exitDone, "")
			tt.spoil(t, d, passphrase)
			d.finds(t, exitFailed, tt.code, tt.says, tt.advises)
		})
	}
}

func onlyKey(t testing.TB, d *device) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(d.state, "keys", "*.pem"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	return files[0]
}

func removeFileOf(t testing.TB, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
