package mqttapi

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/fifo"
	"mooring/server/platform"
)

// session is one device's connection, from the CONNECT that was accepted until
// what it received is carried out. Nothing of it outlives that: clean session 0 is
// accepted and kept no better than 1 (mqtt.md §1.9).
type session struct {
	server    *Server
	conn      *conn
	place     place
	epoch     uint64 // unique in this process; orders sessions of a device
	principal platform.Principal
	verdict   platform.Verdict // zero for a session by password
	template  string           // X-ID of s/ud and s/dd; may be empty
	clean     bool             // as the client asked
	gone      bool             // there is no connection: its server died, and only its will is left
	will      will

	closing   chan struct{} // closed by close
	closeOnce sync.Once
	done      chan struct{} // closed when finish has finished

	window chan struct{} // one element for each item between enqueue and completion
	due    time.Time     // reader only: see pace

	rate, burst int // see Limits

	staged stagedIDs // pump only

	begun    time.Time
	object   atomic.Int64 // ID of the device's object; 0 until it is known
	unproven atomic.Bool  // out.unproven is not empty
	told     atomic.Bool  // the other servers know of it; see Hear
	moved    atomic.Bool  // the device has a session on another server

	mu          sync.Mutex // guards the fields below
	established bool
	draining    bool
	running     bool          // a pump exists, or who does its work has its turn
	flushing    bool          // the flusher has the session on its list
	pending     int           // items that are not complete
	idle        chan struct{} // closed when pending is 0 and no pump runs; nil while nobody waits
	inbox       fifo.Queue[item]
	acks        fifo.Queue[*ack]
	out         outbox
	orders      orders
}

func newSession(s *Server, c *conn, d decision, pk *packets.Packet) *session {
	sess := &session{
		server: s, conn: c,
		place:     place{d.principal.Tenant, d.id.Device, isBootstrap(d.principal)},
		epoch:     s.epochs.Add(1),
		principal: d.principal, verdict: d.verdict, template: d.id.Template,
		clean: pk.Connect.Clean, begun: time.Now(),
		will:    willOf(pk),
		closing: make(chan struct{}), done: make(chan struct{}),
		window: make(chan struct{}, s.limits.Window),
		rate:   s.limits.Rate, burst: s.limits.Burst,
	}
	if sess.place.bootstrap {
		sess.rate, sess.burst = min(sess.rate, bootstrapRate), min(sess.burst, bootstrapBurst)
	}
	return sess
}

// establish makes the session count: from now on its will is owed.
func (s *session) establish() {
	s.mu.Lock()
	s.established = true
	s.mu.Unlock()
}

// abandon takes establish back: the client is refused after all, and owes no will.
func (s *session) abandon() {
	s.mu.Lock()
	s.established, s.will.payload = false, nil
	s.mu.Unlock()
}

// close ends the connection. What was received is still carried out, by finish.
func (s *session) close() {
	s.closeOnce.Do(func() {
		close(s.closing)
		_ = s.conn.Close()
	})
}

// drain closes the session as soon as it has nothing to do; until then nothing new
// is read from it.
func (s *session) drain() {
	s.mu.Lock()
	s.draining = true
	idle := s.pending == 0 && !s.running && !s.flushing
	s.mu.Unlock()
	if idle {
		s.close()
	}
}

// finish runs after the connection has ended: it waits for what was received,
// carries out the will and gives the place free.
func (s *session) finish() {
	defer close(s.done)
	s.close()
	ctx, cancel := context.WithTimeout(s.server.base, s.server.limits.Finish)
	defer cancel()
	select {
	case <-s.quiet():
	case <-ctx.Done():
		s.server.log.Warn("session ended with unfinished work", "tenant", s.place.tenant, "external_id", s.place.device)
	}
	s.mu.Lock()
	established, kept := s.established, s.will.kept
	s.mu.Unlock()
	if established {
		s.server.stats.connections.Add(-1)
	}
	if established || kept {
		s.runWill(ctx)
	}
	if established && s.server.sessions.current(s) {
		// Who takes the place waits for done, so that its news come after these.
		if s.moved.Load() {
			s.server.cfg.Presence.Elsewhere(s.place.tenant, s.place.device)
		} else {
			s.tellOnline(false)
		}
	}
	s.server.agents.remove(s)
	s.server.sessions.remove(s)
}

// tellOnline tells of the session's begin or end, if it is a device's.
func (s *session) tellOnline(online bool) {
	if !s.place.bootstrap && !s.gone {
		s.server.cfg.Presence.Online(s.place.tenant, s.place.device, online)
	}
}

// quiet returns a channel that is closed when the session has nothing to do.
func (s *session) quiet() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	ch := s.idle
	s.settle()
	return ch
}

// settle tells who waits for the session to be quiet. mu is held.
func (s *session) settle() {
	if s.pending > 0 || s.running || s.flushing {
		return
	}
	if s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// call returns the context of one call to a service.
func (s *session) call() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.server.base, s.server.limits.Service)
}
