package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"mooring/agent/dial"
	"mooring/internal/durable"
	"mooring/internal/secret"
)

const (
	// maxAddresses bounds how many addresses of the server are tried in turn.
	maxAddresses = 16
	// maxHost is the length of a DNS name (RFC 1035 §2.3.4), less its ends.
	maxHost = 253
	// NoProxy as URL of the proxy overrules the environment.
	NoProxy = "none"
)

// Proxy is what stands between device and server.
type Proxy struct {
	// URL is http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT. Empty
	// leaves it to HTTPS_PROXY, ALL_PROXY and NO_PROXY of the environment; none
	// uses no proxy whatever the environment says.
	URL string `toml:"url"`
	// Credentials is a file with one line, USER:PASSWORD, that others must not
	// be able to read.
	Credentials string `toml:"credentials"`
	// Except are names with all below them, IP addresses and networks that are
	// reached without the proxy.
	Except []string `toml:"except"`
}

// isHost reports whether s can stand before a port: a name, or an IP address
// without brackets.
func isHost(s string) bool {
	if s == "" || len(s) > maxHost || strings.ContainsAny(s, "/@ \t\r\n?#[]") {
		return false
	}
	_, err := netip.ParseAddr(s)
	return err == nil || !strings.Contains(s, ":")
}

func (c *Config) validateAddresses() error {
	if len(c.Addresses) > maxAddresses {
		return fmt.Errorf("addresses: must be at most %d", maxAddresses)
	}
	for _, a := range c.Addresses {
		if !isHost(a) {
			return fmt.Errorf("addresses: %q is no host name and no IP address, without port", a)
		}
	}
	return nil
}

func (c *Config) validateProxy() error {
	if c.Proxy.URL == "" || c.Proxy.URL == NoProxy {
		if c.Proxy.Credentials != "" || len(c.Proxy.Except) > 0 {
			return errors.New("proxy.url: is not set, and proxy.credentials or proxy.except is")
		}
		return nil
	}
	p, err := dial.ParseProxy(c.Proxy.URL)
	if err != nil {
		return fmt.Errorf("proxy.url: %w", err)
	}
	if p.HasCredentials() {
		return errors.New("proxy.url: must not hold a password: name a file with proxy.credentials")
	}
	if _, err := p.Except(c.Proxy.Except); err != nil {
		return fmt.Errorf("proxy.except: %w", err)
	}
	return nil
}

// ProxyHint is what to do about the credentials of a proxy.
const ProxyHint = "proxy.credentials names a file with one line, USER:PASSWORD, that others cannot read (chmod 600)"

// DialProxy returns the proxy of the configuration, else that of the
// environment, nil if there is none. It reads the file of credentials.
func (c *Config) DialProxy(fsys durable.FS, getenv func(string) string) (*dial.Proxy, error) {
	switch c.Proxy.URL {
	case NoProxy:
		return nil, nil
	case "":
		p, err := dial.FromEnvironment(getenv)
		if err != nil {
			return nil, &fileError{err, "correct the variable, or set proxy.url in the configuration"}
		}
		return p, nil
	}
	p, err := dial.ParseProxy(c.Proxy.URL)
	if err == nil {
		p, err = p.Except(c.Proxy.Except)
	}
	if err == nil && c.Proxy.Credentials != "" {
		var text secret.String
		if text, err = readSecret(fsys, c.Proxy.Credentials); err == nil {
			p, err = p.WithCredentials(text)
		}
		if err != nil {
			return nil, &fileError{fmt.Errorf("proxy.credentials: %w", err), ProxyHint}
		}
	}
	return p, err
}

// notOthers refuses a file that others can read or change.
func notOthers(fsys durable.FS, path string) error {
	info, err := fsys.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		info, err = os.Stat(path) // durable.FS follows no links
	}
	if err == nil && info.Mode().Perm()&0o007 != 0 {
		err = fmt.Errorf("%s has mode %04o: others can use it", path, info.Mode().Perm())
	}
	return err
}

// readSecret reads the one line of a file that others cannot read.
func readSecret(fsys durable.FS, path string) (secret.String, error) {
	if err := notOthers(fsys, path); err != nil {
		return secret.String{}, err
	}
	text, err := readBounded(fsys, path)
	if err != nil {
		return secret.String{}, err
	}
	line := strings.TrimRight(string(text), "\r\n")
	if strings.ContainsAny(line, "\r\n") {
		return secret.String{}, fmt.Errorf("%s holds more than one line", path)
	}
	return secret.New(line), nil
}
