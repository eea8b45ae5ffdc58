package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"mooring/internal/minisign"
)

// DefaultHelper is the socket of the root helper.
const DefaultHelper = "/run/mooring-helper.sock"

// Operations says which operations the server may ask for. All are off unless
// they are named here. The root helper reads the same section, from the
// configuration file alone and only if nobody but root can write it: what it
// does for the agent, root has allowed.
type Operations struct {
	// Restart allows c8y_Restart.
	Restart bool `toml:"restart"`
	// RestartCommand is what the helper runs for it: a program and its
	// arguments, separated by blanks.
	RestartCommand string `toml:"restart_command"`
	// Renew allows mooring_RenewCertificate: a new certificate now.
	Renew bool `toml:"renew"`
	// MeasurementInterval allows c8y_MeasurementPollFrequencyOperation, which
	// sets how often the agent measures.
	MeasurementInterval bool `toml:"measurement_interval"`
	// Helper is the socket of the root helper.
	Helper string `toml:"helper"`

	Configuration Configuration `toml:"configuration"`
	Log           Log           `toml:"log"`
	Software      Software      `toml:"software"`
	Firmware      Firmware      `toml:"firmware"`
	Shell         Shell         `toml:"shell"`
	Download      Download      `toml:"download"`
}

// Configuration allows c8y_UploadConfigFile and c8y_DownloadConfigFile.
type Configuration struct {
	// Files are type and path: "mosquitto=/etc/mosquitto/mosquitto.conf".
	Files []Named `toml:"files"`
	// Apply are type and program, run when a file of that type was replaced:
	// "mosquitto=/usr/bin/systemctl reload mosquitto". If it fails, the file
	// before is put back and the program runs again.
	Apply []Named `toml:"apply"`
	// MaxBytes bounds one file, at most 50 MiB.
	MaxBytes int `toml:"max_bytes"`
}

// Log allows c8y_LogfileRequest.
type Log struct {
	// Files are type and path: "syslog=/var/log/syslog". A path may be a pattern,
	// as /var/log/app*.log is; compressed files are left out.
	Files []Named `toml:"files"`
	// MaxBytes bounds what is uploaded at once, at most 50 MiB; the newest lines
	// are kept.
	MaxBytes int `toml:"max_bytes"`
}

// Software allows c8y_SoftwareUpdate and reports what is installed.
type Software struct {
	// Types are the kinds of software, each the name of a plugin in Plugins. The
	// first is that of software whose type the server does not say. Empty
	// switches it off.
	Types []string `toml:"types"`
	// Plugins is the directory of the plugins.
	Plugins string `toml:"plugins"`
	// Timeout bounds one update.
	Timeout Duration `toml:"timeout"`
}

// Firmware allows c8y_Firmware.
type Firmware struct {
	// Plugin is the program that installs firmware. Empty switches it off.
	Plugin string `toml:"plugin"`
	// Timeout bounds one installation, without the download.
	Timeout Duration `toml:"timeout"`
}

// Shell allows c8y_Command for a list of commands.
type Shell struct {
	// Commands are each a name, which is what the server sends, and a program with
	// its arguments: "disk=/bin/df -h". No shell is involved. Empty switches it off.
	Commands []Named `toml:"commands"`
	// Timeout is what one command may take.
	Timeout Duration `toml:"timeout"`
}

// Download bounds what firmware, software and configurations are fetched from.
type Download struct {
	// MaxBytes bounds one file.
	MaxBytes int `toml:"max_bytes"`
	// Hosts may, beside the server itself, bring files that have neither digest
	// nor signature. From any other host only files with one are taken.
	Hosts []string `toml:"hosts"`
	// Keys are minisign public keys, as "RWQ…". If there is one, firmware and
	// software must be signed by one of them.
	Keys []string `toml:"keys"`
}

