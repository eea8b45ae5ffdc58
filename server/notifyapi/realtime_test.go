package notifyapi_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"mooring/server/notify"
	"mooring/server/notifyapi"
	"mooring/server/platform"
	"mooring/server/servertest"
)

const connect = "/meta/connect"

// TestPolling follows a client from its handshake to its end.
func TestPolling(t *testing.T) {
	r := newRig(t, notifyapi.Limits{})
	c := r.as("admin").handshake().subscribe("/alarms/*", "/events/5", "/managedobjects/5", "/measurements/5", "/operations/5", "/alarmsWithChildren/5")
	now := msg{"channel": connect, "connectionType": "long-polling", "advice": msg{"timeout": 0}}
	if got := c.ask(now); got["successful"] != true || got["advice"].(msg)["reconnect"] != "retry" {
		t.Errorf("got %v", got)
	}
	gone := notice(platform.NoticeManagedObjects, 5, nil)
	gone.Action = platform.NoticeDelete
	foreign := notice(platform.NoticeAlarms, 5, "foreign")
	foreign.Tenant = other
	r.tell(notice(platform.NoticeAlarms, 9, 1), notice(platform.NoticeEvents, 5, 2), notice(platform.NoticeEvents, 6, 3),
		notice(platform.NoticeMeasurements, 5, 4), notice(platform.NoticeOperations, 5, 5), foreign, gone, notice(platform.NoticeAlarms, 5, 6))
	_, answers := c.post(msg{"channel": connect, "id": 7})
	want := []string{`/alarms/9 {"data":1,"realtimeAction":"CREATE"}`, `/events/5 {"data":2,"realtimeAction":"CREATE"}`,
		`/measurements/5 {"data":4,"realtimeAction":"CREATE"}`, `/operations/5 {"data":5,"realtimeAction":"CREATE"}`,
		`/managedobjects/5 {"data":"77","realtimeAction":"DELETE"}`, `/alarms/5 {"data":6,"realtimeAction":"CREATE"}`, `/alarmsWithChildren/5 {"data":6,"realtimeAction":"CREATE"}`}
	if got := events(answers); !reflect.DeepEqual(got, want) {
		t.Errorf("events\n got %q\nwant %q", got, want)
	}
	if last := answers[len(answers)-1]; last["channel"] != connect || last["id"] != 7.0 {
		t.Errorf("the answer is %v", last)
	}
	// A connect that is held is answered when there is news.
	held := make(chan []msg)
	go func() {
		_, answers := c.post(msg{"channel": connect})
		held <- answers
	}()
	r.tell(notice(platform.NoticeEvents, 5, 8))
	if got := events(<-held); !reflect.DeepEqual(got, []string{`/events/5 {"data":8,"realtimeAction":"CREATE"}`}) {
		t.Errorf("got %q", got)
	}
	if got := c.ask(msg{"channel": "/meta/unsubscribe", "subscription": []string{"/events/5", "/alarms/*"}}); got["successful"] != true {
		t.Errorf("got %v", got)
	}
	r.tell(notice(platform.NoticeEvents, 5, 9), notice(platform.NoticeAlarms, 6, 9))
	if _, answers := c.post(now); len(events(answers)) != 0 {
		t.Errorf("got %v", answers)
	}
	if got := c.ask(msg{"channel": "/meta/disconnect"}); got["successful"] != true {
		t.Errorf("got %v", got)
	}
	if got := c.ask(msg{"channel": connect}); got["successful"] != false || got["error"] != "402::Unknown client" || got["advice"].(msg)["reconnect"] != "handshake" {
		t.Errorf("got %v", got)
	}
	if r.notices.Wanted(acme) {
		t.Error("somebody listens still")
	}
}

// TestOncePerEvent sees that a client that hears an object twice is told once:
// its library calls both of its listeners.
func TestOncePerEvent(t *testing.T) {
	r := newRig(t, notifyapi.Limits{})
	c := r.as("admin").handshake().subscribe("/alarms/*", "/alarms/5", "/alarms/5")
	r.tell(notice(platform.NoticeAlarms, 5, 1), notice(platform.NoticeAlarms, 6, 2))
	_, answers := c.post(msg{"channel": connect})
	if got := events(answers); len(got) != 2 {
		t.Errorf("got %q", got)
	}
}

