package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"sync"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Nodes tell each other for which tenants somebody is connected to them who
// hears what is not stored: listeners, and consumers of topics that keep
// nothing. What happens in such a tenant is broadcast by the node where it
// happens, without the object, which the others read from the store they share.
// Messages of persistent topics need none of this: they are in the store.
const (
	announceEvery = 10 * time.Second
	announceFor   = 3*announceEvery + time.Second
	followAgain   = 5 * time.Second
	fetchWithin   = 5 * time.Second
)

// wire is a broadcast: what a node wants, or what happened there.
type wire struct {
	Node    string              `json:"n"`
	Want    []platform.TenantID `json:"w,omitempty"`
	Tenant  platform.TenantID   `json:"t,omitempty"`
	Notices []wireNotice        `json:"l,omitempty"`
}

type wireNotice struct {
	API       platform.NoticeAPI    `json:"a"`
	Action    platform.NoticeAction `json:"x"`
	Source    platform.ID           `json:"s"`
	ID        platform.ID           `json:"i"`
	Type      string                `json:"y,omitempty"`
	Transient json.RawMessage       `json:"d,omitempty"` // the object, if it is not stored
}

// relay is what this node knows of itself as one of several.
type relay struct {
	node     string
	announce chan struct{} // one slot: there is a tenant more

	mu   sync.Mutex // guards want; taken under Service.mu
	want map[platform.TenantID]bool
}

func newRelay() relay {
	return relay{node: rand.Text(), announce: make(chan struct{}, 1), want: map[platform.TenantID]bool{}}
}

// interested notes whether somebody of a tenant is connected to this node.
func (r *relay) interested(id platform.TenantID, live bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.want[id] == live {
		return
	}
	if !live {
		delete(r.want, id)
		return
	}
	r.want[id] = true
	select {
	case r.announce <- struct{}{}:
	default:
	}
}

// Run keeps up with other nodes until ctx ends; without Relay there is nothing to do.
func (s *Service) Run(ctx context.Context) {
	if s.Relay == nil {
		return
	}
	var following sync.WaitGroup
	defer following.Wait()
	following.Go(func() { s.follow(ctx) })
	every := time.NewTicker(announceEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.relay.announce:
		case <-every.C:
			s.expireInterest()
		}
		s.announce(ctx)
	}
}

func (s *Service) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.Relay.FollowBroadcasts(ctx, func() { s.announce(ctx) }, func(text string) { s.hear(ctx, text) })
		if ctx.Err() != nil {
			return
		}
		s.Log.Warn("other nodes' notices are missed: the database does not tell of them", "err", err)
		pause := time.NewTimer(followAgain)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// announce tells the other nodes what this one wants.
func (s *Service) announce(ctx context.Context) {
	s.relay.mu.Lock()
	var list []platform.TenantID
	for id := range s.relay.want {
		list = append(list, id)
	}
	s.relay.mu.Unlock()
	for len(list) > 0 {
		w, size := wire{Node: s.relay.node}, 100
		for len(list) > 0 && (len(w.Want) == 0 || size+len(list[0])+3 < platform.MaxBroadcast) {
			size += len(list[0]) + 3
			w.Want, list = append(w.Want, list[0]), list[1:]
		}
		s.broadcast(ctx, w)
	}
}

func (s *Service) broadcast(ctx context.Context, w wire) {
	text, err := json.Marshal(w)
	s.stats.broadcasts.Add(1)
	if err == nil {
		err = s.Relay.Broadcast(ctx, string(text))
	}
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("other nodes are not told", "err", err)
	}
}

// expireInterest forgets what other nodes wanted and do not repeat.
func (s *Service) expireInterest() {
	now := s.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, t := range s.tenants {
		if !t.elsewhere.IsZero() && t.elsewhere.Before(now) {
			t.elsewhere = time.Time{}
			s.mark(id)
		}
	}
}

// passOn broadcasts what other nodes want of a batch.
func (s *Service) passOn(batch []post) {
	if s.Relay == nil {
		return
	}
	for _, p := range batch {
		tenant := p.notices[0].Tenant
		s.mu.RLock()
		t := s.tenants[tenant]
		wanted := t != nil && !t.elsewhere.IsZero()
		s.mu.RUnlock()
		if wanted && !p.remote {
			s.tellNodes(tenant, p.notices)
		}
	}
}

func (s *Service) tellNodes(tenant platform.TenantID, notices []platform.Notice) {
	w, size := wire{Node: s.relay.node, Tenant: tenant}, 0
	for i := range notices {
		n := &notices[i]
		one := wireNotice{API: n.API, Action: n.Action, Source: n.Source, ID: n.ID, Type: n.Type}
		if n.Transient {
			one.Transient = s.Encode(context.Background(), *n)
		}
		text, err := json.Marshal(one)
		if err != nil || len(text) > platform.MaxBroadcast-200-len(tenant) {
			continue // one that is not stored and too large to be told
		}
		if size+len(text) > platform.MaxBroadcast-200-len(tenant) {
			s.broadcast(context.Background(), w)
			w.Notices, size = nil, 0
		}
		w.Notices = append(w.Notices, one)
		size += len(text) + 1
	}
	if len(w.Notices) > 0 {
		s.broadcast(context.Background(), w)
	}
}

// hear takes a broadcast of another node.
func (s *Service) hear(ctx context.Context, text string) {
	var w wire
	if err := json.Unmarshal([]byte(text), &w); err != nil || w.Node == s.relay.node {
		return
	}
	if len(w.Want) > 0 {
		until := s.Now().Add(announceFor)
		s.mu.Lock()
		for _, id := range w.Want {
			s.of(id).elsewhere = until
			s.mark(id)
		}
		s.mu.Unlock()
	}
	s.relay.mu.Lock()
	live := s.relay.want[w.Tenant]
	s.relay.mu.Unlock()
	if !live || len(w.Notices) == 0 {
		return
	}
	var notices []platform.Notice
	for _, one := range w.Notices {
		if n, ok := s.fetch(ctx, w.Tenant, one); ok {
			notices = append(notices, n)
		}
	}
	if len(notices) > 0 {
		s.lanes[laneOf(w.Tenant)].add(post{notices: notices, done: func(error) {}, remote: true})
	}
}

// encoded is an object that came as JSON.
type encoded json.RawMessage

// fetch makes a notice of what another node tells. An object that is gone
// meanwhile is told of by the notice of its end.
func (s *Service) fetch(ctx context.Context, tenant platform.TenantID, one wireNotice) (platform.Notice, bool) {
	n := platform.Notice{Tenant: tenant, API: one.API, Action: one.Action, Source: one.Source, ID: one.ID, Type: one.Type}
	switch {
	case n.Action == platform.NoticeDelete:
		return n, true
	case len(one.Transient) > 0:
		n.Transient, n.Object = true, encoded(one.Transient)
		return n, true
	}
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	var err error
	if n.Object, err = s.Fetch(ctx, n); err != nil {
		if problem.KindOf(err) != problem.NotFound {
			s.Log.Warn("cannot read what another node tells of", "tenant", tenant, "api", n.API, "id", n.ID, "err", err)
		}
		return n, false
	}
	return n, true
}

// encode writes the object of a notice.
func (s *Service) encode(n platform.Notice) []byte {
	if text, ok := n.Object.(encoded); ok {
		return text
	}
	return s.Encode(context.Background(), n)
}
