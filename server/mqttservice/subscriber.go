package mqttservice

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"mooring/server/platform"
)

// subscriber is the state of a client's session (MQTT 5 §4.1): what it subscribed,
// and how far its exchanges are. It may outlive connections, and then the server,
// since what waits for it is in the store.
type subscriber struct {
	server *Server
	place  place
	space  *space

	live atomic.Pointer[session] // its connection, once that is established

	session *session // its connection or who works on it; guarded by registry.mu

	// Only who has the session touches these.
	user         string
	device       string
	filters      map[string]subscription
	kept         bool      // a row in the store
	will         *will     // of a connection that has ended, not said yet
	willDue, due time.Time // when the will is said, and when the session ends
	timer        *time.Timer
	sent         int64 // the highest number that was written to the client
	unsure       bool  // sent is not known: the server died

	mu       sync.Mutex           // guards the fields below
	isolated bool                 // a device: it hears no other device
	expiry   time.Duration        // how long the session outlives its connection
	stored   bool                 // messages of QoS 1 and 2 go through the store
	received map[uint16]*exchange // QoS 2 publishes by packet ID, until their PUBREL
}

// will is the message of a CONNECT, which may be said some time after the end.
type will struct {
	*message
	delay    time.Duration
	lifetime time.Duration // of the message, from when it is said; 0: for ever
}

// keptState is a subscriber as it is stored.
type keptState struct {
	User     string                  `json:"user"`
	Device   string                  `json:"device,omitempty"`
	Isolated bool                    `json:"isolated,omitempty"`
	Expiry   time.Duration           `json:"expiry,omitempty"`
	Filters  map[string]subscription `json:"filters,omitempty"`
	Sent     int64                   `json:"sent,omitempty"`
	Unsure   bool                    `json:"unsure,omitempty"`
	Node     string                  `json:"node,omitempty"` // whose the session is
	Will     *keptWill               `json:"will,omitempty"`
	// WillDue and Due are set while the client is away.
	WillDue time.Time `json:"willDue,omitzero"`
	Due     time.Time `json:"due,omitzero"`
}

type keptWill struct {
	Body    []byte        `json:"body"`
	Lane    byte          `json:"lane,omitempty"`
	Delay   time.Duration `json:"delay,omitempty"`
	Expires time.Duration `json:"expires,omitempty"` // from when it is said
}

func (b *subscriber) key() platform.MessageKey {
	return platform.MessageKey{Tenant: b.place.tenant, Client: b.place.client}
}

// inStore reports whether messages of QoS 1 and 2 for the client go through the
// store: because its session outlives its connection, or has outlived one.
func (b *subscriber) inStore() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stored
}

// setExpiry changes how long the session outlives its connection. A tenant that has
// too many of that kind gets 0.
func (b *subscriber) setExpiry(d time.Duration) {
	b.mu.Lock()
	before := b.expiry
	b.mu.Unlock()
	if (before > 0) != (d > 0) {
		n := 1
		if d == 0 {
			n = -1
		}
		if !b.server.clients.reserve(b.space, n, b.server.limits.SessionsPerTenant) {
			d = 0
		}
	}
	b.mu.Lock()
	b.expiry = d
	b.mu.Unlock()
}

// begin prepares the state for a connection that is to be accepted and reports
// whether it goes on from an earlier one.
func (b *subscriber) begin(s *session, now time.Time) (present bool) {
	if b.timer != nil {
		b.timer.Stop()
	}
	if s.clean || b.user != s.principal.User {
		if b.will != nil { // the session ends, so it is due (MQTT-3.1.3-9)
			b.say(b.will, now)
		}
		b.forget()
	}
	b.user, b.device = s.principal.User, s.principal.Device
	b.will, b.willDue, b.due = nil, time.Time{}, time.Time{}
	b.setExpiry(s.expiry)
	b.mu.Lock()
	defer b.mu.Unlock()
	present = b.stored
	b.isolated, b.stored = s.isolated, present || b.expiry > 0
	s.expiry, s.stored = b.expiry, b.stored
	return present
}

func (b *subscriber) isIsolated() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.isolated
}

