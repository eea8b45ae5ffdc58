package notifyapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
	"mooring/server/httpauth"
	"mooring/server/notify"
	"mooring/server/notifyapi"
	"mooring/server/platform"
	"mooring/server/sqlstore"
)

const (
	acme  = platform.TenantID("t1")
	other = platform.TenantID("t2")
)

// rig is the API on the real service and a real store, behind a real listener.
type rig struct {
	*testing.T
	notices *notify.Service
	store   *sqlstore.Store
	api     *notifyapi.API
	auth    *logins
	url     string
}

func newRig(t *testing.T, limits notifyapi.Limits) *rig {
	t.Helper()
	r := &rig{T: t, auth: &logins{}}
	var told atomic.Pointer[notify.Service]
	store, err := sqlstore.OpenSQLite(t.Context(), durabletest.Dir(t), sqlstore.Options{OnCommit: func(changes []platform.Change) {
		if s := told.Load(); s != nil {
			for _, c := range changes {
				if err := s.Apply(context.Background(), c); err != nil {
					t.Error(err)
				}
			}
		}
	}})
	r.must(err)
	t.Cleanup(func() { r.must(store.Close()) })
	r.store = store
	for _, id := range []platform.TenantID{acme, other} {
		r.must(store.CreateTenant(t.Context(), platform.Tenant{ID: id}, platform.User{Tenant: id, Name: "admin"}))
	}
	r.notices = notify.New(notify.Config{Store: store, IDs: store, Objects: objects{}, Encode: encode})
	told.Store(r.notices)
	r.api = notifyapi.New(notifyapi.Config{Auth: r.auth, Notices: r.notices, Objects: objects{}, Tokens: tokens{}, Legacy: collections{}, Limits: limits})
	server := httptest.NewServer(r.api)
	r.url = server.URL
	t.Cleanup(func() {
		r.api.Close()
		server.Close()
	})
	return r
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// logins knows users by name: "admin" may read everything, "device_…" nothing but
// its own; users of the other tenant are called "other/…". A cookie's value is
// a user, whose XSRF value is "x".
type logins struct {
	mu      sync.Mutex
	refused map[string]bool
	demoted bool // the user "alarms" reads events instead
}

func (l *logins) demote() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.demoted = true
}

func (l *logins) refuse(user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = map[string]bool{user: true}
}

func (l *logins) Principal(r *http.Request) (platform.Principal, error) {
	user := strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
	user = strings.TrimPrefix(user, "Bearer a.b.")
	if c, err := r.Cookie(httpauth.TokenCookie); err == nil && user == "" && (r.Method == http.MethodGet || r.Header.Get(httpauth.XSRFHeader) == "x") {
		user = c.Value
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if user == "" || user == "bad" || l.refused[user] {
		return platform.Principal{}, problem.New(problem.Unauthenticated, "Bad credentials", nil)
	}
	p := platform.Principal{Tenant: acme, User: user}
	if name, found := strings.CutPrefix(user, "other/"); found {
		p.Tenant, p.User = other, name
	}
	switch p.User {
	case "admin":
		p.Roles = platform.AdminRoles
	case "devicebootstrap":
		p.Roles = []platform.Role{platform.RoleDeviceBootstrap}
	case "alarms":
		p.Roles = []platform.Role{platform.RoleAlarmRead}
		if l.demoted {
			p.Roles = []platform.Role{platform.RoleEventRead}
		}
	default:
		p.Roles = platform.DeviceRoles
	}
	return p, nil
}

// objects: 1 and 2 of acme belong to device_a, 3 of acme to device_b, 4 to the
// other tenant's device_a.
type objects struct{}

func (objects) Owner(_ context.Context, tenant platform.TenantID, id platform.ID) (string, error) {
	switch {
	case tenant == acme && id <= 2, tenant == other && id == 4:
		return "device_a", nil
	case tenant == acme && id == 3:
		return "device_b", nil
	}
	return "", problem.NotFound
}

func (o objects) Within(ctx context.Context, tenant platform.TenantID, id platform.ID, user string) (bool, error) {
	owner, err := o.Owner(ctx, tenant, id)
	return err == nil && owner == user, err
}

func (objects) Parents(context.Context, platform.TenantID, platform.ID, platform.ChildKind) ([]platform.ManagedObject, error) {
	return nil, nil
}

// tokens reads "tenant topic subscriber [shared]".
type tokens struct{}

func (tokens) VerifyNotification(_ context.Context, token string) (g platform.NotificationGrant, err error) {
	parts := strings.Fields(token)
	if len(parts) < 3 {
		return g, problem.New(problem.Unauthenticated, "Bad credentials", nil)
	}
	return platform.NotificationGrant{Tenant: platform.TenantID(parts[0]), Topic: platform.NotificationTopic{Name: parts[1]},
		Subscriber: parts[2], Shared: len(parts) > 3}, nil
}

func encode(_ context.Context, n platform.Notice) []byte {
	if o, ok := n.Object.(platform.Operation); ok {
		return fmt.Appendf(nil, `{"op":%d}`, o.ID)
	}
	text, _ := json.Marshal(n.Object)
	return text
}

func notice(api platform.NoticeAPI, source platform.ID, object any) platform.Notice {
	return platform.Notice{Tenant: acme, API: api, Action: platform.NoticeCreate, Source: source, ID: 77, Object: object}
}

func (r *rig) tell(notices ...platform.Notice) {
	r.Helper()
	for _, n := range notices {
		r.must(platform.Tell(r.Context(), r.notices, n))
	}
}

// client is one of the real-time API.
type client struct {
	*rig
	user   string
	path   string
	header http.Header
	id     string
	ws     *websocket.Conn // nil: long polling
}

func (r *rig) as(user string) *client {
	return &client{rig: r, user: user, path: "/notification/realtime", header: http.Header{"Accept": {"*/*"}}}
}

func (c *client) dial() *client {
	c.Helper()
	header := http.Header{}
	for name, values := range c.header {
		if name != "Accept" {
			header[name] = values
		}
	}
	if c.user != "" {
		header.Set("Authorization", "Basic "+c.user)
	}
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(c.url, "http")+c.path, header)
	c.must(err)
	c.Cleanup(func() { _ = ws.Close() })
	c.ws = ws
	return c
}

