package mqttservice

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/platform"
)

// place is where a client's one session stands.
type place struct {
	tenant platform.TenantID
	client string
}

// session is a client from the CONNECT that was accepted until its will is said.
type session struct {
	server    *Server
	conn      *conn
	place     place
	principal platform.Principal
	verdict   platform.Verdict // zero for a session by password
	isolated  bool             // a device: it hears no other device
	window    int              // messages of QoS 1 that may wait for an acknowledgement
	maxPacket int              // of what the client takes
	tree      *tree

	rate, burst int       // see Limits
	due         time.Time // reader only: see pace

	closeOnce sync.Once
	closing   chan struct{}       // closed by close
	done      chan struct{}       // closed when finish has finished
	filters   map[string]struct{} // reader only
	will      *message            // reader only after establish; nil: none

	mu          sync.Mutex // guards the fields below
	established bool
	gone        bool // nothing more is queued
	running     bool // a pump exists
	last        bool // the pump closes when it is done
	out         outbox
}

func newSession(ctx context.Context, s *Server, c *conn, d decision, pk *packets.Packet) *session {
	sess := &session{
		server: s, conn: c, place: place{d.principal.Tenant, d.client}, principal: d.principal, verdict: d.verdict,
		window: s.limits.Window, maxPacket: maxPacket, rate: s.limits.Rate, burst: s.limits.Burst,
		closing: make(chan struct{}), done: make(chan struct{}), filters: map[string]struct{}{},
	}
	if n := int(pk.Properties.ReceiveMaximum); n > 0 {
		sess.window = min(sess.window, n)
	}
	if n := pk.Properties.MaximumPacketSize; n > 0 && n < maxPacket {
		sess.maxPacket = int(n)
	}
	sess.configure(ctx)
	return sess
}

// configure takes over what the tenant has set. Options that cannot be read, or
// are no numbers in the bounds, change nothing.
func (s *session) configure(ctx context.Context) {
	option := func(key platform.OptionKey) string {
		value, _, err := s.server.cfg.Options.Option(ctx, s.place.tenant, key)
		if err != nil {
			s.server.log.Warn("option not read", "tenant", s.place.tenant, "option", key.Category+"/"+key.Key, "err", err)
		}
		return value
	}
	if n, ok := number(option(platform.OptionPublishRate)); ok {
		s.rate, s.burst = n, 2*n
	}
	if n, ok := number(option(platform.OptionPublishBurst)); ok {
		s.burst = n
	}
	s.isolated = !isApplication(s.principal) && option(platform.OptionServiceIsolation) != "false"
}

// maxRate bounds what a tenant may set.
const maxRate = 1_000_000

func number(value string) (int, bool) {
	n, err := strconv.Atoi(value)
	return n, err == nil && n >= 1 && n <= maxRate
}

func isApplication(p platform.Principal) bool {
	return !p.IsDevice() && p.HasAny(platform.RolesMQTTService...)
}

// establish makes the session count: from now on its will is owed.
func (s *session) establish(will *message) {
	s.will = will
	s.server.stats.connections.Add(1)
	s.mu.Lock()
	s.established = true
	s.mu.Unlock()
}

// close ends the connection at once.
func (s *session) close() {
	s.closeOnce.Do(func() {
		close(s.closing)
		_ = s.conn.Close()
	})
}

// end closes the connection after what is queued has been written; MQTT 5 hears
// the reason.
func (s *session) end(code byte) { s.say(code, "") }

// say ends the connection with a DISCONNECT where the protocol has one. It does
// not block.
func (s *session) say(code byte, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return
	}
	s.gone, s.last = true, true
	s.dropMessages()
	if s.conn.version == 5 {
		s.out.control.Push(s.conn.encode(packets.Packet{FixedHeader: header(packets.Disconnect), ReasonCode: code,
			Properties: packets.Properties{ReasonString: text}}))
	}
	s.start()
}

// finish runs after the connection has ended: the subscriptions go, the will is
// said, the place is free.
func (s *session) finish() {
	defer close(s.done)
	s.close()
	s.mu.Lock()
	s.gone = true
	s.dropMessages()
	established := s.established
	s.mu.Unlock()
	for filter := range s.filters {
		s.tree.remove(filter, s)
	}
	if established {
		s.server.stats.connections.Add(-1)
		if s.will != nil {
			s.route(s.will)
		}
	}
	s.server.clients.remove(s)
}

// willOf is the message of a CONNECT's will. Its delay is not waited for: nothing
// of a session is kept that the client could come back to.
func willOf(pk *packets.Packet) *message {
	if !pk.Connect.WillFlag {
		return nil
	}
	return &message{topic: pk.Connect.WillTopic, payload: pk.Connect.WillPayload, qos: pk.Connect.WillQos,
		properties: passedOn(&pk.Connect.WillProperties)}
}
