package mqttservice

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/fifo"
	"mooring/server/platform"
)

// place is where a client's one session stands.
type place struct {
	tenant platform.TenantID
	client string
}

// session is a client's connection, from the CONNECT that was accepted until its
// will is said. What outlives it is its subscriber's.
type session struct {
	server     *Server
	conn       *conn
	place      place
	principal  platform.Principal
	verdict    platform.Verdict // zero for a session by password
	sub        *subscriber
	isolated   bool // a device: it hears no other device
	restricted bool // see platform.OptionServiceRestricted
	clean      bool
	stored     bool          // see subscriber.stored
	expiry     time.Duration // how long the session outlives the connection
	window     int           // messages of QoS 1 and 2 that may wait for an acknowledgement
	maxPacket  int           // of what the client takes
	maxAlias   uint16        // topic aliases that the client takes
	quiet      bool          // the client wants no reason strings

	rate, burst int       // see Limits
	due         time.Time // reader only: see pace

	closeOnce sync.Once
	closing   chan struct{}     // closed by close
	done      chan struct{}     // closed when finish has finished
	said      chan struct{}     // closed when the last packet is written, if the reader waits for it
	aliases   map[uint16]string // reader only: topics that the client has named
	will      *will             // reader only after establish; nil: none
	before    *session          // whose place it takes
	placed    bool              // nobody else works on the subscriber
	tellers   sync.WaitGroup    // one while the store is told

	mu          sync.Mutex // guards the fields below
	established bool
	gone        bool // nothing more is queued
	running     bool // a pump exists
	last        bool // the pump closes when it is done
	parting     bool // the reader does that instead
	acks        fifo.Queue[*ack]
	unacked     int           // of acks those of QoS 1
	room        chan struct{} // closed when an ack leaves; nil: nobody waits
	out         outbox
}

func newSession(ctx context.Context, s *Server, c *conn, d decision, pk *packets.Packet) *session {
	p := &pk.Properties
	sess := &session{
		server: s, conn: c, place: place{d.principal.Tenant, d.client}, principal: d.principal, verdict: d.verdict, clean: pk.Connect.Clean,
		window: s.limits.Window, maxPacket: maxPacket, maxAlias: min(p.TopicAliasMaximum, maxAliases), rate: s.limits.Rate, burst: s.limits.Burst,
		quiet:   p.RequestProblemInfoFlag && p.RequestProblemInfo == 0,
		closing: make(chan struct{}), done: make(chan struct{}), said: make(chan struct{}),
	}
	if n := int(p.ReceiveMaximum); n > 0 {
		sess.window = min(sess.window, n)
	}
	if n := p.MaximumPacketSize; n > 0 && n < maxPacket {
		sess.maxPacket = int(n)
	}
	if c.version == 5 {
		sess.expiry = time.Duration(p.SessionExpiryInterval) * time.Second
	} else if !pk.Connect.Clean {
		sess.expiry = s.limits.SessionExpiry
	}
	sess.expiry = min(sess.expiry, s.limits.SessionExpiry)
	sess.configure(ctx)
	sess.will = sess.willOf(pk)
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
	s.restricted = option(platform.OptionServiceRestricted) != "false"
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

// lane is that of what the client publishes.
func (s *session) lane() byte {
	if s.isolated {
		return laneDevices
	}
	return laneApplications
}

// establish makes the session count: from now on its will is owed, and it hears.
func (s *session) establish() {
	s.server.stats.connections.Add(1)
	s.mu.Lock()
	s.established = true
	s.out.more, s.out.unsure, s.out.before, s.out.sent = s.stored, s.sub.unsure, s.sub.sent, s.sub.sent
	s.sub.unsure = false
	s.mu.Unlock()
	s.sub.live.Store(s)
	if s.stored { // what came before live was set has told nobody
		s.nudge()
	}
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

// part is say for the reader, which lets the peer read what was said. A client that
// has sent more meanwhile would else be reset before.
func (s *session) part(code byte, text string) {
	s.mu.Lock()
	s.parting = !s.gone
	s.mu.Unlock()
	s.say(code, text)
}

// say ends the connection with a DISCONNECT where the protocol has one. It does
// not block.
func (s *session) say(code byte, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone { // as is one without connection
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

// finish runs after the connection has ended: the will is said, and the state of
// the session waits for its client or goes.
func (s *session) finish() {
	defer close(s.done)
	s.close()
	s.mu.Lock()
	s.gone = true
	s.dropMessages()
	established, sent := s.established, s.out.sent
	s.mu.Unlock()
	if s.sub == nil {
		return
	}
	s.tellers.Wait()
	if established {
		s.sub.live.CompareAndSwap(s, nil)
		s.sub.sent = sent
		s.server.stats.connections.Add(-1)
	} else {
		s.will = nil
	}
	if !s.placed && s.before != nil {
		<-s.before.done
	}
	next, left := s.server.clients.leave(s)
	if left {
		s.server.clients.free(s, s.sub.leave(s.will, time.Now()))
		return
	}
	s.sub.handOver(s.will, next, time.Now())
}

// handOver is the end of a connection whose client has a new one already. A will
// that is to wait is not said if the client goes on with its session.
func (b *subscriber) handOver(w *will, next *session, now time.Time) {
	b.mu.Lock()
	ends := b.expiry == 0
	b.mu.Unlock()
	if w != nil && (ends || next.clean || w.delay == 0) {
		b.say(w, now)
	}
	if ends {
		b.forget()
	}
}

// willOf is the will of a CONNECT.
func (s *session) willOf(pk *packets.Packet) *will {
	if !pk.Connect.WillFlag {
		return nil
	}
	p := &pk.Connect.WillProperties
	m := newMessage(pk.Connect.WillTopic, pk.Connect.WillPayload, pk.Connect.WillQos, pk.Connect.WillRetain, p, time.Time{})
	m.lane, m.expires = s.lane(), time.Time{}
	return &will{message: m, delay: time.Duration(p.WillDelayInterval) * time.Second, lifetime: time.Duration(p.MessageExpiryInterval) * time.Second}
}