// msg is a Bayeux message.
type msg = map[string]any

// post sends messages by long polling and returns what comes back.
func (c *client) post(messages ...msg) (status int, answers []msg) {
	c.Helper()
	for _, m := range messages {
		if c.id != "" && m["clientId"] == nil {
			m["clientId"] = c.id
		}
	}
	text, err := json.Marshal(messages)
	c.must(err)
	req, err := http.NewRequestWithContext(c.Context(), "POST", c.url+c.path, bytes.NewReader(text))
	c.must(err)
	req.Header = c.header.Clone()
	if c.user != "" {
		req.Header.Set("Authorization", "Basic "+c.user)
	}
	resp, err := http.DefaultClient.Do(req)
	c.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	c.must(err)
	if resp.StatusCode == http.StatusOK && len(body) > 0 {
		c.must(json.Unmarshal(body, &answers))
	}
	return resp.StatusCode, answers
}

// ask sends one message and returns the answer to it; on a socket, events before
// it are an error.
func (c *client) ask(m msg) msg {
	c.Helper()
	if c.ws == nil {
		status, answers := c.post(m)
		if status != http.StatusOK || len(answers) != 1 {
			c.Fatalf("%v: got %d %v", m, status, answers)
		}
		return answers[0]
	}
	c.sendFrame(m)
	answers := c.frame()
	if len(answers) != 1 || answers[0]["channel"] != m["channel"] {
		c.Fatalf("%v: got %v", m, answers)
	}
	return answers[0]
}

func (c *client) sendFrame(m msg) {
	c.Helper()
	if c.id != "" && m["clientId"] == nil {
		m["clientId"] = c.id
	}
	c.must(c.ws.WriteJSON([]msg{m}))
}

func (c *client) frame() (answers []msg) {
	c.Helper()
	c.must(c.ws.SetReadDeadline(time.Now().Add(10 * time.Second)))
	c.must(c.ws.ReadJSON(&answers))
	return answers
}

func (c *client) handshake() *client {
	c.Helper()
	got := c.ask(msg{"channel": "/meta/handshake", "version": "1.0", "id": "1"})
	id, _ := got["clientId"].(string)
	if got["successful"] != true || id == "" || got["version"] != "1.0" || got["id"] != "1" {
		c.Fatalf("got %v", got)
	}
	c.id = id
	return c
}

func (c *client) subscribe(channels ...string) *client {
	c.Helper()
	for _, channel := range channels {
		got := c.ask(msg{"channel": "/meta/subscribe", "subscription": channel})
		if got["successful"] != true || got["subscription"] != channel {
			c.Fatalf("%s: got %v", channel, got)
		}
	}
	return c
}

// events are "channel data" of all messages that are no answers.
func events(answers []msg) (list []string) {
	for _, m := range answers {
		channel, _ := m["channel"].(string)
		if strings.HasPrefix(channel, "/meta/") {
			continue
		}
		data, _ := json.Marshal(m["data"])
		list = append(list, channel+" "+string(data))
	}
	return list
}
