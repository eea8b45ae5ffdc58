// Package mqttapi is the MQTT front end, Core MQTT of the contract: it turns
// CONNECT into a decision, SmartREST publishes into commands of the services,
// and what the services have to say into messages on one connection.
//
// mochi-mqtt frames packets and answers pings; nothing else of it is used. Its
// subscription tree, its client map, its retained messages, its wills and its
// acknowledgements are all bypassed, because they are global, or race, or
// acknowledge before anything is durable. The hook (hook.go) takes every packet
// out of mochi's hands as it is read; mochi's Serve is never called, since its
// event loop only looks after what is bypassed and copies the map of all clients
// every second.
//
// The way of a publish: the connection's reader puts it into the session's inbox
// (window.go) and reads on. A goroutine per session that has something to do, the
// pump (pump.go), carries out one publish after the other; what waits for nobody,
// a measurement for an object that is known, the reader carries out itself.
// Telemetry is submitted to the store without waiting for it; when the store says
// that it is durable, the acknowledgement becomes ready, and one goroutine for all
// sessions (flush.go) writes acknowledgements in the order of each one's publishes
// (MQTT-4.6.0-2). A commit that fails sends nothing: the connection is closed and
// the client sends the message again.
//
// A connection that stays is handed to package sockets, which wakes readers for
// many connections at once on a busy server and never makes a writer wait.
package mqttapi

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"

	"mooring/internal/secret"
	"mooring/server/gate"
	"mooring/server/inventory"
	"mooring/server/platform"
	"mooring/server/sockets"
)

// Authenticator decides who connects.
type Authenticator interface {
	// VerdictOf returns what the handshake decided of the certificate chain that
	// the peer sent. It is asked only if the peer sent one.
	VerdictOf(state tls.ConnectionState) platform.Verdict
	// AdmitCertificate lets the device of a verdict of scope Full in, creating its
	// user where the anchor allows it. The reason is Accepted, or why not; the
	// error says that it could not be decided.
	AdmitCertificate(ctx context.Context, v platform.Verdict, address string) (platform.Principal, platform.Reason, error)
	// AdmitPassword checks a user's password. An unknown tenant or user is
	// ReasonBadCredentials like a wrong password.
	AdmitPassword(ctx context.Context, tenant platform.TenantID, user string, password secret.String, address string) (platform.Principal, platform.Reason, error)
}

// Devices finds and creates the objects of devices. NotFound says that there is
// none, Forbidden that the name belongs to somebody else.
type Devices interface {
	// Device finds the object bound to (SerialType, externalID). It is called for
	// every publish.
	Device(ctx context.Context, tenant platform.TenantID, externalID string) (platform.ID, error)
	// Owner is the user who owns an object. It is called for every publish to a child.
	Owner(ctx context.Context, tenant platform.TenantID, id platform.ID) (string, error)
	// CreateDevice and CreateChild do nothing but say so if the object is there.
	// Empty names and types mean the defaults of templates 100 and 101.
	CreateDevice(ctx context.Context, tenant platform.TenantID, externalID, name, objectType, owner string) (id platform.ID, created bool, err error)
	CreateChild(ctx context.Context, tenant platform.TenantID, parent platform.ID, externalID, name, objectType, owner string, isDevice bool) (id platform.ID, created bool, err error)
	// PutService creates a service or brings it up to date.
	PutService(ctx context.Context, tenant platform.TenantID, parent platform.ID, externalID, kind, name, status, owner string) (platform.ID, error)
}

// Objects reads and changes managed objects.
type Objects interface {
	Update(ctx context.Context, tenant platform.TenantID, cmd platform.UpdateObject) (platform.ManagedObject, error)
	Parents(ctx context.Context, tenant platform.TenantID, child platform.ID, kind platform.ChildKind) ([]platform.ManagedObject, error)
	Object(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.ManagedObject, error)
	Create(ctx context.Context, tenant platform.TenantID, cmd platform.CreateObject) (platform.ManagedObject, error)
	AddChild(ctx context.Context, tenant platform.TenantID, links ...platform.ChildLink) error
	// MirrorParameters takes over what a device reports as its parameters.
	MirrorParameters(ctx context.Context, tenant platform.TenantID, device platform.ID, parameters json.RawMessage) error
	// ChangeSoftware changes the advanced software list of a device.
	ChangeSoftware(ctx context.Context, tenant platform.TenantID, device platform.ID, owner string, change func([]inventory.Software) []inventory.Software) error
	ChildrenOf(ctx context.Context, tenant platform.TenantID, parents []platform.ID) ([]platform.Relative, error)
	// Resolve finds the object that has a name of any type.
	Resolve(ctx context.Context, tenant platform.TenantID, xid platform.ExternalID) (platform.ID, error)
	// ChildExternalIDs lists the names (SerialType) of the direct child devices.
	ChildExternalIDs(ctx context.Context, tenant platform.TenantID, parent platform.ID) ([]string, error)
}

// Presence hears that a device is alive. Heard is called for every publish. Neither
// method may block or fail.
type Presence interface {
	Heard(tenant platform.TenantID, id platform.ID, at time.Time)
	// Online is told of each session that begins, and of each that ends without
	// another of its device in its place.
	Online(tenant platform.TenantID, device string, online bool)
	// Elsewhere is told instead of an end when the device has a session on another
	// server.
	Elsewhere(tenant platform.TenantID, device string)
}

