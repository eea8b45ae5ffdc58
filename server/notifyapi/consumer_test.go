package notifyapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"mooring/server/notifyapi"
	"mooring/server/platform"
)

// consume connects with a token.
func (r *rig) consume(token, instance string) (*websocket.Conn, int) {
	r.Helper()
	q := url.Values{"token": {token}}
	if instance != "" {
		q.Set("consumer", instance)
	}
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(r.url, "http")+"/notification2/consumer/?"+q.Encode(), nil)
	if err != nil {
		if resp == nil {
			r.Fatal(err)
		}
		return nil, resp.StatusCode
	}
	r.Cleanup(func() { _ = ws.Close() })
	r.must(ws.SetReadDeadline(time.Now().Add(10 * time.Second)))
	return ws, http.StatusSwitchingProtocols
}

func (r *rig) read(ws *websocket.Conn) (ack, rest string) {
	r.Helper()
	kind, text, err := ws.ReadMessage()
	r.must(err)
	if kind != websocket.TextMessage {
		r.Fatalf("got a frame of kind %d", kind)
	}
	ack, rest, _ = strings.Cut(string(text), "\n")
	return ack, rest
}

func (r *rig) subscribeTopic(topic string, source platform.ID) {
	r.Helper()
	_, err := r.notices.Subscribe(r.Context(), platform.NotificationSubscription{Tenant: acme, Context: platform.ContextObject, Source: source,
		Topic: platform.NotificationTopic{Name: topic}, APIs: []string{"events"}})
	r.must(err)
}

func TestConsumerFrames(t *testing.T) {
	r := newRig(t, notifyapi.Limits{})
	r.subscribeTopic("news", 1)
	ws, _ := r.consume("t1 news me", "")
	r.tell(notice(platform.NoticeEvents, 1, "a\u2028b\u0085"), notice(platform.NoticeEvents, 2, 0), notice(platform.NoticeEvents, 1, 2))
	first, rest := r.read(ws)
	if want := "/t1/events/1\nCREATE\n\n\"a\\u2028b\\u0085\""; rest != want {
		t.Errorf("got %q, want %q", rest, want)
	}
	second, rest := r.read(ws)
	if rest != "/t1/events/1\nCREATE\n\n2" || first == second {
		t.Errorf("got %q", rest)
	}
	for _, text := range []string{"what?", "", first + "\n", "AAAAAAAAAAA="} {
		r.must(ws.WriteMessage(websocket.TextMessage, []byte(text)))
	}
	r.must(ws.WriteMessage(websocket.BinaryMessage, []byte{1}))
	r.tell(notice(platform.NoticeEvents, 1, 3))
	if _, rest := r.read(ws); !strings.HasSuffix(rest, "\n3") {
		t.Errorf("got %q", rest)
	}
	// What was acknowledged stays so, the rest comes again.
	for position := int64(0); position != 1; {
		var err error
		position, err = r.store.Position(t.Context(), acme, "news", "me")
		r.must(err)
	}
	_ = ws.Close()
	ws = r.reconnect("t1 news me")
	for _, want := range []string{"2", "3"} {
		if _, rest := r.read(ws); !strings.HasSuffix(rest, want) {
			t.Errorf("got %q, want …%s", rest, want)
		}
	}
}

// reconnect connects as soon as the server has noticed that the connection before is gone.
func (r *rig) reconnect(token string) *websocket.Conn {
	r.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if ws, status := r.consume(token, ""); status == http.StatusSwitchingProtocols {
			return ws
		}
	}
	r.Fatal("the connection before does not end")
	return nil
}

func TestConsumerRefused(t *testing.T) {
	r := newRig(t, notifyapi.Limits{})
	r.consume("t1 news exclusive", "")
	tests := []struct {
		name, token, instance string
		want                  int
	}{
		{"no token", "", "", 401},
		{"bad token", "x", "", 401},
		{"connected already", "t1 news exclusive", "", 409},
		{"unknown tenant", "t9 news me", "", 404},
		{"longest name", "t1 news a", strings.Repeat("x", 256), 101},
		{"long name", "t1 news b", strings.Repeat("x", 257), 400},
		{"shared", "t1 news c shared", "one", 101},
		{"shared with it", "t1 news c shared", "two", 101},
	}
	for _, tt := range tests {
		if _, status := r.consume(tt.token, tt.instance); status != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, status, tt.want)
		}
	}
}

// TestConsumerEnds sees how connections are closed from our side.
func TestConsumerEnds(t *testing.T) {
	r := newRig(t, notifyapi.Limits{})
	wantCode := func(ws *websocket.Conn, code int) {
		t.Helper()
		if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, code) {
			t.Errorf("got %v, want %d", err, code)
		}
	}
	ws, _ := r.consume("t1 news me", "")
	r.must(ws.WriteMessage(websocket.TextMessage, []byte("unsubscribe_subscriber\n")))
	wantCode(ws, websocket.CloseNormalClosure)
	if all, err := r.store.AllConsumers(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("left are %v, %v", all, err)
	}
	ws, _ = r.consume("t1 news me", "here")
	r.consume("t1 news me", "here")
	wantCode(ws, websocket.ClosePolicyViolation)

	ws, _ = r.consume("t1 news babbler", "")
	for range 102 {
		_ = ws.WriteMessage(websocket.TextMessage, []byte("?"))
	}
	if _, _, err := ws.ReadMessage(); err == nil {
		t.Error("a consumer that sends anything is heard for ever")
	}
	ws, _ = r.consume("t1 news shouter", "")
	_ = ws.WriteMessage(websocket.TextMessage, make([]byte, 4097))
	if _, _, err := ws.ReadMessage(); err == nil {
		t.Error("a consumer that sends too much is heard for ever")
	}
	ws, _ = r.consume("t1 news last", "")
	r.api.Close()
	wantCode(ws, websocket.CloseServiceRestart)
}

// TestTenancy sees that the same topic of two tenants is two.
func TestTenancy(t *testing.T) {
	r := newRig(t, notifyapi.Limits{})
	r.subscribeTopic("news", 1)
	mine, _ := r.consume("t1 news me", "")
	theirs, _ := r.consume("t2 news me", "")
	r.tell(notice(platform.NoticeEvents, 1, 1))
	r.read(mine)
	r.must(theirs.SetReadDeadline(time.Now().Add(50 * time.Millisecond)))
	if _, text, err := theirs.ReadMessage(); err == nil {
		t.Errorf("another tenant reads %s", text)
	}
}
