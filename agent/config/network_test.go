package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mooring/agent/config"
	"mooring/internal/durable"
)

func TestValidateNetwork(t *testing.T) {
	tests := []struct {
		name string
		edit func(*config.Config)
		want string // part of the error; empty: valid
	}{
		{"IPv4", func(c *config.Config) { c.Server = "192.0.2.1" }, ""},
		{"IPv6", func(c *config.Config) { c.Server = "2001:db8::1" }, ""},
		{"IPv6 in brackets", func(c *config.Config) { c.Server = "[2001:db8::1]" }, "server"},
		{"IPv6 with a zone, which no certificate names", func(c *config.Config) { c.Server = "fe80::1%eth0" }, "server"},
		{"host and port", func(c *config.Config) { c.Server = "x:443" }, "server"},
		{"line end", func(c *config.Config) { c.Server = "x\r\nEvil: 1" }, "server"},
		{"addresses", func(c *config.Config) { c.Addresses = []string{"a.example.com", "192.0.2.1", "fe80::1%eth0"} }, ""},
		{"empty address", func(c *config.Config) { c.Addresses = []string{""} }, "addresses"},
		{"address with port", func(c *config.Config) { c.Addresses = []string{"a:443"} }, "addresses"},
		{"16 addresses", func(c *config.Config) { c.Addresses = slices.Repeat([]string{"x"}, 16) }, ""},
		{"17 addresses", func(c *config.Config) { c.Addresses = slices.Repeat([]string{"x"}, 17) }, "addresses: must be at most 16"},
		{"proxy", func(c *config.Config) {
			c.Proxy = config.Proxy{URL: "http://proxy:3128", Credentials: "/f", Except: []string{"*.local"}}
		}, ""},
		{"no proxy", func(c *config.Config) { c.Proxy.URL = "none" }, ""},
		{"proxy of another kind", func(c *config.Config) { c.Proxy.URL = "ftp://proxy" }, "proxy.url"},
		{"password in the URL", func(c *config.Config) { c.Proxy.URL = "http://u:s3cr3t@proxy" }, "proxy.url: must not hold a password"},
		{"exception", func(c *config.Config) { c.Proxy = config.Proxy{URL: "http://p", Except: []string{"a/b"}} }, "proxy.except"},
		{"credentials alone", func(c *config.Config) { c.Proxy.Credentials = "/f" }, "proxy.url: is not set"},
		{"exceptions from nothing", func(c *config.Config) { c.Proxy = config.Proxy{URL: "none", Except: []string{"a"}} }, "proxy.url: is not set"},
	}
	for _, tt := range tests {
		c := good()
		tt.edit(&c)
		err := c.Validate()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: the error %v tells the password", tt.name, err)
		}
	}
}

func TestDialProxy(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "credentials"), filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	env := func(k string) string { return map[string]string{"ALL_PROXY": "socks5://env"}[k] }
	tests := []struct {
		name string
		set  config.Proxy
		text string
		mode os.FileMode
		want string // the proxy, or part of the error
	}{
		{"of the environment", config.Proxy{}, "", 0, "socks5://env:1080"},
		{"none", config.Proxy{URL: "none"}, "", 0, ""},
		{"of the configuration", config.Proxy{URL: "http://p"}, "", 0, "http://p:80"},
		{"with credentials", config.Proxy{URL: "http://p", Credentials: file}, "u:s3cr3t\n", 0o600, "http://p:80"},
		{"credentials that others can read", config.Proxy{URL: "http://p", Credentials: file}, "u:s3cr3t\n", 0o604, "mode 0604"},
		{"credentials of a group", config.Proxy{URL: "http://p", Credentials: file}, "u:s3cr3t\n", 0o640, "http://p:80"},
		{"two lines", config.Proxy{URL: "http://p", Credentials: file}, "u:s3cr3t\nmore\n", 0o600, "more than one line"},
		{"no colon", config.Proxy{URL: "http://p", Credentials: file}, "s3cr3t", 0o600, "USER:PASSWORD"},
		{"empty", config.Proxy{URL: "http://p", Credentials: file}, "", 0o600, "USER:PASSWORD"},
		{"too long", config.Proxy{URL: "http://p", Credentials: file}, strings.Repeat("x", 256<<10+1), 0o600, "longer"},
		{"link to what others can read", config.Proxy{URL: "http://p", Credentials: link}, "u:s3cr3t\n", 0o604, "mode 0604"},
		{"link", config.Proxy{URL: "http://p", Credentials: link}, "u:s3cr3t\n", 0o600, "http://p:80"},
		{"no file", config.Proxy{URL: "http://p", Credentials: dir + "/absent"}, "", 0, "absent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_ = os.Remove(file) // there may be none
			if tt.mode != 0 {
				if err := os.WriteFile(file, []byte(tt.text), tt.mode); err != nil {
					t.Fatal(err)
				}
			}
			c := good()
			c.Proxy = tt.set
			p, err := c.DialProxy(durable.OS, env)
			got := ""
			switch {
			case err != nil:
				got = err.Error()
				if h, ok := err.(interface{ Hint() string }); !ok || h.Hint() == "" {
					t.Errorf("%v comes without advice", err)
				}
			case p != nil:
				if got = p.String(); got != tt.want || p.HasCredentials() != (tt.text != "") {
					t.Errorf("got %v", p)
				}
			}
			if !strings.Contains(got, tt.want) || tt.want == "" && got != "" || strings.Contains(got, "s3cr3t") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
