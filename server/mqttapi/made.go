package mqttapi

import (
	"strings"
	"sync"
	"time"

	"mooring/internal/deviceid"
	"mooring/internal/smartrest/legacy"
	"mooring/internal/smartrest/template"
	"mooring/server/platform"
)

// Bounds of how sessions hear of new collections; ours. A pass looks at every
// session, so that many collections made at once cost one.
const (
	madeEvery = 100 * time.Millisecond
	maxMade   = 1000 // beyond, the others' sessions hear with the next operation
)

// madeCollections are new collections of which sessions have not heard.
type madeCollections struct {
	mu   sync.Mutex
	list map[madeCollection]bool
}

type madeCollection struct {
	tenant platform.TenantID
	legacy bool
	xid    string
}

// named hears that an object was given a name. If it makes it a collection, sessions
// that listen to it are brought what is pending. It does not block.
func (s *Server) named(tenant platform.TenantID, key string) {
	kind, xid, _ := strings.Cut(key, "/")
	if kind != template.ExternalIDType && kind != legacy.ExternalIDType {
		return
	}
	s.made.mu.Lock()
	defer s.made.mu.Unlock()
	if len(s.made.list) == 0 {
		s.made.list = map[madeCollection]bool{}
		time.AfterFunc(madeEvery, s.tellMade)
	}
	if len(s.made.list) < maxMade {
		s.made.list[madeCollection{tenant, kind == legacy.ExternalIDType, xid}] = true
	}
}

// tellMade lets the sessions of new collections look through what is pending.
func (s *Server) tellMade() {
	s.made.mu.Lock()
	list := s.made.list
	s.made.list = nil
	s.made.mu.Unlock()
	tenants := map[platform.TenantID]bool{}
	for m := range list {
		tenants[m.tenant] = true
	}
	for _, sess := range s.sessions.all() {
		if tenants[sess.place.tenant] {
			sess.lookThrough(func(filter string) bool { return sess.listens(list, filter) })
		}
	}
}

// listens reports whether a filter brings what one of the collections says.
func (s *session) listens(made map[madeCollection]bool, filter string) bool {
	t, err := deviceid.ParseTopic(filter)
	if err != nil || t.Class != deviceid.SmartREST {
		return false
	}
	of := madeCollection{s.place.tenant, t.Direction == deviceid.Operations, t.XID}
	switch {
	case filter == filterCustom:
		for m := range made {
			if m.tenant == s.place.tenant && !m.legacy {
				return true
			}
		}
		return false
	case filter == topicDefault:
		of.xid = s.template
	}
	return made[of]
}

// lookThrough plans a way through all that is pending, for the filters that match.
func (s *session) lookThrough(match func(filter string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	planned := false
	for _, f := range s.out.filters {
		if bringsOperations(f.filter) && match(f.filter) {
			s.catchUp(catchUp{filter: f.filter})
			planned = true
		}
	}
	if planned {
		s.start()
	}
}
