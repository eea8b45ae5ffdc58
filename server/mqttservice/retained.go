package mqttservice

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// retained is what a tenant retains, by topic. The store has it too.
type retained struct {
	mu       sync.Mutex // guards the fields below
	topics   map[string][lanes]*message
	messages int
	bytes    int
}

// mayRetain reports whether there is room for m, if need be after what is too old
// has gone.
func (t *space) mayRetain(m *message) bool {
	if t.retained.fits(m, &t.server.limits) {
		return true
	}
	t.expireRetained(time.Now())
	return t.retained.fits(m, &t.server.limits)
}

// load puts in what is in the store.
func (r *retained) load(m *message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.topics == nil {
		r.topics = map[string][lanes]*message{}
	}
	slots := r.topics[m.topic]
	r.set(&slots, m.lane, m)
	r.topics[m.topic] = slots
}

// fits reports whether there is room for m. Removing is always possible.
func (r *retained) fits(m *message, l *Limits) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(m.payload) == 0 {
		return true
	}
	messages, bytes := r.messages+1, r.bytes+m.size()
	if old := r.topics[m.topic][m.lane]; old != nil {
		messages, bytes = messages-1, bytes-old.size()
	}
	return messages <= l.RetainedMessages && bytes <= l.RetainedBytes
}

// put replaces what is retained under the topic of m. What an application says
// stands for what devices have said too: the lanes that are returned are empty now.
func (r *retained) put(m *message) (emptied []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.topics == nil {
		r.topics = map[string][lanes]*message{}
	}
	slots := r.topics[m.topic]
	r.set(&slots, m.lane, m)
	if m.lane == laneApplications && slots[laneDevices] != nil {
		r.set(&slots, laneDevices, nil)
		emptied = []byte{laneDevices}
	}
	if r.topics[m.topic] = slots; slots == [lanes]*message{} {
		delete(r.topics, m.topic)
	}
	return emptied
}

// set counts. mu is held.
func (r *retained) set(slots *[lanes]*message, lane byte, m *message) {
	if old := slots[lane]; old != nil {
		r.messages, r.bytes = r.messages-1, r.bytes-old.size()
	}
	slots[lane] = nil
	if m != nil && len(m.payload) > 0 {
		slots[lane] = m
		r.messages, r.bytes = r.messages+1, r.bytes+m.size()
	}
}

// match returns what is retained under the topics that a filter matches, in the
// order of the topics; isolated are not shown what devices said.
func (r *retained) match(filter string, isolated bool, now time.Time) []*message {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*message
	for topic, slots := range r.topics {
		m := slots[laneApplications]
		if !isolated && slots[laneDevices] != nil {
			m = slots[laneDevices] // it came later
		}
		if m != nil && !m.expired(now) && matches(filter, topic) {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b *message) int { return strings.Compare(a.topic, b.topic) })
	return list
}

// expire takes out what is too old and returns it.
func (r *retained) expire(now time.Time) (old []*message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for topic, slots := range r.topics {
		for lane, m := range slots {
			if m != nil && m.expired(now) {
				r.set(&slots, byte(lane), nil)
				old = append(old, m)
			}
		}
		if r.topics[topic] = slots; slots == [lanes]*message{} {
			delete(r.topics, topic)
		}
	}
	return old
}