func (b *subscriber) isConnected() bool { return b.live.Load() != nil }

// save stores the state as it is, with the will w of a connection that lives, or
// the times of one that has ended.
func (b *subscriber) save(w *will, done func(error)) {
	b.mu.Lock()
	state := keptState{User: b.user, Device: b.device, Isolated: b.isolated, Expiry: b.expiry, Sent: b.sent, Unsure: b.unsure, Node: b.server.node}
	b.mu.Unlock()
	if state.Expiry > 0 {
		state.Filters = b.filters
	}
	if w == nil && b.will != nil {
		w, state.WillDue = b.will, b.willDue
	}
	state.Due = b.due
	if w != nil {
		state.Will = &keptWill{Body: w.encode(), Lane: w.lane, Delay: w.delay, Expires: w.lifetime}
	}
	text, _ := json.Marshal(state) // texts, numbers and times marshal
	b.kept = true
	b.server.cfg.Store.SaveMessageSession(platform.MessageSession{Tenant: b.place.tenant, Client: b.place.client, State: text}, done)
}

// saveAndWait is save before the client is told that it is connected.
func (b *subscriber) saveAndWait(ctx context.Context, w *will) error {
	done := make(chan error, 1)
	b.save(w, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// logged is for commands whose failure nobody waits for.
func (b *subscriber) logged(what string) func(error) {
	return func(err error) {
		if err != nil {
			b.server.log.Error(what, "tenant", b.place.tenant, "external_id", b.place.client, "err", err)
		}
	}
}

// forget ends the session state: the subscriber is as new.
func (b *subscriber) forget() {
	for filter := range b.filters {
		b.space.tree.remove(filter, b)
	}
	b.setExpiry(0)
	b.mu.Lock()
	b.filters, b.received, b.stored = map[string]subscription{}, nil, false
	b.mu.Unlock()
	b.sent, b.unsure = 0, false
	b.will, b.willDue, b.due = nil, time.Time{}, time.Time{}
	if b.kept {
		b.kept = false
		b.server.cfg.Store.EndMessageSession(b.key(), b.logged("session not forgotten"))
	}
}

// leave is the end of a connection whose client is gone: the state waits for it,
// or ends. It reports whether it waits.
func (b *subscriber) leave(w *will, now time.Time) (waits bool) {
	b.mu.Lock()
	expiry := b.expiry
	b.mu.Unlock()
	if w != nil {
		if delay := min(w.delay, expiry); delay > 0 {
			b.will, b.willDue = w, now.Add(delay)
		} else {
			b.say(w, now)
		}
	}
	if expiry == 0 {
		b.forget()
		return false
	}
	b.due = now.Add(expiry)
	b.save(nil, b.logged("session not saved"))
	return true
}

// say publishes a will. One that is to be retained where there is no room is
// published only.
func (b *subscriber) say(w *will, now time.Time) {
	m := *w.message
	m.retain = m.retain && b.space.mayRetain(&m)
	if w.lifetime > 0 {
		m.expires = now.Add(w.lifetime)
	}
	b.space.route(&m, b, 0, b.logged("will not stored"))
}

// wait sees to it that the will is said and the session ended in time. The lock of
// the registry is held.
func (b *subscriber) wait() {
	next := b.due
	if b.will != nil && b.willDue.Before(next) {
		next = b.willDue
	}
	b.timer = time.AfterFunc(time.Until(next), func() { b.server.clients.overdue(b) })
}

// overdue does what is due. Only who has the session calls it. It reports whether
// the state still waits for its client.
func (b *subscriber) overdue(now time.Time) (waits bool) {
	if !b.server.cfg.Alone && !b.isOurs() {
		b.will, b.kept = nil, false // what another server has stays in the store
		b.forget()
		return false
	}
	ends := !now.Before(b.due)
	if b.will != nil && (ends || !now.Before(b.willDue)) {
		w := b.will
		b.will, b.willDue = nil, time.Time{}
		b.say(w, now)
		if !ends {
			b.save(nil, b.logged("session not saved"))
		}
	}
	if ends {
		b.forget()
		return false
	}
	return true
}