func TestSocket(t *testing.T) {
	r := newRig(t, notifyapi.Limits{Hold: time.Minute})
	c := r.as("admin").dial().handshake()
	if got := c.ask(msg{"channel": connect, "advice": msg{"timeout": 0}}); got["successful"] != true {
		t.Errorf("got %v", got)
	}
	c.subscribe("/events/*")
	r.tell(notice(platform.NoticeEvents, 5, 1))
	if got := events(c.frame()); !reflect.DeepEqual(got, []string{`/events/5 {"data":1,"realtimeAction":"CREATE"}`}) {
		t.Errorf("got %q", got)
	}
	c.sendFrame(msg{"channel": connect, "id": "9"})
	c.subscribe("/alarms/*") // answered while the connect is held
	r.tell(notice(platform.NoticeAlarms, 5, 2))
	if got := events(c.frame()); len(got) != 1 {
		t.Errorf("got %q", got)
	}
	// A client that has lost its socket goes on by polling.
	_ = c.ws.Close()
	c.ws = nil
	c.post(msg{"channel": connect, "advice": msg{"timeout": 0}}) // the server may not have noticed
	r.tell(notice(platform.NoticeAlarms, 5, 3))
	if _, answers := c.post(msg{"channel": connect}); len(events(answers)) != 1 {
		t.Errorf("got %v", answers)
	}
	// … and on another socket.
	c.dial()
	c.sendFrame(msg{"channel": connect, "id": "10"})
	r.tell(notice(platform.NoticeAlarms, 5, 4))
	if got := events(c.frame()); len(got) != 1 {
		t.Errorf("got %q", got)
	}
	c.sendFrame(msg{"channel": "/meta/disconnect"})
	seen := map[any]any{}
	for len(seen) < 2 {
		for _, m := range c.frame() {
			seen[m["channel"]] = m["successful"]
			if m["channel"] == connect && m["advice"] != nil {
				t.Errorf("got %v", m)
			}
		}
	}
	if seen["/meta/disconnect"] != true || seen[connect] != true {
		t.Errorf("got %v", seen)
	}
}

// TestAcknowledged has a client acknowledge what it got with each connect.
func TestAcknowledged(t *testing.T) {
	for _, socket := range []bool{false, true} {
		r := newRig(t, notifyapi.Limits{})
		c := r.as("admin")
		if socket {
			c.dial()
		}
		got := c.ask(msg{"channel": "/meta/handshake", "ext": msg{"ack": true}})
		if got["ext"].(msg)["ack"] != true {
			t.Fatalf("got %v", got)
		}
		c.id = got["clientId"].(string)
		c.subscribe("/events/*")
		round := func(ack int) (list []string, number any) {
			m := msg{"channel": connect, "ext": msg{"ack": ack}}
			var answers []msg
			if socket {
				c.sendFrame(m)
				answers = c.frame()
			} else {
				_, answers = c.post(m)
			}
			return events(answers), answers[len(answers)-1]["ext"].(msg)["ack"]
		}
		r.tell(notice(platform.NoticeEvents, 5, 1))
		first, n1 := round(0)
		again, n2 := round(0) // the answer was lost
		r.tell(notice(platform.NoticeEvents, 5, 2))
		next, n3 := round(int(n2.(float64)))
		if len(first) != 1 || !reflect.DeepEqual(first, again) || n1 != n2 || len(next) != 1 || next[0] == first[0] || n3 == n2 {
			t.Errorf("got %q %v, %q %v, %q %v", first, n1, again, n2, next, n3)
		}
	}
}

