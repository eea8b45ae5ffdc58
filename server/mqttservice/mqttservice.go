// Package mqttservice is the MQTT Service of the contract (mqtt.md §1.3, §1.9):
// MQTT 3.1, 3.1.1 and 5 with topics that each tenant names as it likes. Nothing
// is registered. What must outlive a connection (sessions, messages of QoS 1 and 2
// that wait for them, what is retained, wills) is in the store before it is
// acknowledged; all else is in memory.
//
// Each tenant has a topic tree of its own (tree.go). Who publishes and who hears is
// decided by two kinds of client:
//
//	device        by certificate, or any user without a role for the service
//	application   a person with such a role (platform.RolesMQTTService)
//
// What a device publishes goes to applications, and what an application publishes
// to everybody who subscribed it: no device ever hears another (device isolation,
// mqtt.md §1.9), unless its tenant wants that (platform.OptionServiceIsolation).
//
// mochi's packets are used to read and write packets, and nothing else of it.
package mqttservice

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"log/slog"
	"sync"
	"sync/atomic"

	"mooring/internal/secret"
	"mooring/server/gate"
	"mooring/server/platform"
)

// Authenticator decides who connects.
type Authenticator interface {
	// VerdictOf returns what the handshake decided of the certificate chain that
	// the peer sent. It is asked only if the peer sent one.
	VerdictOf(state tls.ConnectionState) platform.Verdict
	// AdmitCertificate lets the device of a verdict of scope Full in. The reason is
	// Accepted, or why not; the error says that it could not be decided.
	AdmitCertificate(ctx context.Context, v platform.Verdict, address string) (platform.Principal, platform.Reason, error)
	// AdmitPassword checks a user's password.
	AdmitPassword(ctx context.Context, tenant platform.TenantID, user string, password secret.String, address string) (platform.Principal, platform.Reason, error)
}

// Refusals remembers who was refused and why. Record must not block.
type Refusals interface {
	Record(r platform.Refusal)
}

// Options are the tenants' settings, from memory nearly always.
type Options interface {
	Option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (value string, set bool, err error)
}

// Store keeps what outlives connections.
type Store interface {
	platform.MessageSessions
	Tenants(ctx context.Context) ([]platform.Tenant, error)
}

// Alarms tells a tenant of a limit that its clients ran into. Raise must not
// block; it may leave out what it has told lately.
type Alarms interface {
	Raise(tenant platform.TenantID, alarmType, text string)
}

// Config is what the front end is built from. Auth, Refusals, Options, Alarms and
// Store must be set.
type Config struct {
	Auth     Authenticator
	Refusals Refusals
	Options  Options
	Alarms   Alarms
	Store    Store
	// Alone says that no other server works on the store: whatever session it has is
	// this server's.
	Alone bool
	// OneWay says that devices are not asked for certificates: who has no password
	// is told so.
	OneWay bool
	Limits Limits
	Log    *slog.Logger // nil discards
}

// Server serves the MQTT Service on any number of listeners.
type Server struct {
	cfg     Config
	limits  Limits
	log     *slog.Logger
	gate    *gate.Gate
	stats   counters
	queued  atomic.Int64 // bytes that wait to be written, of all clients
	clients registry
	node    string // names this process in the store

	judgements atomic.Uint64 // counts Kick and KickIf, before they look for sessions

	mu        sync.Mutex // guards the fields below
	stopping  bool
	listeners map[*listener]struct{}
	conns     map[*conn]struct{}
	wg        sync.WaitGroup // one for each connection
}

// New returns a server that serves nothing yet.
func New(cfg Config) *Server {
	s := &Server{
		cfg: cfg, limits: cfg.Limits.withDefaults(), log: cfg.Log,
		listeners: map[*listener]struct{}{}, conns: map[*conn]struct{}{}, node: rand.Text(),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.clients.init()
	s.gate = gate.New(s.limits.Handshakes, s.limits.HandshakesPerAddress)
	return s
}
