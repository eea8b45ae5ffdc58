package mqttapi

import (
	"hash/maphash"
	"sync"

	"mooring/server/platform"
)

// place is where a device's one session stands (mqtt.md §1.4: one session per
// device identifier, however the client ID spells it).
type place struct {
	tenant platform.TenantID
	device string
	// bootstrap is a place of its own: who knows the password that all devices know
	// takes no device's place.
	bootstrap bool
}

// registryShards spreads the locks of the registry; a power of two.
const registryShards = 64

// registry knows the session of every connected device. mochi's own client map is
// never asked: it is keyed by client ID and races on takeover.
type registry struct {
	seed   maphash.Seed
	shards [registryShards]struct {
		mu sync.Mutex
		m  map[place]*session
	}
}

func (r *registry) init() {
	r.seed = maphash.MakeSeed()
	for i := range r.shards {
		r.shards[i].m = map[place]*session{}
	}
}

func (r *registry) shard(p place) int {
	return int(maphash.Comparable(r.seed, p) % registryShards)
}

// put makes s the session of its device and returns the one it replaces.
func (r *registry) put(s *session) *session {
	sh := &r.shards[r.shard(s.place)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	old := sh.m[s.place]
	sh.m[s.place] = s
	return old
}

// remove takes s out if it is still the session of its device.
func (r *registry) remove(s *session) {
	sh := &r.shards[r.shard(s.place)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.m[s.place] == s {
		delete(sh.m, s.place)
	}
}

// current reports whether s is still the session of its device.
func (r *registry) current(s *session) bool { return r.get(s.place) == s }

func (r *registry) get(p place) *session {
	sh := &r.shards[r.shard(p)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.m[p]
}

// all returns the sessions there are.
func (r *registry) all() []*session {
	var list []*session
	for i := range r.shards {
		sh := &r.shards[i]
		sh.mu.Lock()
		for _, s := range sh.m {
			list = append(list, s)
		}
		sh.mu.Unlock()
	}
	return list
}

// Connected reports whether a device has a session.
func (s *Server) Connected(tenant platform.TenantID, device string) bool {
	return s.sessions.get(place{tenant: tenant, device: device}) != nil
}

// Kick closes the connection of a device, if it has one, because its trust ended.
func (s *Server) Kick(tenant platform.TenantID, device string, reason platform.Reason) bool {
	s.judgements.Add(1)
	sess := s.sessions.get(place{tenant: tenant, device: device})
	if sess == nil {
		return false
	}
	s.kick(sess, reason)
	return true
}

// KickIf closes every connection for which match holds and returns how many there
// were. The verdict is zero for a session by password. Trust is changed first and
// kicked for afterwards; a CONNECT that was decided before and is not a session
// yet is decided again.
func (s *Server) KickIf(reason platform.Reason, match func(platform.Principal, platform.Verdict) bool) int {
	s.judgements.Add(1)
	n := 0
	for _, sess := range s.sessions.all() {
		if match(sess.principal, sess.verdict) {
			s.kick(sess, reason)
			n++
		}
	}
	return n
}

// KickDevice closes the connection of a device, if it has one and judge finds a
// reason. The verdict is zero for a session by password.
func (s *Server) KickDevice(tenant platform.TenantID, device string, judge func(platform.Principal, platform.Verdict) platform.Reason) bool {
	s.judgements.Add(1)
	sess := s.sessions.get(place{tenant: tenant, device: device})
	if sess == nil {
		return false
	}
	reason := judge(sess.principal, sess.verdict)
	if reason == platform.Accepted || reason == platform.ReasonInternal {
		return false
	}
	s.kick(sess, reason)
	return true
}

func (s *Server) kick(sess *session, reason platform.Reason) {
	sess.mu.Lock()
	established := sess.established
	sess.mu.Unlock()
	if !established { // it is decided again before it is, and hears why
		return
	}
	s.stats.kicked.Add(1)
	s.log.Info("connection closed", "tenant", sess.place.tenant, "external_id", sess.place.device, "reason", reason)
	sess.close()
}
