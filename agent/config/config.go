// Package config reads and checks the agent's configuration. The documented
// struct is its manual.
//
// A value comes from the flag, else the configuration file, else what enrol
// noted in the state directory, else the default. An unknown key is an error; a
// key that is absent keeps its default.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mooring/hsm/key"
	"mooring/internal/deviceid"
	"mooring/internal/durable"
)

// The places where things are unless told otherwise.
const (
	DefaultState = "/var/lib/mooring"
	DefaultFile  = "/etc/mooring/agent.toml"

	settingsFile = "settings.toml"
	anchorsFile  = "ca.pem"

	// maxFileBytes bounds a configuration file and a file of trust anchors.
	maxFileBytes = 256 << 10
)

// Values of Config.Attestation.
const (
	AttestationOff       = "off"
	AttestationWhenAsked = "when-asked"
	AttestationAlways    = "always"
)

// Config is everything an operator can set.
type Config struct {
	// State is the directory for identity, keys and the socket. Set by --state.
	State string `toml:"-"`

	// Server is the host name of the tenant, without scheme and port.
	Server string `toml:"server"`
	// Addresses are hosts, names or IP addresses, where the server is reached in
	// place of its own name: each in turn until one answers, which then stays in
	// use. The server's certificate must name Server all the same.
	Addresses []string `toml:"addresses"`
	// HTTPSPort is the port of REST and EST.
	HTTPSPort int `toml:"https_port"`
	// MTLSPort is the port of HTTPS that asks for the client certificate. Zero
	// if the server has none: then renewal depends on the device token.
	MTLSPort int `toml:"mtls_port"`
	// MQTTSPort is the port of MQTT over TLS.
	MQTTSPort int `toml:"mqtts_port"`
	// CA is a PEM file with the trust anchors of the server's own certificate.
	// Empty means those of the system.
	CA string `toml:"ca"`

	// DeviceID is the external ID of the device and the CN of its certificate.
	DeviceID string `toml:"device_id"`
	// Name and Type are how the device introduces itself. The name defaults to
	// the device ID.
	Name string `toml:"name"`
	Type string `toml:"type"`
	// SupportedOperations are announced to the server; empty announces none.
	SupportedOperations []string `toml:"supported_operations"`
	// RequiredInterval is within which time the server must hear of the device,
	// or it counts as unavailable. Whole minutes; zero leaves it to the server.
	RequiredInterval Duration `toml:"required_interval"`

	// Key is the URI of the key store. Empty means the directory "keys" in the
	// state directory.
	Key string `toml:"key"`
	// KeyAlgorithm is the kind of the next key: ecdsa-p256, ecdsa-p384, rsa-2048,
	// rsa-3072 or rsa-4096. Empty means ecdsa-p256, or what the key store has in
	// its place.
	KeyAlgorithm string `toml:"key_algorithm"`
	// Attestation says when a key in a TPM is proved to the server to be there:
	// when-asked, if the server asks for it where the device enrols; always, which
	// fails where the server cannot take the proof; or off.
	Attestation string `toml:"attestation"`
	// Rekey makes a new key at each renewal.
	Rekey bool `toml:"rekey"`

	// KeepAlive is that of MQTT, 5 s to 18 h.
	KeepAlive Duration `toml:"keep_alive"`
	// Renewal says when the certificate is renewed.
	Renewal Renewal `toml:"renewal"`
	// Recovery says how a device without certificate in force gets one.
	Recovery Recovery `toml:"recovery"`
	// ClockCheck is how often deadlines are compared with the wall clock, which
	// may have jumped or stood still while the device slept.
	ClockCheck Duration `toml:"clock_check"`
	// LogLevel is debug, info, warn or error.
	LogLevel string `toml:"log_level"`
	// Spool bounds the messages that wait on the disk for the server.
	Spool Spool `toml:"spool"`
	// Telemetry is what the agent measures of the device and of itself.
	Telemetry Telemetry `toml:"telemetry"`
	// Proxy is what stands between device and server.
	Proxy Proxy `toml:"proxy"`

	// Local is what other programs on the device may do.
	Local Local `toml:"local"`
	// Operations are what the server may ask the device to do.
	Operations Operations `toml:"operations"`
}

