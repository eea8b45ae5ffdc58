package config

import (
	"errors"
	"time"
)

// Spool bounds the messages that wait on the disk for the server.
type Spool struct {
	// MaxBytes bounds the files together, 262144 (256 KiB) to 1073741824 (1 GiB).
	MaxBytes int `toml:"max_bytes"`
	// MaxAge is when a message is too old to be sent; zero: never.
	MaxAge Duration `toml:"max_age"`
	// Drop says what goes when there is no room: "oldest" or "newest" messages.
	Drop string `toml:"drop"`
}

// Telemetry is what the agent measures of the device and of itself.
type Telemetry struct {
	// Interval is between measurements of processor, memory, disk, network,
	// temperature, certificate and spool, 10 s to 24 h; zero: there are none.
	Interval Duration `toml:"interval"`
	// Disk is a path on the file system that is measured.
	Disk string `toml:"disk"`
	// ExpiryAlarm is the part of the certificate's life that is left when an alarm
	// is raised, because by then it should have been renewed; 0 to 0.5, zero: never.
	ExpiryAlarm float64 `toml:"expiry_alarm"`
}

// What goes when the spool is full.
const (
	DropOldest = "oldest"
	DropNewest = "newest"
)

// The bounds of the spool: fewer bytes have no room for a few segments, and what
// waits for ten years is of no use.
const (
	minSpool    = 256 << 10
	maxSpool    = 1 << 30
	maxSpoolAge = 10 * 365 * 24 * time.Hour
)

func (c *Config) validateSpool() error {
	var errs []error
	if b := c.Spool.MaxBytes; b < minSpool || b > maxSpool {
		errs = append(errs, errors.New("spool.max_bytes: must be 262144 to 1073741824"))
	}
	if d := c.Spool.Drop; d != DropOldest && d != DropNewest {
		errs = append(errs, errors.New("spool.drop: must be oldest or newest"))
	}
	return errors.Join(append(errs, within("spool.max_age", c.Spool.MaxAge, 0, maxSpoolAge))...)
}

// ValidInterval judges an interval between measurements.
func ValidInterval(d Duration) error {
	if d == 0 {
		return nil
	}
	return within("telemetry.interval", d, 10*time.Second, 24*time.Hour)
}

func (c *Config) validateTelemetry() error {
	errs := []error{ValidInterval(c.Telemetry.Interval)}
	if c.Telemetry.Disk == "" {
		errs = append(errs, errors.New("telemetry.disk: is not set"))
	}
	if a := c.Telemetry.ExpiryAlarm; !(a >= 0 && a <= 0.5) {
		errs = append(errs, errors.New("telemetry.expiry_alarm: must be 0 to 0.5"))
	}
	return errors.Join(errs...)
}
