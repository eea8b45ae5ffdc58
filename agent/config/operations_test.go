package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mooring/agent/config"
	"mooring/internal/durable"
)

// minisignKey is a minisign public key: "Ed", 8 bytes of key ID, 32 of key.
const minisignKey = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"

func named(n int) (list []config.Named) {
	for i := range n {
		list = append(list, config.Named{Name: strings.Repeat("x", i+1), Value: "/x"})
	}
	return list
}

func TestValidateOperations(t *testing.T) {
	d := func(v time.Duration) config.Duration { return config.Duration(v) }
	tests := []struct {
		name string
		edit func(*config.Operations)
		want string // part of the error; empty: valid
	}{
		{"default", func(*config.Operations) {}, ""},
		{"64 files", func(o *config.Operations) { o.Configuration.Files = named(64) }, ""},
		{"65 files", func(o *config.Operations) { o.Configuration.Files = named(65) }, "at most 64"},
		{"relative path", func(o *config.Operations) { o.Log.Files = []config.Named{{Name: "a", Value: "b"}} }, "absolute path"},
		{"comma in a type", func(o *config.Operations) { o.Log.Files = []config.Named{{Name: "a,b", Value: "/b"}} }, "no name"},
		{"type twice", func(o *config.Operations) {
			o.Log.Files = []config.Named{{Name: "a", Value: "/b"}, {Name: "a", Value: "/c"}}
		}, "twice"},
		{"max_bytes 0", func(o *config.Operations) { o.Log.MaxBytes = 0 }, "operations.log.max_bytes"},
		{"max_bytes 1", func(o *config.Operations) { o.Log.MaxBytes = 1 }, ""},
		{"max_bytes 50 MiB", func(o *config.Operations) { o.Log.MaxBytes = 50 << 20 }, ""},
		{"max_bytes above", func(o *config.Operations) { o.Log.MaxBytes = 50<<20 + 1 }, "operations.log.max_bytes"},
		{"plugin with a path", func(o *config.Operations) { o.Software.Types = []string{"../apt"} }, "no name of a plugin"},
		{"hidden plugin", func(o *config.Operations) { o.Software.Types = []string{".apt"} }, "no name of a plugin"},
		{"relative plugin", func(o *config.Operations) { o.Firmware.Plugin = "fw" }, "operations.firmware.plugin"},
		{"relative command", func(o *config.Operations) { o.Shell.Commands = []config.Named{{Name: "a", Value: "df -h"}} }, "operations.shell.commands"},
		{"command with arguments", func(o *config.Operations) { o.Shell.Commands = []config.Named{{Name: "a", Value: "/bin/df -h"}} }, ""},
		{"restart", func(o *config.Operations) { o.Restart, o.RestartCommand = true, "reboot" }, "restart_command"},
		{"timeout 1s", func(o *config.Operations) { o.Shell.Timeout = d(time.Second) }, ""},
		{"timeout below", func(o *config.Operations) { o.Shell.Timeout = d(time.Second - 1) }, "operations.shell.timeout"},
		{"timeout 24h", func(o *config.Operations) { o.Firmware.Timeout = d(24 * time.Hour) }, ""},
		{"timeout above", func(o *config.Operations) { o.Firmware.Timeout = d(24*time.Hour + 1) }, "operations.firmware.timeout"},
		{"download 0", func(o *config.Operations) { o.Download.MaxBytes = 0 }, "operations.download.max_bytes"},
		{"download 2 GiB - 1", func(o *config.Operations) { o.Download.MaxBytes = 1<<31 - 1 }, ""},
		{"key", func(o *config.Operations) { o.Download.Keys = []string{minisignKey} }, ""},
		{"key cut short", func(o *config.Operations) { o.Download.Keys = []string{minisignKey[:52]} }, "no minisign"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good()
			tt.edit(&c.Operations)
			err := c.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

const operationsText = `server = 'x'
[operations]
restart = true
[operations.configuration]
files = ["mosquitto = /etc/mosquitto/mosquitto.conf", "a=/b=c"]
[operations.shell]
commands = ["disk=/bin/df -h"]
`

// The agent and the helper read the section alike.
func TestLoadOperations(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.toml")
	if err := os.WriteFile(file, []byte(operationsText), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(durable.OS, dir, file, true)
	if err != nil {
		t.Fatal(err)
	}
	helper, err := config.LoadOperations([]byte(operationsText))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []config.Operations{c.Operations, helper} {
		path, ok := config.Find(o.Configuration.Files, "mosquitto")
		if !o.Restart || !ok || path != "/etc/mosquitto/mosquitto.conf" || !slices.Equal(config.Names(o.Configuration.Files), []string{"mosquitto", "a"}) {
			t.Errorf("got %+v", o)
		}
		if path, _ := config.Find(o.Configuration.Files, "a"); path != "/b=c" {
			t.Errorf("a value with =: got %q", path)
		}
	}
	for _, bad := range []string{"[operations]\nrestat = true", "[operations.log]\nfiles = ['x']", "[operations.log]\nfiles = ['=x']"} {
		if _, err := config.LoadOperations([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
}

// The example of the documentation is a configuration.
func TestDocumentedOperations(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```toml\n")
	example, _, found := strings.Cut(rest, "```")
	o, err := config.LoadOperations([]byte(example))
	if err != nil || !found || len(o.Shell.Commands) != 2 || len(o.Download.Keys) != 1 {
		t.Errorf("got %+v, %v", o, err)
	}
}
