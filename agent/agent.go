// Package agent is the device agent put together: the state machine of
// internal/lifecycle decides, and the packages below carry its actions out.
//
//	             events                     actions
//	uplink  ───────────────▶ lifecycle.Step ───────────────▶ uplink   (ConnectWith)
//	identity, enrol, renew ─▶  (one loop)   ───────────────▶ identity (CreateKey, StoreCandidate, Commit …)
//	clock, people ─────────▶                ───────────────▶ enrol, renew (RequestCertificate)
//
// One goroutine owns the state. At most one task runs beside it, because the
// machine never asks for a second; the uplink lives on its own.
package agent

import (
	"context"
	"crypto/x509"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"mooring/agent/config"
	"mooring/agent/dial"
	"mooring/agent/identity"
	"mooring/agent/operation"
	"mooring/agent/renew"
	"mooring/agent/spool"
	"mooring/agent/telemetry"
	"mooring/agent/uplink"
	"mooring/hsm"
	"mooring/hsm/key"
	"mooring/internal/clock"
	"mooring/internal/durable"
	"mooring/internal/est/estclient"
	"mooring/internal/jwt"
	"mooring/internal/lifecycle"
	"mooring/internal/pki"
	"mooring/internal/secret"
	"mooring/internal/smartrest"
)

const (
	clockFile = "clock"
	// saveClockEvery spares flash: the floor need not be newer than this.
	saveClockEvery = 24 * time.Hour
	// requestLimit bounds one request for a certificate with all its parts.
	requestLimit = 3 * time.Minute
	// inboxSize is how many events may wait for the loop.
	inboxSize = 64
)

// Options are what an Agent is made from. Config must be valid.
type Options struct {
	Config config.Config
	FS     durable.FS // nil is that of the operating system
	// OpenKeys opens the key store of a URI; nil is hsm.Open.
	OpenKeys func(ctx context.Context, uri string) (key.Store, error)
	// DialContext opens TCP connections below proxies; nil is that of net.Dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Clock is nil for one that starts at Built.
	Clock *clock.Clock
	Built time.Time
	// Operations says that this agent carries out operations: one that lives for
	// a single command leaves them alone.
	Operations bool
	// BootID tells one start of the system from another; nil asks the kernel.
	BootID func() string
	Log    *slog.Logger // nil discards
}

// Agent is the agent of one device.
type Agent struct {
	o     Options
	cfg   config.Config
	log   *slog.Logger
	clock *clock.Clock

	keys       key.Store
	tpm        tpmKeys
	measured   measured
	mended     map[string]int // steps of key.Recovery; guarded by mu
	ids        *identity.Store
	dialer     *dial.Dialer
	spool      *spool.Spool
	telemetry  *telemetry.Telemetry
	up         *uplink.Uplink
	est        *estclient.Client
	endpoint   renew.Endpoint
	anchorList pki.Chain // the trust anchors of the configuration, nil: the system's
	operations *operation.Manager

	inbox chan lifecycle.Event
	pulse chan struct{} // taken by the loop, which shows that it turns
	ready chan struct{} // closed when Run has loaded everything
	// clockDoubt holds one note that the clock may be wrong, timeTold one answer.
	clockDoubt chan struct{}
	timeTold   chan timeTold

	// Owned by the loop.
	state      lifecycle.State
	saved      lifecycle.State
	deadline   lifecycle.Instant
	wanted     uint32 // the generation to connect with
	inUse      uint32 // the one the uplink has
	clockSaved time.Time
	window     windowAsk
	time       timeAsk
	rung       lifecycle.Rung
	fell       bool // an expired certificate has left it below the first

	mu      sync.Mutex // guards what follows
	otp     secret.String
	final   error // why enrolling is hopeless
	view    view
	changed chan struct{} // closed when view changes
}

// New returns an agent. It does no I/O; Run and Inspect do.
func New(o Options) *Agent {
	if o.FS == nil {
		o.FS = durable.OS
	}
	if o.OpenKeys == nil {
		o.OpenKeys = hsm.Open
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.New(o.Built)
	}
	return &Agent{o: o, cfg: o.Config, log: o.Log, clock: o.Clock, inbox: make(chan lifecycle.Event, inboxSize), pulse: make(chan struct{}),
		ready: make(chan struct{}), clockDoubt: make(chan struct{}, 1), timeTold: make(chan timeTold, 1), changed: make(chan struct{})}
}

// load opens the stores and reads what they hold.
func (a *Agent) load(ctx context.Context) (identity.Found, error) {
	found, err := a.open(ctx)
	if fault := identity.Denied(a.o.FS, a.cfg.State, err); fault != nil {
		return found, fault
	}
	return found, err
}

func (a *Agent) open(ctx context.Context) (identity.Found, error) {
	var err error
	if err := identity.CheckDir(a.o.FS, a.cfg.State); err != nil {
		return identity.Found{}, err
	}
	if a.keys, err = a.o.OpenKeys(ctx, a.cfg.KeyURI()); err != nil {
		return identity.Found{}, err
	}
	a.measured = a.readMeasured()
	a.measured.apply(a.keys)
	remember(a.cfg, a.keys)
	a.watchKeys(a.keys)
	if a.ids, err = OpenIdentities(a.o.FS, a.cfg, a.keys); err != nil {
		return identity.Found{}, err
	}
	if err := a.clock.Load(a.o.FS, filepath.Join(a.cfg.State, clockFile)); err != nil {
		a.log.Warn("the saved time is not readable", "err", err)
	}
	found, err := a.ids.Find(ctx)
	if err != nil {
		return found, err
	}
	if found.Current != nil {
		if cn := found.Current.Chain.Leaf().Subject.CommonName; a.cfg.DeviceID != "" && cn != a.cfg.DeviceID {
			return found, WithHint(fmt.Errorf("the identity in %s is that of %q, and the configuration says device_id %q", a.cfg.State, cn, a.cfg.DeviceID),
				"correct device_id, or name the other device's directory with --state")
		}
		a.observe(found.Current.Chain.Leaf().NotBefore)
	}
	a.state, _ = a.ids.LoadLife()
	a.state.Seed = seed(a.cfg.DeviceID)
	a.state.Policy = a.policy()
	return found, nil
}

