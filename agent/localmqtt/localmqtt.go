// Package localmqtt lets MQTT clients on the device send and hear through the
// agent's one connection: MQTT 3.1.1, quality of service 0 and 1, no state
// beyond a connection.
//
//	client ──▶ PUBLISH ──▶ may they? ──▶ the spool ──▶ PUBACK
//	client ◀── queue ◀── what the server sends on topics subscribed to
//
// It is no broker: clients do not hear each other, and nothing is retained. A
// PUBACK says that the message is on the disk. What the protocol has no refusal
// for, such as a topic that is not open, ends the connection.
package localmqtt

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"mooring/agent/localapi"
	"mooring/agent/localhttp"
)

const (
	// maxPacket bounds what a client sends: one message of the platform's 16,184
	// bytes with room for what the agent splits.
	maxPacket = 130 << 10
	// maxClients bounds connections; a further one is told that the server is
	// unavailable.
	maxClients = 64
	// maxTurnedAway bounds those that are told so at once; others find the
	// connection closed.
	maxTurnedAway = 16
	// maxSubscriptions bounds those of one client.
	maxSubscriptions = 32
	// window is how many messages a client may leave unacknowledged.
	window = 32

	connectLimit = 5 * time.Second
	writeLimit   = 30 * time.Second
	// idleLimit is for clients without keep-alive, which are never cut by MQTT.
	idleLimit = time.Hour
)

// Broker is what clients of the device see as one.
type Broker struct {
	device localapi.Device
	policy localapi.Policy
	log    *slog.Logger

	mu      sync.Mutex
	clients map[*client]struct{}
	byID    map[string]*client
	all     sync.WaitGroup

	turned chan struct{} // one for each connection that is turned away
}

// New returns the broker of a device. The topics are those of the policy.
func New(d localapi.Device, p localapi.Policy, log *slog.Logger) *Broker {
	return &Broker{device: d, policy: p, log: log, clients: make(map[*client]struct{}), byID: make(map[string]*client),
		turned: make(chan struct{}, maxTurnedAway)}
}

// Serve answers on l until ctx ends. On a UNIX socket the rules say who may
// publish and subscribe; what listens on the loopback is open to every user of
// the device.
func (b *Broker) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer b.all.Wait()
	defer cancel()
	if l.Addr().Network() == "unix" {
		l = localapi.KnowUsers(l)
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		nc, err := localhttp.Accept(ctx, l)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		b.all.Go(func() { b.attend(ctx, nc) })
	}
}

// attend serves one connection.
func (b *Broker) attend(ctx context.Context, nc net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })() // another's end; its own is next
	defer func() { _ = nc.Close() }()
	c := newClient(b, nc, cancel)
	if !b.seat(c) {
		select {
		case b.turned <- struct{}{}:
			c.turnAway()
			<-b.turned
		default:
		}
		return
	}
	defer b.leave(c)
	err := c.serve(ctx)
	b.log.Info("local client", "client", c.id, "uid", c.who, "outcome", err)
}

func (b *Broker) seat(c *client) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.clients) >= maxClients {
		return false
	}
	b.clients[c] = struct{}{}
	return true
}

// name gives c its client identifier; who had it is cut (MQTT-3.1.4-2).
func (b *Broker) name(c *client) {
	if c.id == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if before := b.byID[c.id]; before != nil {
		before.end()
	}
	b.byID[c.id] = c
}

func (b *Broker) leave(c *client) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.clients, c)
	if b.byID[c.id] == c {
		delete(b.byID, c.id)
	}
}