// TestRights tries every channel as those who may not hear it.
func TestRights(t *testing.T) {
	r := newRig(t, notifyapi.Limits{})
	const may, denied, unknown = "", "403:", "404:"
	tests := []struct{ user, path, channel, want string }{
		{"admin", "", "/alarms/999", may}, {"alarms", "", "/alarms/*", may}, {"alarms", "", "/alarmsWithChildren/3", may},
		{"alarms", "", "/events/*", denied}, {"alarms", "", "/managedobjects/1", denied}, {"alarms", "", "/operations/1", denied},
		{"device_a", "", "/operations/1", may}, {"device_a", "", "/alarms/2", may}, {"device_a", "", "/operations/3", denied},
		{"device_a", "", "/operations/4", denied}, {"device_a", "", "/operations/5", denied}, {"device_a", "", "/operations/*", denied}, {"device_a", "", "/measurements/*", denied},
		{"device_a", "operations", "/1", may}, {"device_a", "operations", "/3", denied}, {"device_a", "operations", "/4", denied}, {"admin", "operations", "/9", may},
		{"admin", "operations", "/*", unknown}, {"admin", "operations", "/alarms/1", unknown}, {"admin", "", "/1", unknown}, {"admin", "", "/agentOperations/1", unknown},
		{"admin", "", "/alarms", unknown}, {"admin", "", "/alarms/", unknown}, {"admin", "", "/alarms/x", unknown}, {"admin", "", "/alarms/1/2", unknown},
		{"admin", "", "alarms/1", unknown}, {"admin", "", "/alarms/**", unknown}, {"admin", "", "/audit/1", unknown}, {"admin", "", "/**", unknown}, {"admin", "", "/alarms/-1", unknown},
	}
	for _, tt := range tests {
		c := r.as(tt.user)
		if tt.path != "" {
			c.path = "/notification/" + tt.path
		}
		got := c.handshake().ask(msg{"channel": "/meta/subscribe", "subscription": tt.channel})
		text, _ := got["error"].(string)
		if (tt.want == may) != (got["successful"] == true) || !strings.HasPrefix(text, tt.want) {
			t.Errorf("%s hears %s: got %v, want %q", tt.user, tt.channel, got, tt.want)
		}
	}
}

// TestAgent hears of the operations of an agent.
func TestAgent(t *testing.T) {
	r := newRig(t, notifyapi.Limits{})
	c := r.as("device_a")
	c.path = "/notification/operations"
	c.handshake().subscribe("/1")
	update := notice(platform.NoticeOperations, 2, platform.Operation{ID: 11, Device: 2, Agent: 1})
	update.Action = platform.NoticeUpdate
	r.tell(notice(platform.NoticeOperations, 2, platform.Operation{ID: 10, Device: 2, Agent: 1}), update,
		notice(platform.NoticeOperations, 3, platform.Operation{ID: 12, Device: 3, Agent: 3}))
	_, answers := c.post(msg{"channel": connect})
	if got := events(answers); !reflect.DeepEqual(got, []string{`/1 {"op":10}`}) {
		t.Errorf("got %q", got)
	}
}