// seed is stable for a device, whatever happens to its disk.
func seed(deviceID string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(deviceID))
	return h.Sum64()
}

func (a *Agent) policy() lifecycle.Policy {
	p := lifecycle.Policy{MinSpacing: time.Duration(a.cfg.Renewal.MinSpacing), KeepKey: !a.cfg.Rekey,
		NoGrace: !a.cfg.Recovery.Expired, Bootstrap: a.cfg.Recovery.BootstrapCertificate != "", StoredOTP: a.hasSecondOTP()}
	p.Maintenance, _ = a.cfg.Renewal.Windows() // the configuration is valid
	if a.cfg.Renewal.Left != config.Default().Renewal.Left {
		p.RenewLeftPermille = uint16(a.cfg.Renewal.Left * 1000)
	}
	return p
}

// build makes the clients.
func (a *Agent) build() error {
	anchors, err := a.anchors()
	if err != nil {
		return err
	}
	proxy, err := a.cfg.DialProxy(a.o.FS, os.Getenv)
	if err != nil {
		return err
	}
	a.dialer = dial.New(dial.Config{Server: a.cfg.Server, Addresses: a.cfg.Addresses, Proxy: proxy, Direct: a.o.DialContext, Now: a.clock.Now})
	a.endpoint = renew.Endpoint{Address: a.cfg.Address(a.cfg.MTLSPort), TrustAnchors: anchors, Now: a.clock.Now, DialContext: a.dialer.DialContext,
		HandshakeLimit: a.measured.handshake()}
	a.est = a.estClient()
	a.operations = a.newOperations()
	a.up = uplink.New(uplink.Config{
		DeviceID:       a.cfg.DeviceID,
		MQTTS:          a.cfg.Address(a.cfg.MQTTSPort),
		MTLS:           a.endpoint.Address,
		TrustAnchors:   anchors,
		Now:            a.clock.Now,
		Observe:        a.observe,
		DialContext:    a.dialer.DialContext,
		HandshakeLimit: a.measured.handshake(),
		KeepAlive:      time.Duration(a.cfg.KeepAlive),
		Hello:          a.hello(),
		Will:           []string{a.service("down")},
		Spool:          a.spool,
		Heartbeat:      time.Duration(a.cfg.RequiredInterval) / 2,
		Report:         a.connection,
		Log:            a.log,
	})
	return nil
}

func (a *Agent) anchors() (*x509.CertPool, error) {
	text, err := a.cfg.Anchors(a.o.FS)
	if err != nil {
		return nil, WithHint(fmt.Errorf("trust anchors: %w", err), config.AnchorsHint)
	}
	if text == nil {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, NoAnchors(text, a.cfg.CA)
	}
	if a.anchorList, err = pki.ParsePEMChain(text); err != nil {
		a.log.Debug("the trust anchors are not listed", "err", err)
	}
	return pool, nil
}

// NoAnchors is the error of a file that should hold trust anchors and holds text.
func NoAnchors(text []byte, file string) error {
	hint := pki.ForeignForm(text, file)
	if hint == "" {
		hint = config.AnchorsHint
	}
	return WithHint(fmt.Errorf("trust anchors: %s holds no certificate in PEM", file), hint)
}

// hello is what the device says first: who it is (100), what it can do (114),
// how often it will be heard (117); contract mqtt.md §4.2.
func (a *Agent) hello() []string {
	line := func(fields ...string) string { return string(smartrest.AppendLine(nil, fields...)) }
	lines := []string{line("100", a.cfg.DisplayName(), a.cfg.Type)}
	lines = append(lines, a.operations.Hello()...)
	if a.cfg.RequiredInterval > 0 {
		lines = append(lines, line("117", strconv.Itoa(int(time.Duration(a.cfg.RequiredInterval)/time.Minute))))
	}
	return append(lines, a.service("up"))
}

// observe takes a moment that a verified server stated.
func (a *Agent) observe(t time.Time) { a.clock.Observe(t) }

// deviceTokens is the uplink as package renew sees it.
type deviceTokens struct{ *uplink.Uplink }

func (d deviceTokens) Token(ctx context.Context) (secret.String, error) {
	token, _, err := d.Uplink.Token(ctx)
	return token, err
}

// Token returns a device token.
func (a *Agent) Token(ctx context.Context) (secret.String, jwt.Claims, error) {
	if err := a.enrolled(ctx); err != nil {
		return secret.String{}, jwt.Claims{}, err
	}
	token, claims, err := a.up.Token(ctx)
	return token, claims, a.whyNot(ctx, err)
}

// enrolled waits until Run has started and refuses a device without identity.
func (a *Agent) enrolled(ctx context.Context) error {
	if err := a.loaded(ctx); err != nil {
		return err
	}
	for {
		v, changed := a.look()
		switch {
		case v.state.Current.Number != 0:
			return nil
		case v.state.Task != lifecycle.Committing: // a power cut came before the pointer was there
			return errNotEnrolled
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