// Renewal says when the certificate is renewed.
type Renewal struct {
	// Left is the part of the certificate's life that is left when renewal
	// starts, 0.05 to 0.95. A small jitter, stable for a device, spreads fleets.
	Left float64 `toml:"left"`
	// MinSpacing is the shortest time between two certificates nobody asked for.
	MinSpacing Duration `toml:"min_spacing"`
	// Maintenance are at most four windows in which a certificate that is due may
	// be renewed, in UTC, as "Mon-Fri 02:00-04:00" or "daily 23:00-01:00". Empty:
	// at any time. A certificate that has a twentieth of its life left, or would
	// have before the next window opens, is renewed all the same.
	Maintenance []string `toml:"maintenance"`
}

// Default returns the configuration of an agent that was told nothing.
func Default() Config {
	return Config{
		State:       DefaultState,
		HTTPSPort:   443,
		MTLSPort:    8443,
		MQTTSPort:   8883,
		Attestation: AttestationWhenAsked,
		Rekey:       true,
		KeepAlive:   Duration(time.Minute),
		Renewal:     Renewal{Left: 1.0 / 3, MinSpacing: Duration(time.Hour)},
		Recovery:    Recovery{Expired: true, StoredOTP: true, NewOTP: true},
		ClockCheck:  Duration(time.Minute),
		Type:        "mooring",
		LogLevel:    "info",
		Operations:  defaultOperations(),
		Local:       defaultLocal(),
		Spool:       Spool{MaxBytes: 4 << 20, MaxAge: Duration(7 * 24 * time.Hour), Drop: DropOldest},
		Telemetry:   Telemetry{Disk: "/", ExpiryAlarm: 1.0 / 6},
	}
}

// Duration is a time.Duration written as "90s" or "10m".
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration, as 90s or 10m is", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Load puts the file, and below it what enrol noted in state, over the
// defaults. An explicit file must exist. The result is not validated, because
// flags may follow.
func Load(fsys durable.FS, state, file string, explicit bool) (Config, error) {
	c := Default()
	c.State = state
	if err := c.merge(fsys, filepath.Join(state, settingsFile), false); err != nil {
		return c, &fileError{err, "enrol wrote this file: restore it, or remove it and set server, ports, ca and device_id in the configuration file"}
	}
	if filepath.Base(c.CA) == anchorsFile { // it is beside, wherever the directory has moved to
		c.CA = filepath.Join(state, filepath.Base(c.CA))
	}
	if err := c.merge(fsys, file, explicit); err != nil {
		return c, &fileError{err, "correct the file; mooring-agent config check tries it"}
	}
	return c, nil
}

// fileError is an error about a file, with advice for a person.
type fileError struct {
	error
	hint string
}

// Hint says what to do.
func (e *fileError) Hint() string { return e.hint }

// Unwrap returns the error itself.
func (e *fileError) Unwrap() error { return e.error }

func (c *Config) merge(fsys durable.FS, path string, must bool) error {
	text, err := readBounded(fsys, path)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return nil
	}
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if text, err = bare(text); err != nil {
		return fmt.Errorf("configuration %s: %w", path, err)
	}
	if err := readTOML(text, c); err != nil {
		return fmt.Errorf("configuration %s: %w", path, err)
	}
	return nil
}

// bare takes off the mark that some editors put before UTF-8, and names UTF-16,
// which others write, for what it is.
func bare(text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, errors.New("the file is UTF-16: save it as UTF-8")
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil
}

func readBounded(fsys durable.FS, path string) ([]byte, error) {
	if info, err := fsys.Lstat(path); err != nil {
		return nil, err
	} else if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, maxFileBytes)
	}
	text, err := fsys.ReadFile(path)
	if len(text) > maxFileBytes { // what is no file has no size
		return nil, fmt.Errorf("%s is longer than %d bytes", path, maxFileBytes)
	}
	return text, err
}

