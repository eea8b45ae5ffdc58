package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"mooring/internal/durable"
	"mooring/internal/lifecycle"
	"mooring/internal/secret"
)

// secondOTPFile is where the second one-time password waits, in the state
// directory.
const secondOTPFile = "second.otp"

// Recovery says by which ways a device that has no certificate in force may get
// one without a person. They are tried in this order.
type Recovery struct {
	// Expired allows asking by the certificate that has expired: servers accept it
	// for a while.
	Expired bool `toml:"expired"`
	// BootstrapCertificate is a PEM file with the certificate from the factory,
	// leaf first, whose issuer the server trusts and whose CN is the device ID. A
	// device without identity enrols by it, too. Empty: there is none.
	BootstrapCertificate string `toml:"bootstrap_certificate"`
	// BootstrapKey is where its key is: the URI of a key store, or a PEM file.
	// Empty: in the key store of the device.
	BootstrapKey string `toml:"bootstrap_key"`
	// StoredOTP allows the one-time password in the file second.otp of the state
	// directory, where enrol --second-otp-file puts it. It works once.
	StoredOTP bool `toml:"stored_otp"`
	// NewOTP allows enrol --new-otp: the device makes a one-time password and
	// shows the link by which it is registered.
	NewOTP bool `toml:"new_otp"`
}

func (c *Config) validateRecovery() error {
	if c.Recovery.BootstrapKey != "" && c.Recovery.BootstrapCertificate == "" {
		return errors.New("recovery.bootstrap_key: is set, and recovery.bootstrap_certificate is not")
	}
	_, err := c.Renewal.Windows()
	return err
}

// SecondOTPPath is the file of the second one-time password.
func (c *Config) SecondOTPPath() string { return filepath.Join(c.State, secondOTPFile) }

// SecondOTP reads it. The error is fs.ErrNotExist if there is none.
func (c *Config) SecondOTP(fsys durable.FS) (secret.String, error) {
	return readSecret(fsys, c.SecondOTPPath())
}

// SaveSecondOTP keeps it for the day when nothing else works.
func (c *Config) SaveSecondOTP(fsys durable.FS, otp secret.String) error {
	return durable.WriteFile(fsys, c.SecondOTPPath(), []byte(otp.Reveal()+"\n"), 0o600)
}

// Bootstrap reads the file of the certificate from the factory.
func (c *Config) Bootstrap(fsys durable.FS) ([]byte, error) {
	return readBounded(fsys, c.Recovery.BootstrapCertificate)
}

// BootstrapKeyFile reads the PEM file of its key, which others must not be able
// to read; nil if the key is in a store.
func (c *Config) BootstrapKeyFile(fsys durable.FS) ([]byte, error) {
	if k := c.Recovery.BootstrapKey; k == "" || strings.Contains(k, ":") {
		return nil, nil
	}
	if err := notOthers(fsys, c.Recovery.BootstrapKey); err != nil {
		return nil, err
	}
	return readBounded(fsys, c.Recovery.BootstrapKey)
}

// weekdays in the order of lifecycle.MaintenanceWindow.
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Windows reads the maintenance windows.
func (r *Renewal) Windows() (list [lifecycle.MaxMaintenance]lifecycle.MaintenanceWindow, err error) {
	if len(r.Maintenance) > len(list) {
		return list, fmt.Errorf("renewal.maintenance: must be at most %d windows", len(list))
	}
	for i, text := range r.Maintenance {
		if list[i], err = parseWindow(text); err != nil {
			return list, fmt.Errorf("renewal.maintenance: %q: %w", text, err)
		}
	}
	return list, nil
}

// parseWindow reads "DAYS HH:MM-HH:MM": days are daily, a weekday, a range or a
// list of these; an end before the beginning is on the day after.
func parseWindow(text string) (w lifecycle.MaintenanceWindow, err error) {
	days, hours, ok := strings.Cut(text, " ")
	from, to, ok2 := strings.Cut(strings.TrimSpace(hours), "-")
	if !ok || !ok2 {
		return w, errors.New("must be like Mon-Fri 02:00-04:00, in UTC")
	}
	if w.Days, err = parseDays(strings.ToLower(days)); err != nil {
		return w, err
	}
	begin, err := parseMinute(from)
	if err != nil {
		return w, err
	}
	end, err := parseMinute(to)
	if err != nil || begin == 24*60 {
		return w, fmt.Errorf("%s-%s is no time of day", from, to)
	}
	if end <= begin {
		end += 24 * 60
	}
	w.Start, w.Length = uint16(begin), uint16(end-begin)
	return w, nil
}

func parseMinute(text string) (int, error) {
	if text == "24:00" {
		return 24 * 60, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("%q is no time of day, as 02:00 is", text)
	}
	return t.Hour()*60 + t.Minute(), nil
}

func parseDays(text string) (mask uint8, err error) {
	if text == "daily" {
		return 1<<len(weekdays) - 1, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, b := weekday(first), weekday(last)
		if a < 0 || b < 0 {
			return 0, fmt.Errorf("%q is no day, as Mon, Mon-Fri or daily are", part)
		}
		for d := a; ; d = (d + 1) % len(weekdays) {
			mask |= 1 << d
			if d == b {
				break
			}
		}
	}
	return mask, nil
}

func weekday(name string) int {
	for i, w := range weekdays {
		if name == w {
			return i
		}
	}
	return -1
}
