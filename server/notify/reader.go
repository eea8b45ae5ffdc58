package notify

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// How a reader goes through its topic.
const (
	readPage  = 100                    // messages read at once
	saveAfter = 200                    // acknowledgements
	saveEvery = 500 * time.Millisecond // if there is anything to save
)

// reader is a consumer that is connected to this node, once or, if it is shared,
// several times. That of a persistent topic has a goroutine, which reads from the
// store; to the others messages are offered as they come.
type reader struct {
	s          *Service
	tenant     platform.TenantID
	topic      platform.NotificationTopic
	subscriber string
	shared     bool
	cancel     context.CancelFunc
	woken      chan struct{} // one slot

	mu       sync.Mutex // guards what follows
	clients  []*Client
	joined   int // connections so far, for names
	ended    bool
	unread   bool  // there may be something after cursor
	cursor   int64 // everything up to here was handed out or acknowledged
	position position
	flights  map[int64]flight
	stuck    map[platform.ID]stuck
	number   int64 // of the last message offered
}

// flight is a message that waits for its acknowledgement.
type flight struct {
	client *Client
	source platform.ID
}

// stuck keeps the messages of a source with the client that has some of them, so
// that they stay in order.
type stuck struct {
	client *Client
	n      int
}

// Connect lets a consumer read from its topic. instance is the name of this
// connection among those that share a consumer; it may be empty. A consumer of a
// persistent topic is registered by its first connection.
//
// Errors: problem.Conflict if an exclusive consumer is connected already, unless
// as the same instance, which is then taken over; problem.TooMany beyond the
// number of connections that may share one.
func (s *Service) Connect(ctx context.Context, g Grant, instance string) (*Client, error) {
	for {
		r, start, err := s.reader(ctx, g)
		if err != nil {
			return nil, err
		}
		c, err := r.join(g.Shared, instance)
		if start && !g.Topic.NonPersistent {
			run, cancel := context.WithCancel(context.Background())
			r.mu.Lock()
			r.cancel = cancel
			if r.ended {
				cancel()
			}
			r.mu.Unlock()
			go r.run(run)
		}
		if c != nil || err != nil {
			return c, err
		}
	}
}

