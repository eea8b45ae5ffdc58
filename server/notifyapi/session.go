package notifyapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"mooring/internal/problem"
	"mooring/server/notify"
	"mooring/server/platform"
)

// Bounds of what waits for a client of the real-time API. A session that is over
// them is ended: its client has missed something, and learns it by having to
// shake hands anew.
const (
	maxQueued      = 2000
	maxQueuedBytes = 1 << 20
)

// session is a client of the real-time API.
type session struct {
	api     *API
	id      string
	path    string
	who     platform.Principal // as at the handshake
	login   *http.Request      // by which who logged in; looked at again with each connect
	created time.Time
	acks    bool // the client acknowledges batches
	reads   bool // see exchange.reads; set before the client knows the session

	mu        sync.Mutex      // guards what follows; API.mu is never taken under it
	roles     []platform.Role // of who, as they are now
	stops     map[notify.Channel]func()
	queue     [][]byte
	bytes     int
	batch     int64         // number of the last batch handed out
	unacked   int           // messages at the front of queue that were handed out in it
	news      chan struct{} // closed when something is queued, or the session ends
	connected chan struct{} // closed when another connect takes over; nil: no connect waits
	expiry    *time.Timer   // runs while no connect waits
	ended     bool
	left      bool     // by the client's own wish
	xids      []string // see speak
}

var _ notify.Listener = (*session)(nil)

// open makes a session for p.
func (a *API) open(path string, p platform.Principal, login *http.Request, acks bool) (*session, error) {
	var id [20]byte
	rand.Read(id[:]) // never fails, crypto/rand
	s := &session{roles: p.Roles, api: a, id: hex.EncodeToString(id[:]), path: path, who: p, login: login, acks: acks, created: time.Now(),
		stops: map[notify.Channel]func(){}, news: make(chan struct{})}
	s.expiry = time.AfterFunc(a.Limits.Expire, s.end)
	a.mu.Lock()
	if a.closed || len(a.sessions) >= a.Limits.Sessions {
		a.mu.Unlock()
		s.expiry.Stop()
		return nil, problem.New(problem.Unavailable, "There are too many sessions.", nil)
	}
	oldest, n := (*session)(nil), 0
	for _, other := range a.sessions {
		if other.who.Tenant == p.Tenant && other.who.User == p.User {
			if n++; oldest == nil || other.created.Before(oldest.created) {
				oldest = other
			}
		}
	}
	a.sessions[s.id] = s
	a.mu.Unlock()
	if n >= a.Limits.PerUser {
		oldest.end()
	}
	return s, nil
}

// session returns the one a client means; nil if there is none, or it is not of
// this path.
func (a *API) session(path, id string) *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.sessions[id]; s != nil && s.path == path {
		return s
	}
	return nil
}

// recheck looks at the login again: who has lost it loses the session, who has
// lost a role the channels it was good for. It tells whether the session goes on.
func (s *session) recheck(ctx context.Context) bool {
	p, err := s.api.Auth.Principal(s.login)
	switch problem.KindOf(err) {
	case "":
	case problem.Unauthenticated, problem.Forbidden, problem.NotFound:
		s.end()
		return false
	default:
		return true // nobody knows; the next look may
	}
	if p.Tenant != s.who.Tenant || p.User != s.who.User {
		s.end()
		return false
	}
	s.mu.Lock()
	same := slices.Equal(p.Roles, s.roles)
	s.roles = p.Roles
	var channels []notify.Channel
	if !same {
		channels = slices.Collect(maps.Keys(s.stops))
	}
	s.mu.Unlock()
	for _, c := range channels {
		if !s.api.mayHear(ctx, p, c) {
			s.unsubscribe(c)
		}
	}
	return true
}

// principal is who the session speaks for, with the roles of now.
func (s *session) principal() platform.Principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.who
	p.Roles = s.roles
	return p
}

// end forgets a session.
func (s *session) end() {
	s.api.mu.Lock()
	delete(s.api.sessions, s.id)
	s.api.mu.Unlock()
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended = true
	stops := s.stops
	s.stops, s.queue, s.bytes, s.unacked = nil, nil, 0, 0
	s.expiry.Stop()
	close(s.news)
	s.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
}

// disconnect ends a session that its client has had enough of.
func (s *session) disconnect() {
	s.mu.Lock()
	s.left = true
	s.mu.Unlock()
	s.end()
}