// settings is the part of Config that belongs to an identity.
type settings struct {
	Server    string `toml:"server"`
	HTTPSPort int    `toml:"https_port"`
	MTLSPort  int    `toml:"mtls_port"`
	MQTTSPort int    `toml:"mqtts_port"`
	CA        string `toml:"ca"`
	DeviceID  string `toml:"device_id"`
	Key       string `toml:"key"`
}

// keySettings are noted only if they were set, so that an older agent reads them.
type keySettings struct {
	Algorithm string `toml:"key_algorithm"`
}

// AnchorsHint is what to do about trust anchors that cannot be read.
const AnchorsHint = "name a PEM file with the trust anchors of the server's certificate: --ca of enrol, ca in the configuration"

// Save notes in the state directory where and as whom the device enrols, so
// that it needs no configuration file afterwards. The trust anchors are copied:
// the file may be on a stick.
func (c *Config) Save(fsys durable.FS) error {
	if c.CA != "" {
		text, err := readBounded(fsys, c.CA)
		if err != nil {
			return &fileError{fmt.Errorf("trust anchors: %w", err), AnchorsHint}
		}
		own := filepath.Join(c.State, anchorsFile)
		if err := durable.WriteFile(fsys, own, text, 0o644); err != nil {
			return err
		}
		c.CA = own
	}
	text := "# Written by mooring-agent enrol. The configuration file wins over it.\n" +
		writeTOML(settings{c.Server, c.HTTPSPort, c.MTLSPort, c.MQTTSPort, c.CA, c.DeviceID, c.Key})
	if c.KeyAlgorithm != "" {
		text += writeTOML(keySettings{c.KeyAlgorithm})
	}
	if c.Attestation != Default().Attestation {
		text += writeTOML(struct {
			Attestation string `toml:"attestation"`
		}{c.Attestation})
	}
	return durable.WriteFile(fsys, filepath.Join(c.State, settingsFile), []byte(text), 0o644)
}

// Anchors reads the file of trust anchors, nil if none is set.
func (c *Config) Anchors(fsys durable.FS) ([]byte, error) {
	if c.CA == "" {
		return nil, nil
	}
	return readBounded(fsys, c.CA)
}

// KeyURI returns the key store's URI. The key files of a TPM are in the directory
// "keys" of the state directory unless the URI names another.
func (c *Config) KeyURI() string {
	dir, err := filepath.Abs(filepath.Join(c.State, "keys"))
	if err != nil {
		dir = filepath.Join(c.State, "keys")
	}
	switch {
	case c.Key == "":
		return "file:" + dir
	case strings.HasPrefix(c.Key, "tpm:") && !strings.Contains(c.Key, "dir="):
		join := "?"
		if strings.Contains(c.Key, "?") {
			join = "&"
		}
		return c.Key + join + "dir=" + url.QueryEscape(dir)
	}
	return c.Key
}

// Address joins the server with a port; empty for port 0.
func (c *Config) Address(port int) string {
	if port == 0 {
		return ""
	}
	return net.JoinHostPort(c.Server, strconv.Itoa(port))
}

// DisplayName returns the name of the device.
func (c *Config) DisplayName() string {
	if c.Name != "" {
		return c.Name
	}
	return c.DeviceID
}

// Level returns the log level.
func (c *Config) Level() slog.Level {
	var l slog.Level
	_ = l.UnmarshalText([]byte(c.LogLevel))
	return l
}

// String prints the configuration as TOML. A key URI may hold a PIN, so what
// follows a question mark is left out.
func (c Config) String() string {
	for _, uri := range []*string{&c.Key, &c.Recovery.BootstrapKey} {
		if head, _, found := strings.Cut(*uri, "?"); found {
			*uri = head + "?[redacted]"
		}
	}
	return fmt.Sprintf("# state directory: %s\n%s", c.State, writeTOML(c))
}

