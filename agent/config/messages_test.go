package config_test

import (
	"strings"
	"testing"
	"time"

	"mooring/agent/config"
)

func TestMessageBounds(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		name string
		edit func(*config.Config)
		want string // in the error; empty: none
	}{
		{"spool 256 KiB - 1", func(c *config.Config) { c.Spool.MaxBytes = 256<<10 - 1 }, "spool.max_bytes"},
		{"spool 256 KiB", func(c *config.Config) { c.Spool.MaxBytes = 256 << 10 }, ""},
		{"spool 1 GiB", func(c *config.Config) { c.Spool.MaxBytes = 1 << 30 }, ""},
		{"spool 1 GiB + 1", func(c *config.Config) { c.Spool.MaxBytes = 1<<30 + 1 }, "spool.max_bytes"},
		{"age -1", func(c *config.Config) { c.Spool.MaxAge = -1 }, "spool.max_age"},
		{"no age", func(c *config.Config) { c.Spool.MaxAge = 0 }, ""},
		{"ten years", func(c *config.Config) { c.Spool.MaxAge = config.Duration(3650 * day) }, ""},
		{"more", func(c *config.Config) { c.Spool.MaxAge = config.Duration(3650*day + 1) }, "spool.max_age"},
		{"drop newest", func(c *config.Config) { c.Spool.Drop = "newest" }, ""},
		{"drop both", func(c *config.Config) { c.Spool.Drop = "both" }, "spool.drop"},
		{"interval 0", func(c *config.Config) { c.Telemetry.Interval = 0 }, ""},
		{"interval 10 s - 1", func(c *config.Config) { c.Telemetry.Interval = config.Duration(10*time.Second - 1) }, "telemetry.interval"},
		{"interval 10 s", func(c *config.Config) { c.Telemetry.Interval = config.Duration(10 * time.Second) }, ""},
		{"interval 24 h", func(c *config.Config) { c.Telemetry.Interval = config.Duration(day) }, ""},
		{"interval 24 h + 1", func(c *config.Config) { c.Telemetry.Interval = config.Duration(day + 1) }, "telemetry.interval"},
		{"no disk", func(c *config.Config) { c.Telemetry.Disk = "" }, "telemetry.disk"},
		{"alarm off", func(c *config.Config) { c.Telemetry.ExpiryAlarm = 0 }, ""},
		{"alarm at half", func(c *config.Config) { c.Telemetry.ExpiryAlarm = 0.5 }, ""},
		{"alarm later", func(c *config.Config) { c.Telemetry.ExpiryAlarm = 0.51 }, "telemetry.expiry_alarm"},
		{"alarm never", func(c *config.Config) { c.Telemetry.ExpiryAlarm = -0.01 }, "telemetry.expiry_alarm"},
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
