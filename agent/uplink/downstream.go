package uplink

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"mooring/internal/smartrest"
)

// The topics that operations come on; the third is a prefix (contract mqtt.md
// §5.1).
const (
	TopicOperations     = "s/ds"
	TopicJSONOperations = "devicecontrol/notifications"
	TopicCustom         = "s/dc/"
)

const (
	templatePending = "500"
	// listenerRoom is how many messages wait for one listener.
	listenerRoom = 64
	// missedRetry is when operations are asked for again that a listener was too
	// slow for.
	missedRetry = 30 * time.Second
)

// Message is what the server sent on a topic. All listeners share the payload,
// so nobody changes it.
type Message struct {
	Topic   string
	Payload []byte
}

// Listen returns what comes down on topics, each an exact name or "s/dc/#", from
// now on and over all connections; the channel closes when ctx ends. A topic
// that nobody else listens to is subscribed to at once if there is a connection.
//
// Operations that are pending are asked for with template 500 on each connection
// as soon as a topic of operations is granted, and whenever somebody begins to
// listen to one, so a listener gets the same operation again until it is reported
// on. A listener that lets 64 messages wait
// loses what comes then; lost operations are asked for again half a minute later.
func (u *Uplink) Listen(ctx context.Context, topics ...string) <-chan Message {
	l := &listener{topics: topics, room: make(chan Message, listenerRoom)}
	u.downstream.add(l)
	context.AfterFunc(ctx, func() { u.downstream.remove(l) })
	return l.room
}

type listener struct {
	topics []string
	room   chan Message
}

func (l *listener) wants(topic string) bool {
	for _, t := range l.topics {
		if t == topic || strings.HasSuffix(t, "/#") && strings.HasPrefix(topic, t[:len(t)-1]) {
			return true
		}
	}
	return false
}

// downstream spreads what comes down over the listeners.
type downstream struct {
	mu        sync.Mutex // guards what follows
	listeners []*listener
	workers   int           // how many began to listen to operations so far
	changed   chan struct{} // closed when listeners come or go
}

func (d *downstream) add(l *listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listeners = append(d.listeners, l)
	if slices.ContainsFunc(l.topics, isOperations) {
		d.workers++
	}
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *downstream) remove(l *listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.listeners {
		if d.listeners[i] == l {
			d.listeners = append(d.listeners[:i:i], d.listeners[i+1:]...)
			close(l.room)
			close(d.changed)
			d.changed = make(chan struct{})
			return
		}
	}
}

// topics lists what is listened to, once each, how many began to listen to
// operations so far, and a channel that closes when either changes.
func (d *downstream) topics() (topics []string, workers int, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := map[string]bool{}
	for _, l := range d.listeners {
		for _, t := range l.topics {
			if !seen[t] {
				seen[t] = true
				topics = append(topics, t)
			}
		}
	}
	return topics, d.workers, d.changed
}

// spread gives m to everybody who wants it, and tells how many do and how many
// of them had no room.
func (d *downstream) spread(m Message) (takers, full int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.listeners {
		if !l.wants(m.Topic) {
			continue
		}
		takers++
		select {
		case l.room <- m:
		default:
			full++
		}
	}
	return takers, full
}

func isOperations(topic string) bool {
	return topic == TopicOperations || topic == TopicJSONOperations || strings.HasPrefix(topic, TopicCustom)
}

// received runs on the reader of the connection and must not wait.
func (u *Uplink) received(s *session, m mqtt.Message) {
	switch m.Topic() {
	case topicTokenReply:
		for _, line := range parsed(m.Payload()) {
			if line.TemplateID == smartrest.TemplateDeviceToken {
				offer(s.tokens, line.Field(0))
			}
		}
	case topicError:
		u.log.Warn("the server reports an error", "line", cut(string(m.Payload())))
	}
	takers, full := u.downstream.spread(Message{m.Topic(), m.Payload()})
	if takers == 0 {
		u.log.Debug("message without a taker", "topic", m.Topic(), "bytes", len(m.Payload()))
	}
	if full > 0 {
		u.log.Warn("a listener is too slow", "topic", m.Topic(), "listeners", full)
		if isOperations(m.Topic()) {
			offer(s.missed, struct{}{})
		}
	}
}

func parsed(payload []byte) []smartrest.Line {
	lines, err := smartrest.Parse(payload)
	if err != nil {
		return nil
	}
	return lines
}

// offer puts the newest value into a channel that holds one.
func offer[T any](c chan T, v T) {
	select {
	case <-c:
	default:
	}
	select {
	case c <- v:
	default:
	}
}
