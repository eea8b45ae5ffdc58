package mqttservice_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// fakeStore keeps sessions and messages in memory. It outlives a rig, as a disk
// does.
type fakeStore struct {
	mu       sync.Mutex
	sessions map[platform.MessageKey]*fakeSession
	retained map[platform.TenantID]map[fakeTopic]platform.RetainedMessage
	broken   bool          // nothing can be written
	held     chan struct{} // not nil: writes wait for its end
}

type fakeSession struct {
	state    []byte
	last     int64
	queue    []platform.QueuedMessage
	received map[uint16]bool
}

type fakeTopic struct {
	topic string
	lane  byte
}

func newFakeStore() *fakeStore {
	return &fakeStore{sessions: map[platform.MessageKey]*fakeSession{}, retained: map[platform.TenantID]map[fakeTopic]platform.RetainedMessage{}}
}

var errBroken = errors.New("disk full")

// write carries out a command.
func (f *fakeStore) write(run func(), done func(error)) {
	f.mu.Lock()
	held := f.held
	f.mu.Unlock()
	if held != nil {
		go func() { <-held; f.writeNow(run, done) }()
		return
	}
	f.writeNow(run, done)
}

func (f *fakeStore) writeNow(run func(), done func(error)) {
	f.mu.Lock()
	var err error
	if f.broken {
		err = errBroken
	} else {
		run()
	}
	f.mu.Unlock()
	done(err)
}

func (f *fakeStore) setBroken(broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = broken
}

// hold keeps writes waiting until the function it returns is called.
func (f *fakeStore) hold() (free func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	held := make(chan struct{})
	f.held = held
	return func() {
		f.mu.Lock()
		f.held = nil
		f.mu.Unlock()
		close(held)
	}
}

func (f *fakeStore) Tenants(context.Context) ([]platform.Tenant, error) {
	return []platform.Tenant{{ID: "t1"}, {ID: "t2"}}, nil
}

func (f *fakeStore) SaveMessageSession(s platform.MessageSession, done func(error)) {
	f.write(func() {
		k := platform.MessageKey{Tenant: s.Tenant, Client: s.Client}
		if f.sessions[k] == nil {
			f.sessions[k] = &fakeSession{received: map[uint16]bool{}}
		}
		f.sessions[k].state = bytes.Clone(s.State)
	}, done)
}

func (f *fakeStore) EndMessageSession(k platform.MessageKey, done func(error)) {
	f.write(func() { delete(f.sessions, k) }, done)
}

func (f *fakeStore) MessageSessions(_ context.Context, tenant platform.TenantID, after string, limit int) (list []platform.MessageSession, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, s := range f.sessions {
		if k.Tenant == tenant && k.Client > after {
			list = append(list, platform.MessageSession{Tenant: tenant, Client: k.Client, State: s.state})
		}
	}
	slices.SortFunc(list, func(a, b platform.MessageSession) int { return strings.Compare(a.Client, b.Client) })
	return list[:min(limit, len(list))], nil
}

func (f *fakeStore) MessageSession(_ context.Context, k platform.MessageKey) (platform.MessageSession, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sessions[k]
	if s == nil {
		return platform.MessageSession{}, problem.NotFound
	}
	return platform.MessageSession{Tenant: k.Tenant, Client: k.Client, State: bytes.Clone(s.state)}, nil
}

func (f *fakeStore) SubmitMessage(m platform.SubmitMessage, done func([]string, error)) {
	var full []string
	f.write(func() {
		for _, r := range m.To {
			s := f.sessions[platform.MessageKey{Tenant: m.Tenant, Client: r.Client}]
			switch {
			case s == nil:
			case len(s.queue) >= m.MaxMessages:
				full = append(full, r.Client)
			default:
				s.last++
				s.queue = append(s.queue, platform.QueuedMessage{Number: s.last, QoS: r.QoS, Retained: r.Retained, Identifiers: r.Identifiers, Expires: m.Expires, Body: bytes.Clone(m.Body)})
			}
		}
		if s := f.sessions[platform.MessageKey{Tenant: m.Tenant, Client: m.Sender}]; s != nil && m.Received > 0 {
			s.received[m.Received] = true
		}
		if m.Retain {
			f.retain(m)
		}
	}, func(err error) { done(full, err) })
}

func (f *fakeStore) retain(m platform.SubmitMessage) {
	if f.retained[m.Tenant] == nil {
		f.retained[m.Tenant] = map[fakeTopic]platform.RetainedMessage{}
	}
	k := fakeTopic{m.Topic, m.Lane}
	if delete(f.retained[m.Tenant], k); len(m.Body) > 0 {
		f.retained[m.Tenant][k] = platform.RetainedMessage{Topic: m.Topic, Lane: m.Lane, Expires: m.Expires, Body: bytes.Clone(m.Body)}
	}
}

func (f *fakeStore) QueuedMessages(_ context.Context, k platform.MessageKey, after int64, limit int) (list []platform.QueuedMessage, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.sessions[k]; s != nil {
		for _, q := range s.queue {
			if q.Number > after && len(list) < limit {
				list = append(list, q)
			}
		}
	}
	return list, nil
}

func (f *fakeStore) ReleaseMessage(k platform.MessageKey, number int64, done func(error)) {
	f.write(func() {
		if s := f.sessions[k]; s != nil {
			for i := range s.queue {
				s.queue[i].Released = s.queue[i].Released || s.queue[i].Number == number
			}
		}
	}, done)
}

func (f *fakeStore) ForgetMessages(k platform.MessageKey, numbers []int64, done func(error)) {
	f.write(func() {
		if s := f.sessions[k]; s != nil {
			s.queue = slices.DeleteFunc(s.queue, func(q platform.QueuedMessage) bool { return slices.Contains(numbers, q.Number) })
		}
	}, done)
}

func (f *fakeStore) ReceivedPackets(_ context.Context, k platform.MessageKey) (list []uint16, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.sessions[k]; s != nil {
		for id := range s.received {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list, nil
}

func (f *fakeStore) ForgetReceived(k platform.MessageKey, packet uint16, done func(error)) {
	f.write(func() {
		if s := f.sessions[k]; s != nil {
			delete(s.received, packet)
		}
	}, done)
}

func (f *fakeStore) RetainedMessages(_ context.Context, tenant platform.TenantID, topic string, lane byte, limit int) (list []platform.RetainedMessage, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, m := range f.retained[tenant] {
		if k.topic > topic || k.topic == topic && k.lane > lane {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b platform.RetainedMessage) int {
		return strings.Compare(a.Topic+string(rune(a.Lane)), b.Topic+string(rune(b.Lane)))
	})
	return list[:min(limit, len(list))], nil
}

// clone is the disk at the instant of a power cut.
func (f *fakeStore) clone() *fakeStore {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := newFakeStore()
	for k, s := range f.sessions {
		d := &fakeSession{state: bytes.Clone(s.state), last: s.last, queue: slices.Clone(s.queue), received: map[uint16]bool{}}
		for id := range s.received {
			d.received[id] = true
		}
		c.sessions[k] = d
	}
	for t, topics := range f.retained {
		c.retained[t] = map[fakeTopic]platform.RetainedMessage{}
		for k, m := range topics {
			c.retained[t][k] = m
		}
	}
	return c
}
