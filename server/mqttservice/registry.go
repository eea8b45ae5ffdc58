package mqttservice

import (
	"context"
	"sync"

	"mooring/server/platform"
)

// registry knows the session of every connected client, and each tenant's tree.
type registry struct {
	mu      sync.Mutex // guards the fields below
	clients map[place]*session
	tenants map[platform.TenantID]*space
}

// space is what a tenant has while it has clients.
type space struct {
	tree
	clients int
}

func (r *registry) init() {
	r.clients, r.tenants = map[place]*session{}, map[platform.TenantID]*space{}
}

// put makes s the session of its client and returns the one it replaces, or
// reports why it may not.
func (r *registry) put(s *session, perTenant int) (old *session, code byte, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tenants[s.place.tenant]
	old = r.clients[s.place]
	switch {
	case old != nil && !mayReplace(s, old):
		return nil, codeBadClientID, "another user is connected under this client ID"
	case old == nil && t != nil && t.clients >= perTenant:
		return nil, codeQuota, "too many clients of the tenant"
	}
	if t == nil {
		t = &space{}
		r.tenants[s.place.tenant] = t
	}
	t.clients++
	r.clients[s.place] = s
	s.tree = &t.tree
	return old, codeSuccess, ""
}

// mayReplace: a client is taken over by itself. Else any user of a tenant could
// throw out its devices.
func mayReplace(s, old *session) bool {
	return s.principal.User == old.principal.User || s.principal.Has(platform.RoleInventoryAdmin)
}

// remove takes s out. It is called once for each session that was put.
func (r *registry) remove(s *session) {
	if s.tree == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.clients[s.place] == s {
		delete(r.clients, s.place)
	}
	if t := r.tenants[s.place.tenant]; t != nil {
		if t.clients--; t.clients == 0 {
			delete(r.tenants, s.place.tenant)
		}
	}
}

func (r *registry) current(s *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clients[s.place] == s
}

func (r *registry) all() []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*session, 0, len(r.clients))
	for _, s := range r.clients {
		list = append(list, s)
	}
	return list
}

// takePlace makes sess the session of its client. The one before is closed, and
// its will said, before the new one is answered.
func (s *Server) takePlace(ctx context.Context, sess *session) (code byte, detail string) {
	old, code, detail := s.clients.put(sess, s.limits.ClientsPerTenant)
	if code != codeSuccess {
		if code == codeQuota {
			s.cfg.Alarms.Raise(sess.place.tenant, alarmConnections, "The tenant has as many clients of the MQTT Service as it may.")
		}
		return code, detail
	}
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
		if match(sess.principal, sess.verdict) {
			s.kick(sess, reason)
		}
	}
}

func (s *Server) kick(sess *session, reason platform.Reason) {
	s.stats.kicked.Add(1)
	s.log.Info("connection closed", "tenant", sess.place.tenant, "external_id", sess.place.client, "reason", reason)
	sess.end(codeAdministrative)
}
