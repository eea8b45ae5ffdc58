// Package config reads and checks the server's configuration. The documented
// structs are its manual.
//
// A value comes from the flag, else the file, else the default. An unknown key
// is an error; a key that is absent keeps its default.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"mooring/server/mail"
)

// Config is everything an operator can set.
type Config struct {
	// Data is the directory with the databases, keys and the admin socket. It is
	// made if absent and locked while served. Set by --data, not in the file.
	Data string `toml:"-"`
	// Dev serves on loopback with a development root and the tenant t1000, and
	// stamps the data directory. Set by --dev, not in the file.
	Dev bool `toml:"-"`

	// Debug serves profiles at /debug/pprof on the admin listener. Set by --debug,
	// not in the file.
	Debug bool `toml:"-"`

	Listeners Listeners `toml:"listeners"`
	Names     Names     `toml:"names"`
	Store     Store     `toml:"store"`
	TLS       TLS       `toml:"tls"`
	Keys      Keys      `toml:"keys"`
	Limits    Limits    `toml:"limits"`
	Mail      Mail      `toml:"mail"`
}

// Mail is where alerts go by e-mail, for example of a certificate authority
// that could not be renewed. Without a server none are sent.
type Mail struct {
	Server string   `toml:"server"` // "host:port" of an SMTP relay that needs no login
	From   string   `toml:"from"`
	To     []string `toml:"to"` // at most 20
}

// Listeners are addresses "host:port"; an empty one is not opened.
type Listeners struct {
	HTTPS   string `toml:"https"`   // REST, EST, MQTT over WebSocket at /mqtt; no client certificate
	MTLS    string `toml:"mtls"`    // REST and EST with client certificate
	MQTTS   string `toml:"mqtts"`   // MQTT, mutual TLS or password
	MQTT    string `toml:"mqtt"`    // plain MQTT, passwords only; default off: passwords are readable on the way
	Service string `toml:"service"` // MQTT Service: free topics, MQTT 5 too; mutual TLS or password
	// ServicePlain is the MQTT Service without TLS, passwords only. Default off.
	ServicePlain string `toml:"service_plain"`
	HTTP         string `toml:"http"`  // plain: /crl, and MQTT over WebSocket at /mqtt
	Admin        string `toml:"admin"` // /metrics /healthz /readyz; loopback
}

// Names are the host names clients use.
type Names struct {
	// Public is the base URL of the https listener as clients reach it, without
	// trailing slash; it is written into certificates as the start of the CRL's
	// address. Empty: no CRL address is written.
	Public string `toml:"public"`
	// CRL is the base URL for /crl if it differs from Public, for example of the
	// plain http listener.
	CRL string `toml:"crl"`
	// Domain is the instance's domain: tenant t1000 answers as t1000.<Domain>.
	Domain string `toml:"domain"`
}

// Store says where data lives.
type Store struct {
	// Postgres is the data source name of a PostgreSQL database, or "file:PATH" of
	// a file that holds it. Empty: SQLite in the data directory.
	Postgres string `toml:"postgres"`
}

// TLS is the server's own certificate. With --dev it is made.
type TLS struct {
	Certificate string `toml:"certificate"` // PEM file, leaf first
	Key         string `toml:"key"`         // PEM file
	// OneWay switches mutual TLS off on mqtts and service: no device is asked for a
	// certificate, each needs a password, and one that has none is told so.
	// Default false.
	OneWay bool `toml:"one_way"`
}

// Keys says where the key-encryption key is.
type Keys struct {
	// Encryption is the URI of the key-encryption key. Empty: file:DATA/keys/kek.
	Encryption string `toml:"encryption"`
	// Authority is the URI of the key store in which keys of new tenant certificate
	// authorities are made, as pkcs11:token=ca?…; they never leave it. Empty: keys
	// are made by the server and sealed under Encryption. Nodes of one
	// instance name the same token.
	Authority string `toml:"authority"`
}

// Limits bound what strangers can make the server do.
type Limits struct {
	Handshakes    int           `toml:"handshakes"`     // TLS handshakes at once; default 256
	Connections   int           `toml:"connections"`    // open at once, of each kind: MQTT, MQTT Service, each HTTP listener; default 20,000
	ConnectWithin time.Duration `toml:"connect_within"` // from accept to CONNECT; default 10 s
	StopWithin    time.Duration `toml:"stop_within"`    // graceful stop; default 10 s
	// BinaryBytes bounds one file of the inventory or of an event; default 50 MiB.
	BinaryBytes int64 `toml:"binary_bytes"`
	// BinaryQuota bounds the files of one tenant together, in bytes; default 10 GiB.
	BinaryQuota int64 `toml:"binary_quota"`
	// CRLPrivateNetworks lets the online revocation check fetch lists from
	// loopback, private and link-local networks; default false: addresses come
	// from certificates, and who makes one must not reach what only the server can.
	CRLPrivateNetworks bool `toml:"crl_private_networks"`
}

