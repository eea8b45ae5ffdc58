// Package notifyapi is the front end of notifications (rest.md §6.12): consumers
// of Notification 2.0 over WebSocket, and the real-time API, which is Bayeux 1.0
// over long polling and WebSocket.
//
// A real-time session lives on the node that made it and is known there by its
// clientId alone; on any other node its client is told to shake hands anew.
package notifyapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"mooring/server/notify"
	"mooring/server/platform"
)

// Config is the services the API speaks for.
type Config struct {
	Auth    Authenticator
	Notices Notices
	Objects Objects
	Tokens  Tokens
	Legacy  LegacyTemplates // nil: nobody speaks in lines
	Limits  Limits
	Log     *slog.Logger // nil discards
}

// Authenticator finds out who sends a request: server/httpauth.
type Authenticator interface {
	Principal(r *http.Request) (platform.Principal, error)
}

// Notices is who passes notices on: server/notify.
type Notices interface {
	Connect(ctx context.Context, g platform.NotificationGrant, instance string) (*notify.Client, error)
	Listen(tenant platform.TenantID, c notify.Channel, l notify.Listener) (stop func())
}

// Objects knows who owns what: server/inventory.
type Objects interface {
	// Within tells whether an object, or one above it, is user's.
	Within(ctx context.Context, tenant platform.TenantID, id platform.ID, user string) (bool, error)
}

// Tokens reads notification tokens: server/devicetoken.
type Tokens interface {
	VerifyNotification(ctx context.Context, token string) (platform.NotificationGrant, error)
}

// Limits bound the real-time API; zero fields mean the defaults. The times are
// those of the platform's own documentation where it states one (rest.md §6.12).
type Limits struct {
	Hold     time.Duration // a connect without news is answered after; 30 s
	Expire   time.Duration // a session that does not connect is forgotten after; 2 h
	Sessions int           // of all tenants; 10,000
	PerUser  int           // sessions of one user, the oldest goes first; 50
}

// API serves notifications. Close ends it.
type API struct {
	Config
	log      *slog.Logger
	upgrader websocket.Upgrader

	overflows atomic.Int64 // sessions that ended because they did not read

	mu       sync.Mutex // guards what follows
	sessions map[string]*session
	closed   bool
	closing  chan struct{}
}

var _ http.Handler = (*API)(nil)

// New returns the API on the services of c.
func New(c Config) *API {
	if c.Limits.Hold == 0 {
		c.Limits.Hold = 30 * time.Second
	}
	if c.Limits.Expire == 0 {
		c.Limits.Expire = 2 * time.Hour
	}
	if c.Limits.Sessions == 0 {
		c.Limits.Sessions = 10_000
	}
	if c.Limits.PerUser == 0 {
		c.Limits.PerUser = 50
	}
	a := &API{Config: c, log: c.Log, sessions: map[string]*session{}, closing: make(chan struct{})}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	// Any origin may come: credentials are in the messages, and a cookie counts
	// only together with what a page of another origin cannot read.
	a.upgrader = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 4096, WriteBufferPool: new(sync.Pool),
		CheckOrigin: func(*http.Request) bool { return true }, HandshakeTimeout: 10 * time.Second}
	return a
}

// Stats are what a server counts.
type Stats struct {
	Sessions  int   // of the real-time API, now
	Overflows int64 // sessions that ended because they did not read
}

// Stats returns the counters.
func (a *API) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Stats{Sessions: len(a.sessions), Overflows: a.overflows.Load()}
}

// What is served where. go-c8y dials the older paths.
const (
	pathConsumer = "/notification2/consumer"
	pathRealtime = "/notification/realtime"
	pathAgents   = "/notification/operations"
)

var paths = map[string]string{
	pathConsumer: pathConsumer,
	pathRealtime: pathRealtime, "/cep/realtime": pathRealtime, "/cep/notifications": pathRealtime,
	pathAgents: pathAgents, "/devicecontrol/notifications": pathAgents,
}

// Handles reports whether r is for this API.
func (a *API) Handles(r *http.Request) bool { return paths[cleanPath(r)] != "" }

func cleanPath(r *http.Request) string {
	path, _ := splitCometD(r)
	return path
}

// splitCometD takes off a path what CometD's own clients add to it: what they
// are about to send.
func splitCometD(r *http.Request) (path string, added bool) {
	path = strings.TrimSuffix(r.URL.Path, "/")
	for _, suffix := range []string{"/handshake", "/connect", "/disconnect"} {
		if rest, found := strings.CutSuffix(path, suffix); found {
			return rest, true
		}
	}
	return path, false
}

// ServeHTTP serves one request or one WebSocket.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := paths[cleanPath(r)]
	switch {
	case path == pathConsumer && websocket.IsWebSocketUpgrade(r):
		a.consume(w, r)
	case path == pathConsumer:
		http.Error(w, "Notification 2.0: connect by WebSocket.", http.StatusUpgradeRequired)
	case websocket.IsWebSocketUpgrade(r):
		a.socket(w, r, path)
	case path != "" && r.Method == http.MethodPost:
		a.poll(w, r, path)
	case path != "":
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Bayeux messages are posted.", http.StatusMethodNotAllowed)
	default:
		http.NotFound(w, r)
	}
}

// Close ends all sessions and connections, for a server that stops.
func (a *API) Close() {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return
	}
	a.closed = true
	close(a.closing)
	all := make([]*session, 0, len(a.sessions))
	for _, s := range a.sessions {
		all = append(all, s)
	}
	a.mu.Unlock()
	for _, s := range all {
		s.end()
	}
}
