// Package uplink keeps the device connected: MQTT 3.1.1 over mutual TLS with
// one credential at a time, a device token on request, and messages that count
// as sent when the server has acknowledged them.
//
// A refused connection is never fatal. The uplink asks the server why, reports
// it, waits longer each time and tries again; waits become short again only
// after a connection that lasted. It does its own reconnecting, because it must
// also wait after being thrown out of a good session, and because a new
// credential replaces the old one at once.
package uplink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"mooring/agent/spool"
	"mooring/internal/backoff"
	"mooring/internal/problem"
)

const (
	// stablePeriod is how long a connection must last for the next wait to be
	// short again.
	stablePeriod = time.Minute
	// handshakeLimit leaves room for keys in slow hardware, unless it was measured.
	handshakeLimit = 60 * time.Second
	// answerLimit bounds the wait for the server's answer to one packet.
	answerLimit = 30 * time.Second
	// closeLimit is what a graceful end may take.
	closeLimit = 250 * time.Millisecond
)

// waits is between two connections.
var waits = backoff.Policy{Min: 2 * time.Second, Max: 5 * time.Minute, Factor: 2, Jitter: 0.5}

// Config is what an Uplink needs to know.
type Config struct {
	DeviceID string // the CN of the certificate, used as client ID
	MQTTS    string // host:port of MQTT over TLS
	MTLS     string // host:port of HTTPS with client certificate; empty: there is none

	// TrustAnchors verify the server; nil means those of the system.
	TrustAnchors *x509.CertPool
	// Now is the time certificates and tokens are judged by; nil is time.Now.
	Now func() time.Time
	// Observe is told moments that a verified server states; it may be nil.
	Observe func(time.Time)
	// DialContext opens connections; nil dials TCP.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// HandshakeLimit bounds a TLS handshake from the dialling on; zero means 60 s.
	HandshakeLimit time.Duration

	KeepAlive time.Duration // of MQTT; zero means 60 s
	// Hello is what the device says first on each connection, SmartREST lines.
	Hello []string
	// Will is what the server is told when the connection breaks, SmartREST lines
	// on s/us; the device says it itself when it ends on purpose.
	Will []string
	// Spool has what is published until it is acknowledged.
	Spool *spool.Spool
	// Heartbeat is how often it shows that it is alive; zero means never.
	Heartbeat time.Duration

	// Report is told what happens to connections, in order. It must not block
	// for long.
	Report func(Event)
	Log    *slog.Logger // nil discards
	// Random spreads the waits; nil is a random source.
	Random func() float64
}

// Credential is what to connect with.
type Credential struct {
	Generation  uint32
	Certificate tls.Certificate // leaf first
	Fingerprint [32]byte        // SHA-256 of the leaf
	// Confirm asks the server once which certificate it saw, before Up is
	// reported.
	Confirm bool
	// Alone says that there is no other certificate to fall back on: Up is reported
	// at once, without fingerprint, and again when the server has named one. A
	// server that never does so serves the device all the same.
	Alone bool
}

// EventKind says what happened to a connection.
type EventKind int

// The events.
const (
	Up      EventKind = iota // connected; Fingerprint is what the server named, if it did
	Refused                  // the server does not want this device, or not so
	Failed                   // the connection did not come about
	Down                     // the connection ended
)

// Event is one thing that happened to a connection.
type Event struct {
	Kind        EventKind
	Generation  uint32
	Fingerprint [32]byte
	Reason      string // a word: the server's, or ours; empty: nothing is wrong
	Detail      string // a sentence for a person
	Err         error
}

// Uplink is the connection of one device.
type Uplink struct {
	cfg Config
	log *slog.Logger

	mu      sync.Mutex    // guards what follows
	want    *Credential   // nil: nothing to connect with
	caches  sessionCaches // of TLS, by generation
	current *session      // nil while not connected
	changed chan struct{} // closed when want or current changes

	confirmed [32]byte // the certificate that the server named last
	suspect   suspect

	tokens     tokenCache
	downstream downstream
}

// TLSVersion names the protocol of the connection, "TLS 1.3"; empty while there
// is none.
func (u *Uplink) TLSVersion() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.current == nil {
		return ""
	}
	return u.current.tlsVersion
}

// New returns an uplink; Run makes it live.
func New(cfg Config) *Uplink {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Observe == nil {
		cfg.Observe = func(time.Time) {}
	}
	if cfg.DialContext == nil {
		cfg.DialContext = (&net.Dialer{Timeout: answerLimit}).DialContext
	}
	if cfg.KeepAlive <= 0 {
		cfg.KeepAlive = time.Minute
	}
	if cfg.HandshakeLimit <= 0 {
		cfg.HandshakeLimit = handshakeLimit
	}
	if cfg.Report == nil {
		cfg.Report = func(Event) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	u := &Uplink{cfg: cfg, log: cfg.Log, changed: make(chan struct{})}
	u.tokens.busy = make(chan struct{}, 1)
	u.downstream.changed = make(chan struct{})
	return u
}

// Use connects with c from now on, and ends what was connected with another
// generation. It returns at once.
func (u *Uplink) Use(c Credential) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.want != nil && u.want.Generation == c.Generation && u.want.Fingerprint == c.Fingerprint {
		return
	}
	u.want = &c
	u.caches.keepTwo(c.Generation)
	u.notify()
}