// Default is the configuration with nothing set. Its Data is empty.
func Default() Config {
	return Config{
		Listeners: Listeners{HTTPS: ":443", MTLS: ":8443", MQTTS: ":8883", Service: ":9883", Admin: "127.0.0.1:9090"},
		Limits: Limits{Handshakes: 256, Connections: 20_000, ConnectWithin: 10 * time.Second, StopWithin: 10 * time.Second,
			BinaryBytes: 50 << 20, BinaryQuota: 10 << 30},
	}
}

// DevService is where the MQTT Service listens with --dev unless it is told
// another address; if the port is taken, on any other.
const DevService = "127.0.0.1:9883"

// DefaultDev is Default for --dev: loopback and ports that need no privilege.
func DefaultDev() Config {
	c := Default()
	c.Dev = true
	c.Listeners.HTTPS, c.Listeners.MTLS, c.Listeners.MQTTS = "127.0.0.1:9443", "127.0.0.1:8443", "127.0.0.1:8883"
	c.Listeners.Service = DevService
	return c
}

// maxConfigBytes bounds a configuration file.
const maxConfigBytes = 1 << 20

// Load reads the file over base. Unknown keys are errors.
func Load(path string, base Config) (Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	if info.Size() > maxConfigBytes {
		return Config{}, fmt.Errorf("configuration %s is larger than %d bytes", path, maxConfigBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	decoder := toml.NewDecoder(strings.NewReader(string(text))).DisallowUnknownFields()
	if err := decoder.Decode(&base); err != nil {
		var strict *toml.StrictMissingError
		if errors.As(err, &strict) {
			return Config{}, fmt.Errorf("configuration %s: unknown key:\n%s", path, strict.String())
		}
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return base, nil
}

// Validate reports the first thing that cannot work.
func (c Config) Validate() error {
	if c.Data == "" {
		return errors.New("no data directory: give --data DIR")
	}
	if l := c.Listeners; l.HTTPS+l.MTLS+l.MQTTS+l.MQTT+l.Service+l.ServicePlain == "" {
		return errors.New("every listener is off")
	}
	for name, addr := range c.Listeners.all() {
		if err := c.checkAddress(name, addr); err != nil {
			return err
		}
	}
	if !c.Dev && (c.TLS.Certificate == "" || c.TLS.Key == "") {
		return errors.New("tls.certificate and tls.key are needed: set them, or use --dev on a laptop")
	}
	if c.Limits.Handshakes < 1 || c.Limits.Connections < 1 || c.Limits.ConnectWithin < time.Second || c.Limits.StopWithin < time.Second {
		return errors.New("limits: each must be at least 1, times at least 1s")
	}
	if c.Limits.BinaryBytes < 1 || c.Limits.BinaryQuota < 1 {
		return errors.New("limits.binary_bytes and limits.binary_quota must be at least 1")
	}
	for name, base := range map[string]string{"names.public": c.Names.Public, "names.crl": c.Names.CRL} {
		if base != "" && !strings.HasPrefix(base, "http://") && !strings.HasPrefix(base, "https://") {
			return fmt.Errorf("%s: %q is no http or https URL", name, base)
		}
	}
	if m := c.Mail; m.Server != "" || m.From != "" || len(m.To) > 0 {
		if err := (mail.Config{Server: m.Server, From: m.From, To: m.To}).Check(); err != nil {
			return fmt.Errorf("mail: %w", err)
		}
	}
	return nil
}

func (l Listeners) all() map[string]string {
	return map[string]string{"https": l.HTTPS, "mtls": l.MTLS, "mqtts": l.MQTTS, "mqtt": l.MQTT,
		"service": l.Service, "service_plain": l.ServicePlain, "http": l.HTTP, "admin": l.Admin}
}

// checkAddress refuses what is no address and, for --dev and the admin
// listener, what strangers could reach (design decision 20).
func (c Config) checkAddress(name, addr string) error {
	if addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listeners.%s: %w", name, err)
	}
	if !c.Dev && name != "admin" {
		return nil
	}
	ip, err := netip.ParseAddr(host)
	if host == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}
	if name == "admin" {
		return fmt.Errorf("listeners.admin: %q is no loopback address", addr)
	}
	return fmt.Errorf("listeners.%s: --dev serves loopback addresses only, not %q", name, addr)
}

// Encryption is the URI of the key-encryption key with its default.
func (c Config) Encryption() string {
	if c.Keys.Encryption != "" {
		return c.Keys.Encryption
	}
	return "file:" + filepath.Join(c.Data, "keys", "kek")
}

// CRLBase is the URL under which /crl/<tenant>.crl is reached; empty: none.
func (c Config) CRLBase() string {
	if c.Names.CRL != "" {
		return strings.TrimSuffix(c.Names.CRL, "/")
	}
	return strings.TrimSuffix(c.Names.Public, "/")
}

// PostgresDSN resolves Store.Postgres; a file keeps the password off command
// lines and out of copies of the configuration.
func (c Config) PostgresDSN() (string, error) {
	path, ok := strings.CutPrefix(c.Store.Postgres, "file:")
	if !ok {
		return c.Store.Postgres, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read store.postgres: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// TenantDomain is the host name under which a tenant answers; empty if the
// instance has no domain.
func (c Config) TenantDomain(tenant string) string {
	if c.Names.Domain == "" {
		return ""
	}
	return tenant + "." + c.Names.Domain
}