// TestLogins tries who may have a session, and who may use that of another.
func TestLogins(t *testing.T) {
	r := newRig(t, notifyapi.Limits{})
	ext := func(name, value string) msg {
		return msg{"channel": "/meta/handshake", "ext": msg{"com.cumulocity.authn": msg{name: value}}}
	}
	for _, m := range []msg{ext("token", "admin"), ext("token", "a.b.admin")} {
		if got := r.as("").dial().ask(m); got["successful"] != true {
			t.Errorf("%v: got %v", m, got)
		}
		c := r.as("")
		if got := c.ask(m); got["successful"] != true {
			t.Errorf("%v: got %v", m, got)
		}
	}
	for _, m := range []msg{ext("token", "bad"), ext("xsrfToken", "x"), {"channel": "/meta/handshake"}, ext("token", "devicebootstrap")} {
		if got := r.as("").dial().ask(m); got["successful"] != false || got["error"] != "403::Handshake denied" || got["advice"].(msg)["reconnect"] != "none" {
			t.Errorf("%v: got %v", m, got)
		}
		if status, _ := r.as("").post(m); status != http.StatusUnauthorized && status != http.StatusForbidden {
			t.Errorf("%v: got %d", m, status)
		}
	}
	// A cookie needs its XSRF value, in a header or in the handshake, on sockets too.
	cookie := func() *client {
		c := r.as("")
		c.header.Set("Cookie", httpCookie("admin"))
		return c
	}
	if got := cookie().dial().ask(msg{"channel": "/meta/handshake"}); got["successful"] != false {
		t.Errorf("a cookie alone: got %v", got)
	}
	if got := cookie().ask(msg{"channel": "/meta/handshake"}); got["successful"] != false {
		t.Errorf("a cookie alone: got %v", got)
	}
	if got := cookie().dial().ask(ext("xsrfToken", "x")); got["successful"] != true {
		t.Errorf("got %v", got)
	}
	c := cookie()
	c.id, _ = c.ask(ext("xsrfToken", "x"))["clientId"].(string)
	c.subscribe("/alarms/*") // the value came with the handshake

	// The session of another is as good as none.
	mine := r.as("admin").handshake()
	for _, user := range []string{"device_a", "other/admin"} {
		c := r.as(user)
		c.id = mine.id
		for _, channel := range []string{connect, "/meta/subscribe", "/meta/disconnect"} {
			if got := c.ask(msg{"channel": channel, "subscription": "/alarms/*"}); got["error"] != "402::Unknown client" {
				t.Errorf("%s: %s: got %v", user, channel, got)
			}
		}
		elsewhere := r.as("admin")
		elsewhere.path, elsewhere.id = "/notification/operations", mine.id
		if got := elsewhere.ask(msg{"channel": connect}); got["error"] != "402::Unknown client" {
			t.Errorf("on another path: got %v", got)
		}
	}
	// Who loses the login loses the session.
	socket := r.as("alarms").dial().handshake()
	r.auth.refuse("alarms")
	if got := socket.ask(msg{"channel": connect}); got["successful"] != false {
		t.Errorf("got %v", got)
	}
	if got := mine.ask(msg{"channel": "/alarms/1", "data": "x"}); got["successful"] != false {
		t.Errorf("publishing: got %v", got)
	}
}

// TestRolesChange takes a role away from who listens.
func TestRolesChange(t *testing.T) {
	r := newRig(t, notifyapi.Limits{})
	c := r.as("alarms").handshake().subscribe("/alarms/*")
	now := func() []string {
		_, answers := c.post(msg{"channel": connect, "advice": msg{"timeout": 0}})
		return events(answers)
	}
	r.tell(notice(platform.NoticeAlarms, 5, 1))
	if got := now(); len(got) != 1 {
		t.Errorf("got %q", got)
	}
	r.auth.demote()
	now()
	r.tell(notice(platform.NoticeAlarms, 5, 2))
	if got := now(); len(got) != 0 {
		t.Errorf("without the role: got %q", got)
	}
	c.subscribe("/events/*")
	if got := c.ask(msg{"channel": "/meta/subscribe", "subscription": "/alarms/*"}); got["successful"] != false {
		t.Errorf("got %v", got)
	}
}

// TestSilentSocket sees that a socket whose client never connects hears nothing
// more once its login is gone.
func TestSilentSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := &logins{}
		notices := notify.New(notify.Config{Objects: objects{}, Encode: encode})
		api := notifyapi.New(notifyapi.Config{Auth: auth, Notices: notices, Objects: objects{}, Tokens: tokens{}})
		client, server := servertest.Pipe(pipeAddr{}, pipeAddr{})
		l := &oneConn{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
		l.conn <- server
		httpServer := &http.Server{Handler: api}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = httpServer.Serve(l)
		}()
		ws, _, err := websocket.NewClient(client, &url.URL{Scheme: "ws", Host: "x", Path: "/cep/realtime"}, http.Header{"Authorization": {"Basic alarms"}}, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		c := &client2{t, ws}
		id := c.ask(msg{"channel": "/meta/handshake"})["clientId"]
		c.ask(msg{"channel": "/meta/subscribe", "clientId": id, "subscription": "/alarms/*"})
		reading := make(chan struct{})
		go func() { // answers pings
			defer close(reading)
			for {
				if _, _, err := ws.ReadMessage(); err != nil {
					return
				}
			}
		}()
		time.Sleep(5 * time.Minute)
		if !notices.Wanted(acme) {
			t.Error("a socket that answers pings hears nothing more")
		}
		auth.refuse("alarms")
		time.Sleep(time.Minute)
		if notices.Wanted(acme) {
			t.Error("a socket hears on without its login")
		}
		_ = ws.Close()
		<-reading
		api.Close()
		_ = httpServer.Close()
		<-served
	})
}

