package notify

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Channel is what a listener hears: what is about one object, or with Source
// zero about any.
type Channel struct {
	API    platform.NoticeAPI
	Source platform.ID
}

// AgentOperations is the API under which an agent hears of operations that were
// created for it or for a device below it.
const AgentOperations platform.NoticeAPI = "agentOperations"

// Listener hears notices. Hear is called from any goroutine and must not block;
// data is the JSON of the object.
type Listener interface {
	Hear(c Channel, n platform.Notice, data []byte)
}

// tenant is who listens in one tenant.
type tenant struct {
	listeners  map[Channel]map[Listener]int
	subs       map[platform.ID]*subscription
	bySource   map[platform.ID][]*subscription
	tenantWide []*subscription
	// leaving are subscriptions that went with their object and have still to hear
	// that it is gone.
	leaving map[platform.ID]leaving
	topics  map[platform.NotificationTopic]*topic
	family  int // listeners and subscriptions that hear of descendants
	// elsewhere is until when another node is taken to listen.
	elsewhere time.Time
}

// leaving waits for the notice that an object is gone; it does not come if the
// object was removed in quiescent mode.
type leaving struct {
	subs  []*subscription
	until time.Time
}

// leaveWithin is how long that notice is waited for: it follows the change at
// once, on other nodes by another way.
const leaveWithin = 10 * time.Second

// topic is where the messages of subscriptions go.
type topic struct {
	consumers map[string]bool    // registered readers of a persistent topic
	readers   map[string]*reader // those that are connected to this node
}

// of returns the tenant, made if it is missing; mu is held.
func (s *Service) of(id platform.TenantID) *tenant {
	t := s.tenants[id]
	if t == nil {
		t = &tenant{listeners: map[Channel]map[Listener]int{}, subs: map[platform.ID]*subscription{},
			bySource: map[platform.ID][]*subscription{}, leaving: map[platform.ID]leaving{}, topics: map[platform.NotificationTopic]*topic{}}
		s.tenants[id] = t
	}
	return t
}

// topic returns a topic, made if it is missing.
func (t *tenant) topic(name platform.NotificationTopic) *topic {
	found := t.topics[name]
	if found == nil {
		found = &topic{consumers: map[string]bool{}, readers: map[string]*reader{}}
		t.topics[name] = found
	}
	return found
}

// idle reports whether nobody listens.
func (t *tenant) idle() bool {
	for _, topic := range t.topics {
		if len(topic.consumers)+len(topic.readers) > 0 {
			return false
		}
	}
	return len(t.listeners) == 0 && t.elsewhere.IsZero()
}

// live reports whether somebody connected to this node hears what is not stored
// for them.
func (t *tenant) live() bool {
	for name, topic := range t.topics {
		if name.NonPersistent && len(topic.readers) > 0 {
			return true
		}
	}
	return len(t.listeners) > 0
}

// mark notes whether somebody of a tenant listens; mu is held.
func (s *Service) mark(id platform.TenantID) {
	t := s.tenants[id]
	s.relay.interested(id, t != nil && t.live())
	wanted := t != nil && !t.idle()
	if t != nil && !wanted && len(t.subs) == 0 {
		delete(s.tenants, id)
	}
	if s.Wanted(id) == wanted {
		return
	}
	next := map[platform.TenantID]bool{}
	if have := s.active.Load(); have != nil {
		maps.Copy(next, *have)
	}
	if wanted {
		next[id] = true
	} else {
		delete(next, id)
	}
	if len(next) == 0 {
		s.active.Store(nil)
		return
	}
	s.active.Store(&next)
}

// hearsFamily reports whether an API tells of descendants too.
func hearsFamily(api platform.NoticeAPI) bool {
	return api == platform.NoticeAlarmsWithChildren || api == platform.NoticeEventsWithChildren
}

// Listen lets l hear a channel until stop is called.
func (s *Service) Listen(id platform.TenantID, c Channel, l Listener) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.of(id)
	if t.listeners[c] == nil {
		t.listeners[c] = map[Listener]int{}
	}
	t.listeners[c][l]++
	if hearsFamily(c.API) {
		t.family++
	}
	s.mark(id)
	stopped := false
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if stopped {
			return
		}
		stopped = true
		if t.listeners[c][l]--; t.listeners[c][l] == 0 {
			delete(t.listeners[c], l)
		}
		if len(t.listeners[c]) == 0 {
			delete(t.listeners, c)
		}
		if hearsFamily(c.API) {
			t.family--
		}
		s.mark(id)
	}
}

