package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mooring/agent/config"
	"mooring/internal/durable"
)

func good() config.Config {
	c := config.Default()
	c.Server, c.DeviceID = "t1000.example.com", "dev1"
	return c
}

func TestValidate(t *testing.T) {
	d := func(v time.Duration) config.Duration { return config.Duration(v) }
	tests := []struct {
		name string
		edit func(*config.Config)
		want string // part of the error; empty: valid
	}{
		{"default", func(*config.Config) {}, ""},
		{"no server", func(c *config.Config) { c.Server = "" }, "server: is not set"},
		{"URL as server", func(c *config.Config) { c.Server = "https://x" }, "server: must be a host name"},
		{"host of 253", func(c *config.Config) { c.Server = strings.Repeat("a", 253) }, ""},
		{"host of 254", func(c *config.Config) { c.Server = strings.Repeat("a", 254) }, "server"},
		{"no device", func(c *config.Config) { c.DeviceID = "" }, "device_id: is not set"},
		{"colon", func(c *config.Config) { c.DeviceID = "a:b" }, "device_id"},
		{"https 0", func(c *config.Config) { c.HTTPSPort = 0 }, "https_port"},
		{"https 1", func(c *config.Config) { c.HTTPSPort = 1 }, ""},
		{"mtls 0", func(c *config.Config) { c.MTLSPort = 0 }, ""},
		{"mtls -1", func(c *config.Config) { c.MTLSPort = -1 }, "mtls_port"},
		{"mqtts 65535", func(c *config.Config) { c.MQTTSPort = 65535 }, ""},
		{"mqtts 65536", func(c *config.Config) { c.MQTTSPort = 65536 }, "mqtts_port"},
		{"keep-alive 5s", func(c *config.Config) { c.KeepAlive = d(5 * time.Second) }, ""},
		{"keep-alive 4s", func(c *config.Config) { c.KeepAlive = d(4 * time.Second) }, "keep_alive"},
		{"keep-alive 65535s", func(c *config.Config) { c.KeepAlive = d(65535 * time.Second) }, ""},
		{"keep-alive 65536s", func(c *config.Config) { c.KeepAlive = d(65536 * time.Second) }, "keep_alive"},
		{"left 0.05", func(c *config.Config) { c.Renewal.Left = 0.05 }, ""},
		{"left 0.04", func(c *config.Config) { c.Renewal.Left = 0.04 }, "renewal.left"},
		{"left 0.95", func(c *config.Config) { c.Renewal.Left = 0.95 }, ""},
		{"left 0.96", func(c *config.Config) { c.Renewal.Left = 0.96 }, "renewal.left"},
		{"interval of half minutes", func(c *config.Config) { c.RequiredInterval = d(90 * time.Second) }, "required_interval"},
		{"interval 32767", func(c *config.Config) { c.RequiredInterval = d(32767 * time.Minute) }, ""},
		{"interval 32768", func(c *config.Config) { c.RequiredInterval = d(32768 * time.Minute) }, "required_interval"},
		{"operation with comma", func(c *config.Config) { c.SupportedOperations = []string{"a,b"} }, "supported_operations"},
		{"64 operations", func(c *config.Config) { c.SupportedOperations = strings.Split(strings.Repeat("x ", 63)+"x", " ") }, ""},
		{"65 operations", func(c *config.Config) { c.SupportedOperations = strings.Split(strings.Repeat("x ", 64)+"x", " ") }, "supported_operations"},
		{"attestation", func(c *config.Config) { c.Attestation = "sometimes" }, "attestation"},
		{"attestation always of a file", func(c *config.Config) { c.Attestation = config.AttestationAlways }, "attestation"},
		{"attestation always of a TPM", func(c *config.Config) { c.Attestation, c.Key = config.AttestationAlways, "tpm:" }, ""},
		{"attestation off", func(c *config.Config) { c.Attestation = config.AttestationOff }, ""},
		{"level", func(c *config.Config) { c.LogLevel = "loud" }, "log_level"},
		{"port of the loopback", func(c *config.Config) { c.Local.MQTT = "127.0.0.1:65535" }, ""},
		{"port 65536", func(c *config.Config) { c.Local.MQTT = "127.0.0.1:65536" }, "local.mqtt"},
		{"port 0", func(c *config.Config) { c.Local.Proxy = "[::1]:0" }, ""},
		{"name of a port", func(c *config.Config) { c.Local.Proxy = "127.0.0.1:http" }, "local.proxy"},
		{"another device's port", func(c *config.Config) { c.Local.Proxy = "192.0.2.1:80" }, "local.proxy"},
		{"64 rules", func(c *config.Config) { c.Local.Allow = slices.Repeat([]string{"* status"}, 64) }, ""},
		{"65 rules", func(c *config.Config) { c.Local.Allow = slices.Repeat([]string{"* status"}, 65) }, "local: must be at most 64"},
		{"kind of key", func(c *config.Config) { c.KeyAlgorithm = "ecdsa-p384" }, ""},
		{"unknown kind of key", func(c *config.Config) { c.KeyAlgorithm = "ed25519" }, "key_algorithm: unknown"},
		{"key", func(c *config.Config) { c.Key = "/var/keys" }, "key: must be a URI"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good()
			tt.edit(&c)
			err := c.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLoadOrder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.toml")
	write(t, filepath.Join(dir, "settings.toml"), "server = 'noted'\ndevice_id = 'dev1'\nmtls_port = 1\n")
	write(t, file, "server = 'file'\nrekey = false\nkeep_alive = '90s'\n[renewal]\nleft = 0.5\n")
	c, err := config.Load(durable.OS, dir, file, true)
	if err != nil {
		t.Fatal(err)
	}
	if c.Server != "file" || c.DeviceID != "dev1" || c.MTLSPort != 1 || c.MQTTSPort != 8883 || c.Rekey ||
		time.Duration(c.KeepAlive) != 90*time.Second || c.Renewal.Left != 0.5 || time.Duration(c.Renewal.MinSpacing) != time.Hour {
		t.Errorf("got %+v", c)
	}
}

// TestMark: editors of Windows put a mark before UTF-8.
func TestMark(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.toml")
	write(t, file, "\xef\xbb\xbfserver = 'file'\r\n")
	if c, err := config.Load(durable.OS, t.TempDir(), file, true); err != nil || c.Server != "file" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.toml")
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "sever = 'x'\n", "unknown key sever"},
		{"unknown key in a section", "[renewal]\nrigth = 1\n", "unknown key renewal.rigth"},
		{"UTF-16", "\xff\xfes\x00", "UTF-16"},
		{"UTF-16, the other way", "\xfe\xff\x00s", "UTF-16"},
		{"a mark that is not at the beginning", "server = 'x'\n\xef\xbb\xbf", "agent.toml"},
		{"no TOML", "server =\n", "agent.toml"},
		{"text for a table", "renewal = 1\n", "renewal: must be a table"},
		{"no duration", "keep_alive = '5 apples'\n", "no duration"},
		{"too long", "# " + strings.Repeat("x", 256<<10), "longer than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(t, file, tt.text)
			if _, err := config.Load(durable.OS, dir, file, true); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := config.Load(durable.OS, dir, filepath.Join(dir, "absent"), true); err == nil {
		t.Error("an explicit file that is absent was accepted")
	}
	if _, err := config.Load(durable.OS, dir, filepath.Join(dir, "absent"), false); err != nil {
		t.Errorf("the default file may be absent: %v", err)
	}
}

// TestHints: who reads that a file is wrong reads what to do about it.
func TestHints(t *testing.T) {
	for _, tt := range []struct{ name, file, want string }{
		{"noted by enrol", "settings.toml", "enrol wrote this file"},
		{"of the operator", "agent.toml", "config check"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, tt.file), "server =\n")
			_, err := config.Load(durable.OS, dir, filepath.Join(dir, "agent.toml"), false)
			hinted, ok := errors.AsType[interface {
				error
				Hint() string
			}](err)
			if !ok || !strings.Contains(hinted.Hint(), tt.want) {
				t.Errorf("got %v, want the hint %q", err, tt.want)
			}
		})
	}
}