// notify wakes whoever waits for a change. The caller holds u.mu.
func (u *Uplink) notify() {
	close(u.changed)
	u.changed = make(chan struct{})
}

// state returns the credential wanted, the session, and a channel that closes
// when either changes.
func (u *Uplink) state() (*Credential, *session, <-chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.want, u.current, u.changed
}

func (u *Uplink) setSession(s *session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.current = s
	u.notify()
}

// Connected reports whether there is a connection, confirmed or not.
func (u *Uplink) Connected() bool {
	_, s, _ := u.state()
	return s != nil
}

// Run keeps the device connected until ctx ends.
func (u *Uplink) Run(ctx context.Context) {
	attempt := 0
	var last *Credential
	for ctx.Err() == nil {
		want, _, changed := u.state()
		if want == nil {
			wait(ctx, changed, 0)
			continue
		}
		if want != last {
			last, attempt = want, 0
		}
		if u.connectOnce(ctx, want) {
			attempt = 0
		}
		if now, _, _ := u.state(); now != want || ctx.Err() != nil {
			continue
		}
		_, _, changed = u.state()
		delay := waits.Delay(attempt, u.cfg.Random)
		attempt++
		u.log.Debug("waiting to connect", "attempt", attempt, "wait", delay)
		wait(ctx, changed, delay)
	}
}

// wait returns after d, or when changed closes or ctx ends. Zero waits for
// those two alone.
func wait(ctx context.Context, changed <-chan struct{}, d time.Duration) {
	var after <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-ctx.Done():
	case <-changed:
	case <-after:
	}
}

// connectOnce connects with c, keeps the session while it lasts and c is
// wanted, and reports whether it was stable.
func (u *Uplink) connectOnce(ctx context.Context, c *Credential) (stable bool) {
	s, err := u.connect(ctx, c)
	if err != nil {
		if ctx.Err() == nil {
			u.cfg.Report(u.explained(ctx, c, err))
		}
		return false
	}
	begin := time.Now()
	u.setSession(s)
	u.log.Info("connected", "generation", c.Generation, "tls", s.tlsVersion, "resumed", s.resumed)
	up, why := u.serve(ctx, s)
	u.setSession(nil)
	if ctx.Err() != nil {
		u.farewell(s)
	}
	s.close()
	switch {
	case up:
		u.log.Info("disconnected", "generation", c.Generation, "err", why)
		u.cfg.Report(ended(c.Generation, why))
	case ctx.Err() == nil:
		u.cfg.Report(u.explained(ctx, c, why))
	}
	return time.Since(begin) >= stablePeriod
}

// serve says hello, confirms, subscribes, and waits for the end. up tells
// whether the connection was reported as such.
func (u *Uplink) serve(ctx context.Context, s *session) (up bool, why error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go u.watch(ctx, s, cancel)
	if err := u.hello(ctx, s); err != nil {
		return false, cause(ctx, err)
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel(nil)
	beside.Go(func() { u.subscribe(ctx, s) })
	if s.credential.Alone && s.credential.Confirm && !u.isConfirmed(s.credential) {
		u.cfg.Report(Event{Kind: Up, Generation: s.credential.Generation})
		beside.Go(func() { u.confirmLater(ctx, s) })
	} else {
		named, err := u.confirm(ctx, s)
		if err == nil && named != s.credential.Fingerprint { // to stay connected would prove nothing, ever
			err = problem.New(problem.Unavailable, "the server names another certificate", nil)
		}
		if err != nil {
			return false, cause(ctx, err)
		}
		u.cfg.Report(Event{Kind: Up, Generation: s.credential.Generation, Fingerprint: named})
	}
	beside.Go(func() { cancel(u.drain(ctx, s)) })
	u.attend(ctx, s)
	return true, context.Cause(ctx)
}

// watch ends ctx when the session is lost or another credential is wanted.
func (u *Uplink) watch(ctx context.Context, s *session, cancel context.CancelCauseFunc) {
	for {
		want, _, changed := u.state()
		if want != s.credential {
			cancel(errReplaced)
			return
		}
		select {
		case <-ctx.Done():
			return
		case err := <-s.lost:
			cancel(err)
			return
		case <-changed:
		}
	}
}

// cause prefers the reason why ctx ended to what that led to.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