func (s *session) leftByItself() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left
}

// subscribe lets the session hear a channel; false if it hears as many as it may.
func (s *session) subscribe(c notify.Channel) bool {
	s.mu.Lock()
	if _, has := s.stops[c]; has || s.ended || len(s.stops) >= maxSubscriptions {
		s.mu.Unlock()
		return has
	}
	s.stops[c] = func() {}
	s.mu.Unlock()
	// Not under mu, which whoever brings a notice waits for.
	stop := s.api.Notices.Listen(s.who.Tenant, c, s)
	s.mu.Lock()
	_, still := s.stops[c]
	if still = still && !s.ended; still {
		s.stops[c] = stop
	}
	s.mu.Unlock()
	if !still {
		stop()
	}
	return still
}

func (s *session) unsubscribe(c notify.Channel) {
	s.mu.Lock()
	stop := s.stops[c]
	delete(s.stops, c)
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// Hear implements notify.Listener. A client is told once, under the channel of
// the object, however many of its channels match; Bayeux clients know which of
// their subscriptions that concerns.
func (s *session) Hear(c notify.Channel, n platform.Notice, data []byte) {
	source := c.Source
	if source == 0 {
		source = n.Source
	}
	event := encodeEvent(name(c, source), c, n, data)
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	if _, twice := s.stops[notify.Channel{API: c.API, Source: source}]; twice && c.Source == 0 {
		s.mu.Unlock()
		return
	}
	over := len(s.queue) >= maxQueued || s.bytes+len(event) > maxQueuedBytes && len(s.queue) > 0
	if !over {
		s.queue = append(s.queue, event)
		s.bytes += len(event)
		s.tell()
	}
	s.mu.Unlock()
	if over {
		s.api.overflows.Add(1)
		s.end()
	}
}

// tell wakes who waits for news; mu is held.
func (s *session) tell() {
	close(s.news)
	s.news = make(chan struct{})
}

// encodeEvent writes what a subscriber reads: for an agent the operation, else
// what happened and the object, of one that is gone its ID alone.
func encodeEvent(channel string, c notify.Channel, n platform.Notice, data []byte) []byte {
	type event struct {
		Channel string `json:"channel"`
		Data    any    `json:"data"`
	}
	type change struct {
		Action platform.NoticeAction `json:"realtimeAction"`
		Data   json.RawMessage       `json:"data"`
	}
	e := event{Channel: channel, Data: json.RawMessage(data)}
	if c.API != notify.AgentOperations {
		if n.Action == platform.NoticeDelete {
			data = []byte(`"` + n.ID.String() + `"`)
		}
		e.Data = change{n.Action, data}
	}
	text, err := json.Marshal(e)
	if err != nil {
		return []byte(`{"channel":"` + channel + `"}`) // not JSON: a defect of the encoder
	}
	return text
}

// begin says that a connect waits; the one before is let go. over is closed when
// this one is to go.
func (s *session) begin() (over chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connected != nil {
		close(s.connected)
	}
	s.connected = make(chan struct{})
	s.expiry.Stop()
	return s.connected
}

// finish says that a connect does not wait any more, and until when the next is
// to come.
func (s *session) finish(over chan struct{}, within time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connected == over {
		s.connected = nil
		if !s.ended {
			s.expiry.Reset(within)
		}
	}
}

// take hands out what is queued; number is that of the batch, zero for a client
// that does not acknowledge. What it did not acknowledge comes first.
func (s *session) take() (events [][]byte, number int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.acks {
		events, s.queue, s.bytes = s.queue, nil, 0
		return events, 0
	}
	if len(s.queue) > s.unacked {
		s.batch++
	}
	s.unacked = len(s.queue)
	return s.queue[:len(s.queue):len(s.queue)], s.batch
}

// acknowledge drops what the client has.
func (s *session) acknowledge(number int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.acks || number != s.batch || s.unacked == 0 {
		return
	}
	for _, e := range s.queue[:s.unacked] {
		s.bytes -= len(e)
	}
	s.queue = append([][]byte(nil), s.queue[s.unacked:]...)
	s.unacked = 0
}

// waiting returns what is closed when there is news; ready says that there is some.
func (s *session) waiting() (news <-chan struct{}, ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news, s.ended || len(s.queue) > 0
}

func (s *session) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}