func TestSave(t *testing.T) {
	dir, stick := t.TempDir(), t.TempDir()
	c := good()
	c.State, c.CA, c.MTLSPort = dir, filepath.Join(stick, "root.pem"), 18443
	write(t, c.CA, "anchors")
	if err := c.Save(durable.OS); err != nil {
		t.Fatal(err)
	}
	back, err := config.Load(durable.OS, dir, filepath.Join(dir, "absent"), false)
	if err != nil {
		t.Fatal(err)
	}
	text, err := back.Anchors(durable.OS)
	if err != nil || string(text) != "anchors" || back.Server != c.Server || back.DeviceID != "dev1" || back.MTLSPort != 18443 ||
		back.Attestation != config.AttestationWhenAsked {
		t.Errorf("got %+v, %q, %v", back, text, err)
	}
	c.Attestation = config.AttestationOff
	if err := c.Save(durable.OS); err != nil {
		t.Fatal(err)
	}
	if back, err = config.Load(durable.OS, dir, filepath.Join(dir, "absent"), false); err != nil || back.Attestation != config.AttestationOff {
		t.Errorf("got %q, %v", back.Attestation, err)
	}
	moved := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if back, err = config.Load(durable.OS, moved, filepath.Join(dir, "absent"), false); err != nil {
		t.Fatal(err)
	}
	if text, err := back.Anchors(durable.OS); err != nil || string(text) != "anchors" {
		t.Errorf("moved: got %q, %v", text, err)
	}
}

func TestStringHidesPIN(t *testing.T) {
	c := good()
	c.Key = "pkcs11:token=x?pin-value=1234"
	c.Recovery.BootstrapKey = "pkcs11:token=y?pin-value=1234"
	if text := c.String(); strings.Contains(text, "1234") || !strings.Contains(text, "[redacted]") {
		t.Errorf("got %s", text)
	}
}