// Named is a name with what it stands for, written "name=value".
type Named struct{ Name, Value string }

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *Named) UnmarshalText(text []byte) error {
	name, value, ok := strings.Cut(string(text), "=")
	if !ok || name == "" || value == "" {
		return fmt.Errorf("%q must be a name, = and what it stands for", text)
	}
	*n = Named{strings.TrimSpace(name), strings.TrimSpace(value)}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (n Named) MarshalText() ([]byte, error) { return []byte(n.Name + "=" + n.Value), nil }

// Find returns what name stands for.
func Find(list []Named, name string) (value string, ok bool) {
	for _, n := range list {
		if n.Name == name {
			return n.Value, true
		}
	}
	return "", false
}

// Names lists the names.
func Names(list []Named) []string {
	names := make([]string, len(list))
	for i, n := range list {
		names[i] = n.Name
	}
	return names
}

func defaultOperations() Operations {
	return Operations{
		RestartCommand: "/usr/bin/systemctl --no-block reboot",
		Helper:         DefaultHelper,
		Configuration:  Configuration{MaxBytes: 1 << 20},
		Log:            Log{MaxBytes: 8 << 20},
		Software:       Software{Plugins: "/usr/lib/mooring/software", Timeout: Duration(time.Hour)},
		Firmware:       Firmware{Timeout: Duration(time.Hour)},
		Shell:          Shell{Timeout: Duration(5 * time.Minute)},
		Download:       Download{MaxBytes: 1 << 30},
	}
}

const (
	// maxNamed bounds each list of the section; a type travels in one message
	// with all others (118, 119).
	maxNamed = 64
	// maxFile is what the platform takes as an attachment (rest.md §6.5).
	maxFile = 50 << 20
	// maxDownload keeps sizes within an int of 32 bits.
	maxDownload = 1<<31 - 1
	// maxOperation bounds one operation's programs.
	maxOperation = 24 * time.Hour
)

func (c *Config) validateOperations() error {
	o := &c.Operations
	errs := []error{
		validateFiles("operations.configuration", o.Configuration.Files, o.Configuration.MaxBytes),
		validateNamed("operations.configuration.apply", o.Configuration.Apply),
		validateFiles("operations.log", o.Log.Files, o.Log.MaxBytes),
		o.Software.validate(), o.Download.validate(),
		validateNamed("operations.shell.commands", o.Shell.Commands),
		within("operations.software.timeout", o.Software.Timeout, time.Second, maxOperation),
		within("operations.firmware.timeout", o.Firmware.Timeout, time.Second, maxOperation),
		within("operations.shell.timeout", o.Shell.Timeout, time.Second, maxOperation),
		absolute("operations.helper", o.Helper),
	}
	if program, _, _ := strings.Cut(o.RestartCommand, " "); o.Restart {
		errs = append(errs, absolute("operations.restart_command", program))
	}
	if o.Firmware.Plugin != "" {
		errs = append(errs, absolute("operations.firmware.plugin", o.Firmware.Plugin))
	}
	return errors.Join(errs...)
}

func validateFiles(name string, files []Named, maxBytes int) error {
	if maxBytes < 1 || maxBytes > maxFile {
		return fmt.Errorf("%s.max_bytes: must be 1 to %d", name, maxFile)
	}
	return validateNamed(name+".files", files)
}

func (s Software) validate() error {
	if len(s.Types) == 0 {
		return nil
	}
	errs := []error{absolute("operations.software.plugins", s.Plugins)}
	if len(s.Types) > maxNamed {
		errs = append(errs, fmt.Errorf("operations.software.types: must be at most %d", maxNamed))
	}
	for _, t := range s.Types {
		if !plainName(t) || strings.ContainsAny(t, "/") || strings.HasPrefix(t, ".") {
			errs = append(errs, fmt.Errorf("operations.software.types: %q is no name of a plugin", t))
		}
	}
	return errors.Join(errs...)
}

func (d Download) validate() error {
	var errs []error
	if d.MaxBytes < 1 || d.MaxBytes > maxDownload {
		errs = append(errs, fmt.Errorf("operations.download.max_bytes: must be 1 to %d", maxDownload))
	}
	if len(d.Hosts) > maxNamed || len(d.Keys) > maxNamed {
		errs = append(errs, fmt.Errorf("operations.download.hosts, keys: must be at most %d", maxNamed))
	}
	for _, k := range d.Keys {
		if _, err := minisign.ParsePublicKey(k); err != nil {
			errs = append(errs, fmt.Errorf("operations.download.keys: %q: %w", k, err))
		}
	}
	return errors.Join(errs...)
}

// validateNamed also wants absolute paths: each value is one, or begins with
// that of a program.
func validateNamed(name string, list []Named) error {
	var errs []error
	if len(list) > maxNamed {
		errs = append(errs, fmt.Errorf("%s: must be at most %d", name, maxNamed))
	}
	seen := map[string]bool{}
	for _, n := range list {
		switch {
		case seen[n.Name]:
			errs = append(errs, fmt.Errorf("%s: %q is there twice", name, n.Name))
		case !plainName(n.Name):
			errs = append(errs, fmt.Errorf("%s: %q is no name", name, n.Name))
		}
		seen[n.Name] = true
		program, _, _ := strings.Cut(n.Value, " ")
		errs = append(errs, absolute(name, program))
	}
	return errors.Join(errs...)
}

// plainName accepts what travels unquoted in a line.
func plainName(s string) bool {
	return s != "" && len(s) <= maxText && s == strings.TrimSpace(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == ',' || r == '"' || r == '\uFFFD'
	})
}

func absolute(name, path string) error {
	if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		return fmt.Errorf("%s: %q must be an absolute path", name, path)
	}
	return nil
}

// LoadOperations reads the section for the root helper, from file alone. The
// settings that the agent can write never count.
func LoadOperations(text []byte) (Operations, error) {
	c := Default()
	if err := readTOML(text, &c); err != nil {
		return Operations{}, err
	}
	return c.Operations, c.validateOperations()
}