// reader returns the reader of a grant; start says that it is new.
func (s *Service) reader(ctx context.Context, g Grant) (r *reader, start bool, err error) {
	from := int64(0)
	if !g.Topic.NonPersistent {
		if from, err = s.startOf(ctx, g); err != nil {
			return nil, false, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	topic := s.of(g.Tenant).topic(g.Topic)
	if r := topic.readers[g.Subscriber]; r != nil {
		return r, false, nil
	}
	r = &reader{s: s, tenant: g.Tenant, topic: g.Topic, subscriber: g.Subscriber, shared: g.Shared, woken: make(chan struct{}, 1),
		cursor: from, position: newPosition(from), flights: map[int64]flight{}, stuck: map[platform.ID]stuck{}, unread: true}
	topic.readers[g.Subscriber] = r
	s.mark(g.Tenant)
	return r, true, nil
}

// startOf returns where a consumer goes on, registering it if it is new.
func (s *Service) startOf(ctx context.Context, g Grant) (int64, error) {
	s.mu.RLock()
	t := s.tenants[g.Tenant]
	known := t != nil && t.topics[g.Topic] != nil && t.topics[g.Topic].consumers[g.Subscriber]
	s.mu.RUnlock()
	if known {
		from, err := s.Store.Position(ctx, g.Tenant, g.Topic.Name, g.Subscriber)
		if !errors.Is(err, problem.NotFound) {
			return from, err
		}
	}
	c := platform.NotificationConsumer{Tenant: g.Tenant, Topic: g.Topic.Name, Subscriber: g.Subscriber, Created: platform.Millis(s.Now())}
	if err := s.Store.CreateConsumer(ctx, c); err != nil {
		return 0, err
	}
	s.register(g.Tenant, g.Topic.Name, g.Subscriber, true)
	return s.Store.Position(ctx, g.Tenant, g.Topic.Name, g.Subscriber)
}

// join adds a connection; nil without error means that the reader has just ended.
func (r *reader) join(shared bool, instance string) (*Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil, nil
	}
	if i := slices.IndexFunc(r.clients, func(c *Client) bool { return instance != "" && c.name == instance }); i >= 0 {
		r.remove(r.clients[i], errTakenOver)
	}
	switch {
	case len(r.clients) > 0 && !(shared && r.shared):
		return nil, problem.New(problem.Conflict, "The consumer is connected already.", nil)
	case len(r.clients) >= maxClients:
		return nil, problem.New(problem.TooMany, "At most 64 connections share a consumer.", nil)
	}
	r.shared = shared
	r.joined++
	c := &Client{reader: r, name: instance, ready: make(chan struct{}, 1)}
	if c.name == "" {
		c.name = "\x00" + strconv.Itoa(r.joined) // nobody can choose this one
	}
	r.clients = append(r.clients, c)
	r.wake()
	return c, nil
}

// remove takes a connection away; what it had in flight is read again. mu is held.
func (r *reader) remove(c *Client, why error) {
	i := slices.Index(r.clients, c)
	if i < 0 {
		return
	}
	r.clients = slices.Delete(slices.Clone(r.clients), i, i+1)
	c.fail(why)
	for number, f := range r.flights {
		if f.client == c {
			r.land(number, f)
			r.cursor = min(r.cursor, number-1)
			r.unread = true
		}
	}
	r.wake()
}

// land forgets that a message is in flight; mu is held.
func (r *reader) land(number int64, f flight) {
	delete(r.flights, number)
	if held := r.stuck[f.source]; held.n > 1 {
		held.n--
		r.stuck[f.source] = held
	} else {
		delete(r.stuck, f.source)
	}
}

// leave is remove; with the last connection the reader ends.
func (r *reader) leave(c *Client, why error) {
	r.mu.Lock()
	r.remove(c, why)
	last := len(r.clients) == 0
	r.mu.Unlock()
	if last {
		r.save(1) // before somebody who connects anew reads it
		r.endIfIdle()
	}
}

// end lets go of all connections.
func (r *reader) end(why error) {
	r.mu.Lock()
	for _, c := range r.clients {
		r.remove(c, why)
	}
	r.mu.Unlock()
	r.endIfIdle()
}

// endIfIdle ends a reader without connections and takes it out of its topic.
func (r *reader) endIfIdle() {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || len(r.clients) > 0 {
		return
	}
	r.ended = true
	if r.cancel != nil {
		r.cancel()
	}
	if t := s.tenants[r.tenant]; t != nil && t.topics[r.topic] != nil && t.topics[r.topic].readers[r.subscriber] == r {
		delete(t.topics[r.topic].readers, r.subscriber)
		s.tidy(r.tenant, r.topic)
	}
}

func (r *reader) wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// more says that there may be something to hand out.
func (r *reader) more() {
	r.mu.Lock()
	r.unread = true
	r.mu.Unlock()
	r.wake()
}

// ack takes the acknowledgement of a connection.
func (r *reader) ack(c *Client, number int64) {
	r.mu.Lock()
	f, ok := r.flights[number]
	if !ok || f.client != c {
		r.mu.Unlock()
		return
	}
	r.land(number, f)
	r.position.done(number)
	before := r.position.unsaved()
	r.position.advance(r.cursor, r.flying)
	now := r.position.unsaved()
	wake := c.acknowledged() || before == 0 && now > 0 || now >= saveAfter
	r.mu.Unlock()
	if wake {
		r.wake()
	}
}

func (r *reader) flying(number int64) bool {
	_, ok := r.flights[number]
	return ok
}

// forSource chooses who gets the messages of a source: who has some of them
// already, else by highest random weight, so that few change hands when somebody
// comes or goes. mu is held.
func (r *reader) forSource(source platform.ID) *Client {
	if held, ok := r.stuck[source]; ok {
		return held.client
	}
	var chosen *Client
	var most uint64
	for _, c := range r.clients {
		if w := weight(c.name, source); chosen == nil || w > most {
			chosen, most = c, w
		}
	}
	return chosen
}

func weight(name string, source platform.ID) uint64 {
	sum := uint64(14695981039346656037) // FNV-1a
	for i := range len(name) {
		sum = (sum ^ uint64(name[i])) * 1099511628211
	}
	for shift := 0; shift < 64; shift += 8 {
		sum = (sum ^ uint64(source)>>shift&0xff) * 1099511628211
	}
	sum ^= sum >> 33
	sum *= 0xff51afd7ed558ccd // the low bits alone change much with the last byte
	return sum ^ sum>>33
}

// offer hands a message of a topic that keeps nothing to those who are connected.
func (s *Service) offer(tenant platform.TenantID, name platform.NotificationTopic, m platform.QueuedNotification) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tenants[tenant]
	if t == nil || t.topics[name] == nil {
		return
	}
	for _, r := range t.topics[name].readers {
		r.mu.Lock()
		if c := r.forSource(m.Source); c != nil {
			r.number++
			m.Number = r.number
			c.pushLossy(Message{m, tenant})
		}
		r.mu.Unlock()
	}
}

// Forget unsubscribes a consumer: nothing is kept for it any more. known is false
// if there was none.
func (s *Service) Forget(ctx context.Context, g Grant) (known bool, err error) {
	if g.Topic.NonPersistent {
		s.mu.RLock()
		var r *reader
		if t := s.tenants[g.Tenant]; t != nil && t.topics[g.Topic] != nil {
			r = t.topics[g.Topic].readers[g.Subscriber]
		}
		s.mu.RUnlock()
		if r != nil {
			r.end(errUnsubscribed)
		}
		return r != nil, nil
	}
	err = s.Store.DeleteConsumer(ctx, g.Tenant, g.Topic.Name, g.Subscriber)
	switch problem.KindOf(err) {
	case "":
		s.register(g.Tenant, g.Topic.Name, g.Subscriber, false)
		return true, nil
	case problem.NotFound:
		return false, nil
	}
	return false, err
}
