package mqttservice

import (
	"context"
	"sync"
	"time"

	"mooring/server/platform"
)

// registry knows the state of every client that is connected or may come back, and
// each tenant's space.
type registry struct {
	mu      sync.Mutex // guards the fields below
	clients map[place]*subscriber
	tenants map[platform.TenantID]*space
	stopped bool // nothing is overdue any more
}

// space is what the clients of a tenant share. It stays once it is made.
type space struct {
	server   *Server
	tenant   platform.TenantID
	tree     tree
	retained retained
	clients  int // states in the registry; guarded by registry.mu
	waiting  int // those whose session outlives connections; guarded by registry.mu
}

func (r *registry) init() {
	r.clients, r.tenants = map[place]*subscriber{}, map[platform.TenantID]*space{}
}

// space returns that of a tenant. mu is held.
func (r *registry) space(s *Server, tenant platform.TenantID) *space {
	t := r.tenants[tenant]
	if t == nil {
		t = &space{server: s, tenant: tenant}
		r.tenants[tenant] = t
	}
	return t
}

// add makes a state for a place that has none. mu is held.
func (r *registry) add(s *Server, p place) *subscriber {
	t := r.space(s, p.tenant)
	b := &subscriber{server: s, place: p, space: t, filters: map[string]subscription{}}
	t.clients++
	r.clients[p] = b
	return b
}

// put makes s the session of its client and returns the one it replaces, or
// reports why it may not. A stranger takes no place, and no state either.
func (r *registry) put(s *session) (old *session, code byte, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, t := r.clients[s.place], r.space(s.server, s.place.tenant)
	switch {
	case b != nil && !mayReplace(s, b):
		return nil, codeBadClientID, "another user has this client ID"
	case b == nil && t.clients >= s.server.limits.ClientsPerTenant:
		return nil, codeQuota, "too many clients of the tenant"
	case b == nil:
		b = r.add(s.server, s.place)
		b.user, b.device = s.principal.User, s.principal.Device
	}
	s.sub = b
	old, b.session = b.session, s
	return old, codeSuccess, ""
}

// mayReplace: a client is taken over by itself, and what somebody else keeps under
// its name does not keep a device out. Else any user of a tenant could throw out its
// devices, or get what waits for them.
func mayReplace(s *session, old *subscriber) bool {
	return s.principal.User == old.user || s.principal.Has(platform.RoleInventoryAdmin) ||
		s.principal.Device != "" && s.principal.Device == s.place.client && old.device != s.principal.Device
}

// leave takes the session s from its subscriber, unless somebody else has it now.
func (r *registry) leave(s *session) (next *session, left bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.sub.session != s {
		return s.sub.session, false
	}
	return nil, true
}

// free ends the work on a state: it waits for its client, or is gone.
func (r *registry) free(s *session, waits bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := s.sub
	if b.session != s {
		return // somebody waits for it
	}
	b.session = nil
	if waits && !r.stopped {
		b.wait()
	}
	if !waits && r.clients[b.place] == b {
		delete(r.clients, b.place)
		b.space.clients--
	}
}

// reserve counts one more or one fewer session of a tenant that outlives its
// connections, and reports whether it may be.
func (r *registry) reserve(t *space, n, limit int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n > 0 && t.waiting >= limit {
		return false
	}
	t.waiting += n
	return true
}

// overdue works on a state whose time has come, if its client is away still.
func (r *registry) overdue(b *subscriber) {
	ghost := &session{server: b.server, place: b.place, sub: b, gone: true, done: make(chan struct{})}
	r.mu.Lock()
	if b.session != nil || r.stopped || r.clients[b.place] != b {
		r.mu.Unlock()
		return
	}
	b.session = ghost
	r.mu.Unlock()
	waits := b.overdue(time.Now())
	r.free(ghost, waits)
	close(ghost.done)
}

func (r *registry) current(s *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.sub.session == s
}

// stop ends the waiting for those who are away: the store has their states.
func (r *registry) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	for _, b := range r.clients {
		if b.session == nil && b.timer != nil {
			b.timer.Stop()
		}
	}
}

func (r *registry) all() []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*session, 0, len(r.clients))
	for _, b := range r.clients {
		if b.session != nil {
			list = append(list, b.session)
		}
	}
	return list
}

// takePlace makes sess the session of its client. The one before is closed, and
// its will said, before the new one is answered.
func (s *Server) takePlace(ctx context.Context, sess *session) (code byte, detail string) {
	old, code, detail := s.clients.put(sess)
	if code != codeSuccess {
		if code == codeQuota {
			s.cfg.Alarms.Raise(sess.place.tenant, alarmConnections, "The tenant has as many clients of the MQTT Service as it may.")
		}
		return code, detail
	}
	sess.before = old
	sess.conn.session.Store(sess)
	if old != nil {
		s.stats.takeovers.Add(1)
		old.end(codeTakenOver)
		select {
		case <-old.done:
		case <-ctx.Done():
			return codeUnavailable, "the session before does not end"
		}
	}
	if !s.clients.current(sess) || s.isStopping() {
		return codeUnavailable, ""
	}
	sess.placed = true
	return codeSuccess, ""
}

// KickDevice closes the connection of a device, if it has one and judge finds a
// reason. The verdict is zero for a session by password.
func (s *Server) KickDevice(tenant platform.TenantID, device string, judge func(platform.Principal, platform.Verdict) platform.Reason) {
	s.judgements.Add(1)
	for _, sess := range s.clients.all() {
		if sess.place.tenant != tenant || sess.principal.Device != device {
			continue
		}
		if reason := judge(sess.principal, sess.verdict); reason != platform.Accepted && reason != platform.ReasonInternal {
			s.kick(sess, reason)
		}
	}
}

// KickIf closes every connection for which match holds. The verdict is zero for a
// session by password. Trust is changed first and kicked for afterwards; a CONNECT
// that was decided before and is not a session yet is decided again.
func (s *Server) KickIf(reason platform.Reason, match func(platform.Principal, platform.Verdict) bool) {
	s.judgements.Add(1)
	for _, sess := range s.clients.all() {
		if sess.conn != nil && match(sess.principal, sess.verdict) {
			s.kick(sess, reason)
		}
	}
}

func (s *Server) kick(sess *session, reason platform.Reason) {
	s.stats.kicked.Add(1)
	s.log.Info("connection closed", "tenant", sess.place.tenant, "external_id", sess.place.client, "reason", reason)
	sess.end(codeAdministrative)
}
