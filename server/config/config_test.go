package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/server/config"
)

func TestValidate(t *testing.T) {
	valid := func() config.Config {
		c := config.DefaultDev()
		c.Data = "/var/lib/x"
		return c
	}
	tests := []struct {
		name    string
		change  func(*config.Config)
		wantErr string // part of the text a person sees; empty: accepted
	}{
		{name: "development defaults", change: func(*config.Config) {}},
		{name: "no data", change: func(c *config.Config) { c.Data = "" }, wantErr: "--data"},
		{name: "dev on a public address", change: func(c *config.Config) { c.Listeners.HTTPS = "192.0.2.1:443" }, wantErr: "loopback"},
		{name: "dev on every address", change: func(c *config.Config) { c.Listeners.MQTTS = ":8883" }, wantErr: "loopback"},
		{name: "dev on IPv6 loopback", change: func(c *config.Config) { c.Listeners.MQTTS = "[::1]:8883" }},
		{name: "dev with plain MQTT on every address", change: func(c *config.Config) { c.Listeners.MQTT = ":1883" }, wantErr: "listeners.mqtt"},
		{name: "dev with plain service on every address", change: func(c *config.Config) { c.Listeners.ServicePlain = ":2883" }, wantErr: "listeners.service_plain"},
		{name: "the service alone", change: func(c *config.Config) { c.Listeners = config.Listeners{Service: "127.0.0.1:9883"} }},
		{name: "admin on a public address", change: func(c *config.Config) {
			c.Dev, c.TLS = false, config.TLS{Certificate: "c", Key: "k"}
			c.Listeners.Admin = ":9090"
		}, wantErr: "listeners.admin"},
		{name: "field without certificate", change: func(c *config.Config) { c.Dev = false }, wantErr: "tls.certificate"},
		{name: "no port", change: func(c *config.Config) { c.Listeners.MTLS = "127.0.0.1" }, wantErr: "listeners.mtls"},
		{name: "all off", change: func(c *config.Config) { c.Listeners = config.Listeners{} }, wantErr: "every listener is off"},
		{name: "zero handshakes", change: func(c *config.Config) { c.Limits.Handshakes = 0 }, wantErr: "limits"},
		{name: "mail", change: func(c *config.Config) {
			c.Mail = config.Mail{Server: "relay:25", From: "m@example.com", To: []string{"a@example.com"}}
		}},
		{name: "mail without server", change: func(c *config.Config) { c.Mail.To = []string{"a@example.com"} }, wantErr: "mail"},
		{name: "mail without sender", change: func(c *config.Config) {
			c.Mail = config.Mail{Server: "relay:25", To: []string{"a@example.com"}}
		}, wantErr: "mail"},
		{name: "public is no URL", change: func(c *config.Config) { c.Names.Public = "example.com" }, wantErr: "names.public"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := valid()
			tt.change(&c)
			err := c.Validate()
			if tt.wantErr == "" && err != nil {
				t.Fatalf("Validate() = %v, want nil", err)
			}
			if tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Fatalf("Validate() = %v, want an error with %q", err, tt.wantErr)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	tests := []struct {
		name, text string
		wantHTTPS  string
		wantErr    string
	}{
		{name: "empty keeps defaults", wantHTTPS: ":443"},
		{name: "one key", text: "[listeners]\nhttps = \":8444\"\n", wantHTTPS: ":8444"},
		{name: "unknown key", text: "[listeners]\nhtps = \":1\"\n", wantErr: "htps"},
		{name: "unknown section", text: "[listener]\nhttps = \":1\"\n", wantErr: "listener"},
		{name: "dev is no key of the file", text: "dev = true\n", wantErr: "dev"},
		{name: "no TOML", text: "{", wantErr: "configuration"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "server.toml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := config.Load(path, config.Default())
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("Load() error = %v, want one with %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Listeners.HTTPS != tt.wantHTTPS {
				t.Errorf("https = %q, want %q", got.Listeners.HTTPS, tt.wantHTTPS)
			}
		})
	}
}