// Telemetry stores what devices measure; see platform.Telemetry for Submit, Stage
// and their done.
type Telemetry interface {
	NewID(ctx context.Context) (platform.ID, error)
	Submit(b platform.Batch, done func(error))
	Stage(p platform.StagedPublish, done func(error))
	Staged(ctx context.Context, key platform.StagedKey) (platform.StagedPublish, error)
	DropStaged(ctx context.Context, tenant platform.TenantID, device string) error
	Records
}

// Records reads and changes telemetry that is stored.
type Records interface {
	Event(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Event, error)
	Events(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter, page platform.Page) (platform.List[platform.Event], error)
	UpdateEvent(ctx context.Context, tenant platform.TenantID, u platform.EventUpdate) (platform.Event, error)
	DeleteEvent(ctx context.Context, tenant platform.TenantID, id platform.ID) error
	Alarm(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Alarm, error)
	Alarms(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter, page platform.Page) (platform.List[platform.Alarm], error)
	UpdateAlarm(ctx context.Context, tenant platform.TenantID, u platform.AlarmUpdate) (platform.Alarm, error)
	Measurement(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Measurement, error)
	DeleteMeasurement(ctx context.Context, tenant platform.TenantID, id platform.ID) error
}

// DeviceTokens issues the JWT of s/uat. host is the name under which the device
// reached the server, empty if it did not say (no SNI); the client compares it
// with the issuer of the token.
type DeviceTokens interface {
	Issue(ctx context.Context, p platform.Principal, host string) (token string, err error)
}

// Refusals remembers who was refused and why. Record must not block.
type Refusals interface {
	Record(r platform.Refusal)
}

// Options are the tenants' settings, from memory nearly always.
type Options interface {
	Option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (value string, set bool, err error)
}

// Config is what the front end is built from. All services but those that may be nil must be set.
type Config struct {
	Auth      Authenticator
	Devices   Devices
	Objects   Objects
	Presence  Presence
	Telemetry Telemetry
	Tokens    DeviceTokens
	// Registrations may be nil: then there are no credentials to fetch.
	Registrations Registrations
	// Templates may be nil: then there are no collections.
	Templates Templates
	// Legacy may be nil: then there are no collections of SmartREST 1.0.
	Legacy   Legacy
	Refusals Refusals
	Options  Options // nil: no tenant has set any
	Wills    Wills   // nil: wills die with the server
	// Nodes and Tell are for several servers on one store; see Alone. Tell carries a
	// text to Hear of all of them, this one included, in one order for all.
	Nodes platform.Nodes
	Tell  func(ctx context.Context, text string) error
	// Alone says that no other server works on the store: stored wills that are not
	// this server's are of sessions that are dead.
	Alone      bool
	Operations Operations
	// OneWay says that devices are not asked for certificates: who has no password
	// is told so.
	OneWay bool
	// Version is what template 600 is told.
	Version string
	Limits  Limits
	Log     *slog.Logger // nil discards
}

// Server serves MQTT on any number of listeners.
type Server struct {
	cfg      Config
	limits   Limits
	log      *slog.Logger
	broker   *mochi.Server
	sessions registry
	agents   agents
	handed   handedOut
	made     madeCollections
	budget   *budget
	stats    counters
	gate     *gate.Gate
	poller   *sockets.Poller
	flusher  flusher
	deep     deep

	base   context.Context // of all calls to services; ends when Shutdown gives up
	cancel context.CancelFunc

	epochs     atomic.Uint64
	owner      string        // of wills: names this process
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
		listeners: map[*listener]struct{}{}, conns: map[*conn]struct{}{},
	}
	if s.cfg.Registrations == nil {
		s.cfg.Registrations = noRegistrations{}
	}
	if s.cfg.Templates == nil {
		s.cfg.Templates = noTemplates{}
	}
	if s.cfg.Legacy == nil {
		s.cfg.Legacy = noLegacy{}
	}
	if s.cfg.Presence == nil {
		s.cfg.Presence = nobody{}
	}
	if s.cfg.Options == nil {
		s.cfg.Options = noOptions{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.owner = rand.Text()
	s.sessions.init()
	s.agents.sessions = map[agent]*session{}
	s.budget = newBudget(s.limits.InflightBytes)
	s.poller = sockets.New(s.limits.Write)
	s.gate = gate.New(s.limits.Handshakes, s.limits.HandshakesPerAddress)
	s.base, s.cancel = context.WithCancel(context.Background())
	s.deep = newDeep(s.base.Done())
	s.broker = newBroker(s)
	return s
}

// noOptions are the settings of tenants that have none.
type noOptions struct{}

func (noOptions) Option(context.Context, platform.TenantID, platform.OptionKey) (string, bool, error) {
	return "", false, nil
}

// nobody listens for signs of life.
type nobody struct{}

func (nobody) Heard(platform.TenantID, platform.ID, time.Time) {}

func (nobody) Online(platform.TenantID, string, bool) {}
func (nobody) Elsewhere(platform.TenantID, string)    {}
