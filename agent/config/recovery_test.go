package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/agent/config"
	"mooring/internal/durable"
	"mooring/internal/lifecycle"
	"mooring/internal/secret"
)

func TestMaintenanceWindows(t *testing.T) {
	type window = lifecycle.MaintenanceWindow
	for _, tt := range []struct {
		text string
		want window
	}{
		{"Mon-Fri 02:00-04:00", window{Days: 0b0111110, Start: 120, Length: 120}},
		{"daily 00:00-24:00", window{Days: 0b1111111, Start: 0, Length: 1440}},
		{"Sat,Sun 23:30-01:00", window{Days: 0b1000001, Start: 1410, Length: 90}},
		{"fri-mon 01:00-01:00", window{Days: 0b1100011, Start: 60, Length: 1440}},
		{"Wed 23:59-24:00", window{Days: 0b0001000, Start: 1439, Length: 1}},
		{"Wed,Fri-Sat 00:00-00:01", window{Days: 0b1101000, Start: 0, Length: 1}},
		{"", window{}}, {"Mon", window{}}, {"02:00-04:00", window{}}, {"Mon 02:00", window{}}, {"Moon 02:00-03:00", window{}},
		{"Mon 2-3", window{}}, {"Mon 24:00-01:00", window{}}, {"Mon 23:00-24:01", window{}}, {"Mon-Tue-Wed 01:00-02:00", window{}},
		{"Mon, 01:00-02:00", window{}},
	} {
		c := good()
		c.Renewal.Maintenance = []string{tt.text}
		list, err := c.Renewal.Windows()
		if tt.want == (window{}) {
			if err == nil || c.Validate() == nil {
				t.Errorf("%q: no error", tt.text)
			}
			continue
		}
		if err != nil || list[0] != tt.want || !list[0].Valid() || c.Validate() != nil {
			t.Errorf("%q: got %+v, %v; want %+v", tt.text, list[0], err, tt.want)
		}
	}
	c := good()
	c.Renewal.Maintenance = strings.Split(strings.Repeat("daily 01:00-02:00\n", 4), "\n")[:4]
	if err := c.Validate(); err != nil {
		t.Errorf("4 windows: %v", err)
	}
	c.Renewal.Maintenance = append(c.Renewal.Maintenance, "daily 01:00-02:00")
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "at most 4") {
		t.Errorf("5 windows: %v", err)
	}
}

func TestRecoveryIsRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.toml")
	text := "server = 'x'\ndevice_id = 'dev1'\n[renewal]\nmaintenance = ['Sun 02:00-04:00']\n" +
		"[recovery]\nexpired = false\nbootstrap_certificate = '/f.pem'\nbootstrap_key = 'tpm:'\nnew_otp = false\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(durable.OS, dir, file, true)
	if err != nil || c.Validate() != nil {
		t.Fatal(err, c.Validate())
	}
	want := config.Recovery{BootstrapCertificate: "/f.pem", BootstrapKey: "tpm:", StoredOTP: true}
	if c.Recovery != want || len(c.Renewal.Maintenance) != 1 {
		t.Errorf("got %+v, %v", c.Recovery, c.Renewal)
	}
	c.Recovery.BootstrapCertificate = ""
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "bootstrap_key") {
		t.Errorf("a key without certificate: %v", err)
	}
}

// The key from the factory is not for everybody.
func TestBootstrapKeyFile(t *testing.T) {
	c := good()
	c.Recovery.BootstrapKey = filepath.Join(t.TempDir(), "factory.key")
	for mode, usable := range map[os.FileMode]bool{0o600: true, 0o640: true, 0o644: false, 0o602: false} {
		if err := os.WriteFile(c.Recovery.BootstrapKey, []byte("key"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(c.Recovery.BootstrapKey, mode); err != nil {
			t.Fatal(err)
		}
		if text, err := c.BootstrapKeyFile(durable.OS); (err == nil && string(text) == "key") != usable {
			t.Errorf("mode %04o: got %q, %v", mode, text, err)
		}
	}
	c.Recovery.BootstrapKey = "tpm:"
	if text, err := c.BootstrapKeyFile(durable.OS); text != nil || err != nil {
		t.Errorf("a key store is read as a file: %v", err)
	}
}

// The second one-time password is not readable for others, neither as written
// nor when it is used.
func TestSecondOTP(t *testing.T) {
	c := good()
	c.State = t.TempDir()
	if err := c.SaveSecondOTP(durable.OS, secret.New("two words")); err != nil {
		t.Fatal(err)
	}
	if got, err := c.SecondOTP(durable.OS); err != nil || got.Reveal() != "two words" {
		t.Errorf("got %v", err)
	}
	info, err := os.Stat(c.SecondOTPPath())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(c.SecondOTPPath(), 0o604); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SecondOTP(durable.OS); err == nil {
		t.Error("a file that others can read is used")
	}
}

func FuzzMaintenanceWindow(f *testing.F) {
	for _, seed := range []string{"Mon-Fri 02:00-04:00", "daily 23:30-01:00", "Sat,Sun 00:00-24:00", "Fri-Mon 01:00-01:00", " ", "Mon -"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := config.Renewal{Maintenance: []string{text}}
		list, err := r.Windows()
		if err == nil && (list[0] == lifecycle.MaintenanceWindow{} || !list[0].Valid()) {
			t.Errorf("%q: got %+v", text, list[0])
		}
	})
}