// put adds a subscription to what is in memory, or replaces it.
func (s *Service) put(n platform.NotificationSubscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(n.Tenant, n.ID)
	t, sub := s.of(n.Tenant), newSubscription(n)
	t.subs[n.ID] = sub
	if n.Context == platform.ContextTenant {
		t.tenantWide = append(t.tenantWide, sub)
	} else {
		t.bySource[n.Source] = append(t.bySource[n.Source], sub)
	}
	t.family += sub.family()
}

// drop takes a subscription out of memory; mu is held.
func (s *Service) drop(id platform.TenantID, subscription platform.ID) {
	t := s.tenants[id]
	if t == nil || t.subs[subscription] == nil {
		return
	}
	sub := t.subs[subscription]
	delete(t.subs, subscription)
	t.family -= sub.family()
	if sub.Context == platform.ContextTenant {
		t.tenantWide = without(t.tenantWide, sub)
		return
	}
	if left := without(t.bySource[sub.Source], sub); len(left) > 0 {
		t.bySource[sub.Source] = left
	} else {
		delete(t.bySource, sub.Source)
	}
}

// leave keeps a subscription for the notice that its object is gone, if somebody
// may hear it; mu is held.
func (s *Service) leave(id platform.TenantID, subscription platform.ID) {
	t := s.tenants[id]
	if t == nil || t.subs[subscription] == nil || !s.Wanted(id) {
		return
	}
	now := s.Now()
	maps.DeleteFunc(t.leaving, func(_ platform.ID, l leaving) bool { return now.After(l.until) })
	sub := t.subs[subscription]
	t.leaving[sub.Source] = leaving{subs: append(t.leaving[sub.Source].subs, sub), until: now.Add(leaveWithin)}
}

// left takes the subscriptions that hear of the end of an object; mu is held.
func (t *tenant) left(n *platform.Notice) []*subscription {
	if n.API != platform.NoticeManagedObjects || n.Action != platform.NoticeDelete {
		return nil
	}
	subs := t.leaving[n.Source].subs
	delete(t.leaving, n.Source)
	return subs
}

// without copies: a match may still read the old list.
func without(list []*subscription, gone *subscription) []*subscription {
	return slices.DeleteFunc(slices.Clone(list), func(sub *subscription) bool { return sub == gone })
}

// register notes that a consumer is there, or is not.
func (s *Service) register(id platform.TenantID, name, subscriber string, there bool) {
	s.mu.Lock()
	key := platform.NotificationTopic{Name: name}
	topic := s.of(id).topic(key)
	var gone *reader
	if there {
		topic.consumers[subscriber] = true
	} else {
		delete(topic.consumers, subscriber)
		gone = topic.readers[subscriber]
	}
	s.tidy(id, key)
	s.mu.Unlock()
	if gone != nil {
		gone.end(errUnsubscribed)
	}
}

// tidy forgets a topic nobody reads; mu is held.
func (s *Service) tidy(id platform.TenantID, key platform.NotificationTopic) {
	t := s.of(id)
	if topic := t.topics[key]; topic != nil && len(topic.consumers)+len(topic.readers) == 0 {
		delete(t.topics, key)
	}
	s.mark(id)
}

// Apply takes over what c says has changed. It is idempotent.
func (s *Service) Apply(ctx context.Context, c platform.Change) error {
	switch c.Kind {
	case platform.ChangeSubscription:
		key, withObject := strings.CutSuffix(c.Key, platform.WithObject)
		id, ok := platform.ParseID(key)
		if !ok {
			return nil
		}
		n, err := s.Store.Subscription(ctx, c.Tenant, id)
		if errors.Is(err, problem.NotFound) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if withObject {
				s.leave(c.Tenant, id)
			}
			s.drop(c.Tenant, id)
			s.mark(c.Tenant)
			return nil
		}
		if err == nil {
			s.put(n)
		}
		return err
	case platform.ChangeConsumer:
		topic, subscriber, _ := strings.Cut(c.Key, "/")
		there, err := s.Store.HasConsumer(ctx, c.Tenant, topic, subscriber)
		if err == nil {
			s.register(c.Tenant, topic, subscriber, there)
		}
		return err
	}
	return nil
}