type client2 struct {
	*testing.T
	ws *websocket.Conn
}

func (c *client2) ask(m msg) msg {
	c.Helper()
	if err := c.ws.WriteJSON([]msg{m}); err != nil {
		c.Fatal(err)
	}
	var answers []msg
	if err := c.ws.ReadJSON(&answers); err != nil || len(answers) != 1 || answers[0]["successful"] != true {
		c.Fatal(answers, err)
	}
	return answers[0]
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "memory" }
func (pipeAddr) String() string  { return "127.0.0.1:1" }

// oneConn is a listener with one connection.
type oneConn struct {
	conn   chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return pipeAddr{} }

func httpCookie(user string) string { return "authorization=" + user }

// TestLimits holds sessions and subscriptions to their numbers.
func TestLimits(t *testing.T) {
	r := newRig(t, notifyapi.Limits{PerUser: 2, Sessions: 4})
	first, second := r.as("admin").handshake(), r.as("admin").handshake()
	third := r.as("admin").handshake()
	if got := first.ask(msg{"channel": connect}); got["error"] != "402::Unknown client" {
		t.Errorf("the oldest: got %v", got)
	}
	now := msg{"channel": connect, "advice": msg{"timeout": 0}}
	for _, c := range []*client{second, third} {
		if got := c.ask(now); got["successful"] != true {
			t.Errorf("got %v", got)
		}
		delete(now, "clientId")
	}
	r.as("device_a").handshake()
	r.as("device_b").handshake()
	if got := r.as("alarms").ask(msg{"channel": "/meta/handshake"}); got["successful"] != false || got["error"] != "503::Too many sessions" {
		t.Errorf("the fifth: got %v", got)
	}
	channels := make([]string, 1000)
	for i := range channels {
		channels[i] = fmt.Sprintf("/alarms/%d", i+1)
	}
	if got := second.ask(msg{"channel": "/meta/subscribe", "subscription": channels}); got["successful"] != true {
		t.Errorf("1000 channels: %v", got["error"])
	}
	if got := second.ask(msg{"channel": "/meta/subscribe", "subscription": "/alarms/1001"}); got["successful"] != false {
		t.Errorf("1001 channels: %v", got)
	}
}

// TestOverflow ends a session that does not fetch what waits for it.
func TestOverflow(t *testing.T) {
	r := newRig(t, notifyapi.Limits{})
	c := r.as("admin").handshake().subscribe("/events/*")
	for i := range 2000 {
		r.tell(notice(platform.NoticeEvents, 5, i))
	}
	if _, answers := c.post(msg{"channel": connect}); len(events(answers)) != 2000 {
		t.Errorf("got %d events", len(events(answers)))
	}
	for i := range 2001 {
		r.tell(notice(platform.NoticeEvents, 5, i))
	}
	if got := c.ask(msg{"channel": connect}); got["error"] != "402::Unknown client" {
		t.Errorf("got %v", got)
	}
	if r.notices.Wanted(acme) {
		t.Error("somebody listens still")
	}
}

func TestAccept(t *testing.T) {
	r := newRig(t, notifyapi.Limits{})
	c := r.as("admin")
	c.header = http.Header{}
	if status, answers := c.post(msg{"channel": "/meta/handshake"}); status != http.StatusOK || answers != nil {
		t.Errorf("without Accept: got %d %v", status, answers)
	}
	// CometD's own client sends none outside a browser and reads all the same.
	c.path = "/notification/realtime/handshake"
	c.handshake()
	c.path = "/notification/realtime"
	c.subscribe("/alarms/*")
}

