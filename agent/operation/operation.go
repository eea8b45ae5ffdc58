// Package operation carries out what the server asks the device to do: restart,
// configurations, logs, firmware, software, commands, a new certificate, the
// interval of measurements. Each is off unless the configuration allows it, and
// what is unknown is refused politely.
//
//	s/ds, JSON ──▶ Manager ──▶ journal ──▶ lane ──▶ verb ──▶ root helper, REST
//	s/us       ◀──────────────── executing, successful or failed
//
// Every operation is on disk before the server hears that it is executing, and
// stays there until the server has acknowledged its end. So an agent that is
// killed at any moment goes on where it was: each operation gets one final
// status, and what a helper did for it, it does not do twice.
//
// Operations come on two topics at once. In JSON they have an ID, by which they
// are told apart and reported on (504 to 506); lines on s/ds have none and serve
// only with a server that sends no JSON (501 to 503).
package operation

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"mooring/agent/config"
	"mooring/agent/helper"
	"mooring/agent/uplink"
	"mooring/internal/durable"
	"mooring/internal/secret"
)

// Uplink is the connection to the server.
type Uplink interface {
	// Publish returns the number of the message when it is on disk.
	Publish(topic string, payload []byte) (uint64, error)
	// Delivered returns when the server has acknowledged a message, with an error
	// if it was given up.
	Delivered(ctx context.Context, number uint64) error
	// Token returns a device token.
	Token(ctx context.Context) (secret.String, error)
	// Forget drops a token that the server refused.
	Forget(ctx context.Context, token secret.String)
}

// Identity is the certificate, as far as an operation may touch it.
type Identity interface {
	// Generation grows with each certificate.
	Generation() uint32
	// Renew returns when a new certificate is in use.
	Renew(ctx context.Context) error
}

// Helper does what needs root.
type Helper interface {
	// Do sends a request with its files; data of the answer goes to w, which may
	// be nil. A keyed request may be sent again after an error.
	Do(ctx context.Context, r helper.Request, w io.Writer, files ...io.Reader) (helper.Result, error)
}

// Config is what a Manager needs.
type Config struct {
	Operations config.Operations
	// Others are operations that other programs on the device carry out: they
	// are left alone.
	Others   []string
	DeviceID string
	Server   string // the host of REST
	Port     int    // of HTTPS there

	FS  durable.FS
	Dir string // for the journal and for downloads

	Uplink   Uplink
	Identity Identity
	// SetInterval changes how often the agent measures; nil if it does not.
	SetInterval func(context.Context, time.Duration) error
	// Helper is the root helper; *helper.Client is one.
	Helper Helper
	// BootID changes with each start of the system; empty if it is not known.
	BootID func() string
	// Free is the room on the disk of Dir in bytes; nil if nobody knows.
	Free func() (uint64, error)

	TrustAnchors *x509.CertPool // of the server; nil means those of the system
	DialContext  func(ctx context.Context, network, addr string) (net.Conn, error)
	Now          func() time.Time
	Log          *slog.Logger // nil discards
}

// Manager carries out operations.
type Manager struct {
	cfg     Config
	log     *slog.Logger
	verbs   map[string]*verb
	journal *journal
	lanes   [laneCount]chan *entry
	lines   lines

	overflow atomic.Bool   // something was not taken for want of room
	again    chan struct{} // says so
}

// New returns a Manager. It does no I/O.
func New(c Config) *Manager {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	m := &Manager{cfg: c, log: c.Log, again: make(chan struct{}, 1)}
	m.verbs = m.table()
	for i := range m.lanes {
		m.lanes[i] = make(chan *entry, maxEntries)
	}
	return m
}

// Run carries out what comes on messages until ctx ends, after what an earlier
// run left.
func (m *Manager) Run(ctx context.Context, messages <-chan uplink.Message) error {
	j, damaged, err := openJournal(m.cfg.FS, m.cfg.Dir)
	if err != nil {
		return err
	}
	m.journal = j
	var work sync.WaitGroup
	defer work.Wait()
	if damaged != nil {
		m.log.Error("the journal of operations was not readable and is set aside", "err", damaged)
		work.Go(func() { m.giveUp(ctx) })
	}
	for _, e := range j.list() {
		m.lanes[m.laneOf(e)] <- e
	}
	for i := range m.lanes {
		work.Go(func() { m.work(ctx, m.lanes[i]) })
	}
	work.Go(func() { m.askAgain(ctx) })
	work.Go(func() { m.announceSoftware(ctx) })
	m.receive(ctx, messages)
	return nil
}

// receive reads messages until ctx ends.
func (m *Manager) receive(ctx context.Context, messages <-chan uplink.Message) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case msg, ok := <-messages:
			if !ok {
				messages = nil // ctx ends soon
				continue
			}
			m.take(msg)
		case <-timer.C:
		}
		if wait := m.release(); wait > 0 {
			timer.Reset(wait)
		}
	}
}

func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, since Go 1.24
	return hex.EncodeToString(b[:])
}