// Validate names everything that is wrong.
func (c *Config) Validate() error {
	errs := []error{
		c.validateServer(), c.validateAddresses(), c.validateProxy(), c.validateDevice(), c.validateRecovery(), c.validateOperations(),
		within("keep_alive", c.KeepAlive, 5*time.Second, 65535*time.Second), // MQTT 3.1.1 §3.1.2.10: 16 bits of seconds
		within("clock_check", c.ClockCheck, time.Second, 24*time.Hour),
		within("renewal.min_spacing", c.Renewal.MinSpacing, 0, 30*24*time.Hour),
	}
	errs = append(errs, c.validateSpool(), c.validateTelemetry(), c.validateLocal())
	if !(c.Renewal.Left >= 0.05 && c.Renewal.Left <= 0.95) {
		errs = append(errs, errors.New("renewal.left: must be 0.05 to 0.95"))
	}
	if !slices.Contains([]string{AttestationOff, AttestationWhenAsked, AttestationAlways}, c.Attestation) {
		errs = append(errs, errors.New("attestation: must be off, when-asked or always"))
	} else if c.Attestation == AttestationAlways && !strings.HasPrefix(c.Key, "tpm:") {
		errs = append(errs, errors.New("attestation: always wants a key store that can prove where its keys are, tpm: does"))
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		errs = append(errs, errors.New("log_level: must be debug, info, warn or error"))
	}
	if c.Key != "" && !strings.Contains(c.Key, ":") {
		errs = append(errs, errors.New("key: must be a URI, as file:/var/lib/mooring/keys is"))
	}
	if _, err := key.ParseAlgorithm(c.KeyAlgorithm); err != nil {
		errs = append(errs, fmt.Errorf("key_algorithm: %w", err))
	}
	return errors.Join(errs...)
}

func within(name string, d Duration, low, high time.Duration) error {
	if v := time.Duration(d); v < low || v > high {
		return fmt.Errorf("%s: must be %v to %v", name, low, high)
	}
	return nil
}

func (c *Config) validateServer() error {
	var errs []error
	if c.Server == "" {
		errs = append(errs, errors.New("server: is not set"))
	} else if !isHost(c.Server) || strings.Contains(c.Server, "%") {
		errs = append(errs, errors.New("server: must be a host name or an IP address, without scheme, port and path"))
	}
	for _, p := range []struct {
		name string
		port int
		low  int
	}{{"https_port", c.HTTPSPort, 1}, {"mtls_port", c.MTLSPort, 0}, {"mqtts_port", c.MQTTSPort, 1}} {
		if p.port < p.low || p.port > 65535 {
			errs = append(errs, fmt.Errorf("%s: must be %d to 65535", p.name, p.low))
		}
	}
	return errors.Join(errs...)
}

// maxText bounds name, type and operations, which travel in one message.
const (
	maxText       = 256
	maxOperations = 64
	maxInterval   = 32767 * time.Minute // mqtt.md §4.2, template 117: 16 bits
)

func (c *Config) validateDevice() error {
	var errs []error
	if c.DeviceID == "" {
		errs = append(errs, errors.New("device_id: is not set"))
	} else if err := deviceid.ValidExternalID(c.DeviceID); err != nil {
		errs = append(errs, fmt.Errorf("device_id: %w", err))
	}
	if len(c.Name) > maxText || len(c.Type) > maxText {
		errs = append(errs, fmt.Errorf("name, type: must be at most %d bytes", maxText))
	}
	if len(c.SupportedOperations) > maxOperations {
		errs = append(errs, fmt.Errorf("supported_operations: must be at most %d", maxOperations))
	}
	for _, o := range c.SupportedOperations {
		if o == "" || len(o) > maxText || strings.ContainsAny(o, ",\"\r\n") {
			errs = append(errs, fmt.Errorf("supported_operations: %q is no name of an operation", o))
		}
	}
	if d := time.Duration(c.RequiredInterval); d%time.Minute != 0 {
		errs = append(errs, errors.New("required_interval: must be whole minutes"))
	}
	errs = append(errs, within("required_interval", c.RequiredInterval, 0, maxInterval))
	return errors.Join(errs...)
}