func TestBadPosts(t *testing.T) {
	r := newRig(t, notifyapi.Limits{})
	many := "[" + strings.Repeat(`{"channel":"/meta/connect"},`, 256)
	tests := []struct {
		name, method, path, body string
		want                     int
	}{
		{"most messages", "POST", "/cep/realtime", strings.TrimSuffix(many, ",") + "]", 200},
		{"too many", "POST", "/cep/realtime", many + `{"channel":"/meta/connect"}]`, 400},
		{"a single one", "POST", "/notification/realtime/", `{"channel":"/meta/connect"}`, 200},
		{"nothing", "POST", "/notification/realtime", "", 400},
		{"no list", "POST", "/notification/realtime", `"x"`, 400},
		{"empty list", "POST", "/notification/realtime", `[]`, 400},
		{"no channel", "POST", "/notification/realtime", `[{}]`, 400},
		{"wrong types", "POST", "/notification/realtime", `[{"channel":1}]`, 400},
		{"largest", "POST", "/notification/realtime", `[{"channel":"/meta/connect"}` + strings.Repeat(" ", 256<<10-29) + "]", 200},
		{"too large", "POST", "/notification/realtime", `[{"channel":"/meta/connect"}` + strings.Repeat(" ", 256<<10-28) + "]", 413},
		{"GET", "GET", "/notification/realtime", "", 405},
		{"not by WebSocket", "GET", "/notification2/consumer/", "", 426},
		{"elsewhere", "POST", "/notification/other", "[]", 404},
	}
	for _, tt := range tests {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, r.url+tt.path, strings.NewReader(tt.body))
		r.must(err)
		req.Header.Set("Authorization", "Basic admin")
		resp, err := http.DefaultClient.Do(req)
		r.must(err)
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s: got %d %s, want %d", tt.name, resp.StatusCode, text, tt.want)
		}
	}
}

// TestClose sees that a server that stops is held up by nobody.
func TestClose(t *testing.T) {
	r := newRig(t, notifyapi.Limits{Hold: time.Hour})
	polling, socket := r.as("admin").handshake(), r.as("alarms").dial().handshake()
	done := make(chan struct{})
	go func() {
		defer close(done)
		polling.post(msg{"channel": connect})
	}()
	r.api.Close()
	r.api.Close()
	<-done
	for {
		if _, _, err := socket.ws.ReadMessage(); err != nil {
			break
		}
	}
}

// TestNothingIsLeft lets sessions come and go, by the clock of a bubble: none
// leaves a goroutine or a listener behind.
func TestNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notices := notify.New(notify.Config{Objects: objects{}, Encode: encode})
		api := notifyapi.New(notifyapi.Config{Auth: &logins{}, Notices: notices, Objects: objects{}, Tokens: tokens{}, Limits: notifyapi.Limits{}})
		post := func(ctx context.Context, body string) string {
			req := httptest.NewRequestWithContext(ctx, "POST", "/notification/realtime", strings.NewReader(body))
			req.Header.Set("Authorization", "Basic alarms")
			req.Header.Set("Accept", "*/*")
			w := httptest.NewRecorder()
			api.ServeHTTP(w, req)
			return w.Body.String()
		}
		before := runtime.NumGoroutine()
		for range 20 {
			_, after, _ := strings.Cut(post(t.Context(), `[{"channel":"/meta/handshake"}]`), `"clientId":"`)
			id, _, _ := strings.Cut(after, `"`)
			post(t.Context(), `[{"channel":"/meta/subscribe","clientId":"`+id+`","subscription":"/alarms/*"}]`)
			began := time.Now()
			if got := post(t.Context(), `[{"channel":"/meta/connect","clientId":"`+id+`"}]`); time.Since(began) != 30*time.Second || !strings.Contains(got, `"successful":true`) {
				t.Fatalf("held for %v, got %s", time.Since(began), got)
			}
			gone, leave := context.WithCancel(t.Context())
			go post(gone, `[{"channel":"/meta/connect","clientId":"`+id+`"}]`)
			synctest.Wait()
			leave()
		}
		if !notices.Wanted(acme) {
			t.Error("nobody listens")
		}
		time.Sleep(2*time.Hour + time.Second)
		synctest.Wait()
		if notices.Wanted(acme) {
			t.Error("expired sessions listen")
		}
		if after := runtime.NumGoroutine(); after > before { // those of other tests may end
			t.Errorf("%d goroutines, want %d or less", after, before)
		}
		api.Close()
	})
}
