package mqttservice

import (
	"context"
	"encoding/json"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// loadPage is how many rows are read at once.
const loadPage = 500

// Load reads the sessions that wait for their clients and what is retained. It is
// called before clients may connect. Sessions that had a connection when the
// server died have lost it now: their wills are said, at once or in their time.
func (s *Server) Load(ctx context.Context) error {
	tenants, err := s.cfg.Store.Tenants(ctx)
	if err != nil {
		return err
	}
	var found []*keptSession
	for _, tenant := range tenants {
		if err := s.loadRetained(ctx, tenant.ID); err != nil {
			return err
		}
		if !s.cfg.Alone {
			continue
		}
		list, err := s.loadSessions(ctx, tenant.ID)
		if err != nil {
			return err
		}
		found = append(found, list...)
	}
	now := time.Now()
	for _, k := range found { // when all who may hear a will are there
		s.clients.free(k.ghost, k.sub.revive(&k.state, now))
		close(k.ghost.done)
	}
	return nil
}

// keptSession is a session that was found in the store.
type keptSession struct {
	sub   *subscriber
	ghost *session // works on it
	state keptState
}

func (s *Server) loadSessions(ctx context.Context, tenant platform.TenantID) (found []*keptSession, err error) {
	for after := ""; ; {
		list, err := s.cfg.Store.MessageSessions(ctx, tenant, after, loadPage)
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			k := s.loadSession(m)
			if k == nil {
				continue
			}
			found = append(found, k)
			if k.sub.received, err = s.loadReceived(ctx, k.sub); err != nil {
				return nil, err
			}
		}
		if len(list) < loadPage {
			return found, nil
		}
		after = list[len(list)-1].Client
	}
}

// loadReceived reads the packet IDs of QoS 2 publishes that are not released.
func (s *Server) loadReceived(ctx context.Context, b *subscriber) (map[uint16]*exchange, error) {
	list, err := s.cfg.Store.ReceivedPackets(ctx, b.key())
	received := map[uint16]*exchange{}
	for _, id := range list {
		received[id] = &exchange{durable: true}
	}
	return received, err
}

// loadSession puts a session into the registry; nil if nobody can read it.
func (s *Server) loadSession(m platform.MessageSession) *keptSession {
	k := &keptSession{}
	if err := json.Unmarshal(m.State, &k.state); err != nil {
		s.log.Error("stored session not readable", "tenant", m.Tenant, "external_id", m.Client, "err", err)
		return nil
	}
	s.clients.mu.Lock()
	b := s.clients.add(s, place{m.Tenant, m.Client})
	k.ghost = &session{server: s, place: b.place, sub: b, gone: true, done: make(chan struct{})}
	b.session = k.ghost
	s.clients.mu.Unlock()
	k.sub = b
	b.restore(&k.state)
	return k
}

// restore takes over what is stored, but for the will and the times.
func (b *subscriber) restore(state *keptState) {
	b.kept, b.user, b.device, b.sent = true, state.User, state.Device, state.Sent
	if b.setExpiry(state.Expiry); state.Expiry == 0 {
		return
	}
	b.mu.Lock()
	b.isolated, b.stored = state.Isolated, true
	b.mu.Unlock()
	for filter, sub := range state.Filters {
		if code, _ := checkFilter(filter); code == codeSuccess {
			b.filters[filter] = sub
			b.space.tree.add(filter, b, sub)
		}
	}
}

// fetchState looks, where other servers work on the store, for the session that the
// client has there: it may have been connected to another of them, or to this one
// before it was started again.
func (b *subscriber) fetchState(ctx context.Context) error {
	row, err := b.server.cfg.Store.MessageSession(ctx, b.key())
	if err != nil {
		if problem.KindOf(err) == problem.NotFound {
			err = nil
		}
		return err
	}
	var state keptState
	if err := json.Unmarshal(row.State, &state); err != nil {
		return err
	}
	if state.Node == b.server.node && b.kept {
		return nil // it is what is in memory
	}
	received, err := b.server.loadReceived(ctx, b)
	if err != nil {
		return err
	}
	b.kept = false // nothing of it is to be removed from the store
	b.forget()
	b.restore(&state)
	b.unsure = true
	b.mu.Lock()
	b.received = received
	b.mu.Unlock()
	if !state.Due.IsZero() && !time.Now().Before(state.Due) {
		b.forget() // its time is over
	}
	return nil
}

// isOurs reports whether the session is still this server's. If nobody knows, it is
// not: another one ends it, or the client.
func (b *subscriber) isOurs() bool {
	ctx, cancel := context.WithTimeout(context.Background(), b.server.limits.Write)
	defer cancel()
	row, err := b.server.cfg.Store.MessageSession(ctx, b.key())
	var state keptState
	return err == nil && json.Unmarshal(row.State, &state) == nil && state.Node == b.server.node
}

// revive goes on with a session of the last run. It reports whether its state
// waits for the client.
func (b *subscriber) revive(state *keptState, now time.Time) (waits bool) {
	w := state.Will.will()
	b.unsure = state.Unsure || state.Due.IsZero()
	if state.Due.IsZero() { // it was connected
		return b.leave(w, now)
	}
	b.due = state.Due
	if w != nil {
		b.will, b.willDue = w, state.WillDue
	}
	return b.overdue(now)
}

// will reads what save wrote; nil for none, or nothing that can be read.
func (k *keptWill) will() *will {
	if k == nil {
		return nil
	}
	m := decodeMessage(k.Body, time.Time{})
	if m == nil {
		return nil
	}
	m.lane = k.Lane
	return &will{message: m, delay: k.Delay, lifetime: k.Expires}
}

func (s *Server) loadRetained(ctx context.Context, tenant platform.TenantID) error {
	s.clients.mu.Lock()
	t := s.clients.space(s, tenant)
	s.clients.mu.Unlock()
	topic, lane := "", byte(0)
	for {
		list, err := s.cfg.Store.RetainedMessages(ctx, tenant, topic, lane, loadPage)
		if err != nil {
			return err
		}
		for _, r := range list {
			topic, lane = r.Topic, r.Lane
			if m := decodeMessage(r.Body, r.Expires); m != nil && lane < lanes {
				m.lane = lane
				t.retained.load(m)
			}
		}
		if len(list) < loadPage {
			break
		}
	}
	t.expireRetained(time.Now())
	return nil
}

// expireRetained takes out what is too old.
func (t *space) expireRetained(now time.Time) {
	for _, m := range t.retained.expire(now) {
		t.server.cfg.Store.SubmitMessage(platform.SubmitMessage{Tenant: t.tenant, Retain: true, Topic: m.topic, Lane: m.lane}, func(_ []string, err error) {
			if err != nil { // it goes at the next start
				t.server.log.Error("retained message not removed", "tenant", t.tenant, "err", err)
			}
		})
	}
}
