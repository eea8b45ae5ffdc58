package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"mooring/server/servertest"
)

// dialNotices opens a WebSocket of a server.
func dialNotices(t *testing.T, s *servertest.Server, path string) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: s.Network.DialContext, TLSClientConfig: s.TLSConfig()}
	header := http.Header{}
	if !strings.Contains(path, "token=") {
		r := http.Request{Header: header}
		r.SetBasicAuth(servertest.Tenant+"/"+servertest.AdminUser, servertest.AdminPassword)
	}
	ws, resp, err := dialer.DialContext(t.Context(), "wss://"+servertest.HTTPS+path, header)
	if err != nil {
		t.Fatal(err, resp)
	}
	t.Cleanup(func() { _ = ws.Close() })
	if err := ws.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	return ws
}

// listen subscribes to real-time channels.
func listen(t *testing.T, s *servertest.Server, channels ...string) *websocket.Conn {
	t.Helper()
	ws := dialNotices(t, s, "/notification/realtime")
	ask := func(m map[string]any) map[string]any {
		t.Helper()
		var answers []map[string]any
		if err := ws.WriteJSON([]any{m}); err != nil {
			t.Fatal(err)
		}
		if err := ws.ReadJSON(&answers); err != nil {
			t.Fatal(err)
		}
		if len(answers) != 1 || answers[0]["successful"] != true {
			t.Fatalf("%v: got %v", m, answers)
		}
		return answers[0]
	}
	id := ask(map[string]any{"channel": "/meta/handshake"})["clientId"]
	for _, c := range channels {
		ask(map[string]any{"channel": "/meta/subscribe", "clientId": id, "subscription": c})
	}
	return ws
}

// heard reads events until one is on the channel, and returns its data.
func heard(t *testing.T, ws *websocket.Conn, channel string) (action string, data json.RawMessage) {
	t.Helper()
	for {
		var events []struct {
			Channel string
			Data    struct {
				RealtimeAction string
				Data           json.RawMessage
			}
		}
		if err := ws.ReadJSON(&events); err != nil {
			t.Fatalf("waiting for %s: %v", channel, err)
		}
		for _, e := range events {
			if e.Channel == channel {
				return e.Data.RealtimeAction, e.Data.Data
			}
		}
	}
}

// subscription makes one to everything of an object, and returns a consumer's token.
func subscription(s *servertest.Server, object string) string {
	s.Call(http.MethodPost, "/notification2/subscriptions", map[string]any{"context": "mo", "source": map[string]any{"id": object}, "subscription": "news",
		"subscriptionFilter": map[string]any{"apis": []string{"measurements", "operations"}}}, nil)
	var made struct{ Token string }
	s.Call(http.MethodPost, "/notification2/token", map[string]any{"subscriber": "me", "subscription": "news"}, &made)
	return "/notification2/consumer/?token=" + url.QueryEscape(made.Token)
}

// message reads one of a consumer; it acknowledges it if that is wanted.
func message(t *testing.T, ws *websocket.Conn, acknowledge bool) (head, body string) {
	t.Helper()
	_, text, err := ws.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ = strings.Cut(string(text), "\n\n")
	ack, head, _ := strings.Cut(head, "\n")
	if acknowledge {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(ack)); err != nil {
			t.Fatal(err)
		}
	}
	return head, body
}

// deviceObject finds the object of a device.
func deviceObject(s *servertest.Server, name string) string {
	var found struct{ ManagedObject struct{ ID string } }
	s.Call(http.MethodGet, "/identity/externalIds/c8y_Serial/"+name, nil, &found)
	return found.ManagedObject.ID
}

// TestNotifications follows what a device sends over MQTT to those who listen,
// and over a restart of the server.
func TestNotifications(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	ca := newAnchor(t)
	ca.upload(s)
	c, code := connect(t, s, "noisy", ca.leaf(t, "noisy", 0x3001))
	if code != 0 {
		t.Fatalf("CONNACK %d", code)
	}
	publish := func(topic, line string) {
		t.Helper()
		body := append(append([]byte{0, byte(len(topic))}, topic...), 0, 1) // QoS 1, packet 1
		body = append(body, line...)
		if _, err := c.Write(append([]byte{0x32, byte(len(body))}, body...)); err != nil {
			t.Fatal(err)
		}
		var ack [4]byte
		if _, err := c.Read(ack[:]); err != nil || ack[0] != 0x40 {
			t.Fatalf("%s %s: got %x, %v", topic, line, ack, err)
		}
	}
	newborn := listen(t, s, "/managedobjects/*")
	publish("s/us", "100,Noisy,c8y_Test")
	object := deviceObject(s, "noisy")
	if action, _ := heard(t, newborn, "/managedobjects/"+object); action != "CREATE" {
		t.Errorf("got %s", action)
	}
	realtime := listen(t, s, "/alarms/*", "/measurements/"+object, "/events/"+object)
	consumer := dialNotices(t, s, subscription(s, object))
	publish("s/us", "200,c8y_T,T,21.5,C")
	publish("t/us", "400,transient,text")
	publish("q/us", "400,quiet,text")
	publish("s/us", "302,major,text")
	for _, want := range []struct{ channel, part string }{{"/measurements/" + object, `"T":{"value":21.5,"unit":"C"}`},
		{"/events/" + object, `"type":"transient"`}, {"/alarms/" + object, `"severity":"MAJOR"`}} {
		if action, data := heard(t, realtime, want.channel); action != "CREATE" || !strings.Contains(string(data), want.part) {
			t.Errorf("%s: got %s %s, want %s", want.channel, action, data, want.part)
		}
	}
	head, body := message(t, consumer, false)
	if head != "/"+servertest.Tenant+"/measurements/"+object+"\nCREATE" || !strings.Contains(body, `"value":21.5`) || !strings.Contains(body, `"self":"https://`) {
		t.Errorf("got %s %s", head, body)
	}
	// Nobody reads while an operation is ordered and the server restarts.
	_ = consumer.Close()
	s.Call(http.MethodPost, "/devicecontrol/operations", map[string]any{"deviceId": object, "c8y_Restart": map[string]any{}}, nil)
	s.Stop()
	s.Start()
	token := subscriptionToken(s)
	consumer = dialNotices(t, s, token)
	for _, want := range []string{"measurements", "operations"} {
		if head, _ := message(t, consumer, true); !strings.Contains(head, "/"+want+"/"+object) {
			t.Errorf("after the restart: got %s, want %s", head, want)
		}
	}
}

func subscriptionToken(s *servertest.Server) string {
	var made struct{ Token string }
	s.Call(http.MethodPost, "/notification2/token", map[string]any{"subscriber": "me", "subscription": "news"}, &made)
	return "/notification2/consumer/?token=" + url.QueryEscape(made.Token)
}

// TestNodesTellEachOther sees that who listens to one node hears of what
// happens on another.
func TestNodesTellEachOther(t *testing.T) {
	a, b := twoNodes(t)
	var object struct{ ID string }
	a.s.Call(http.MethodPost, "/inventory/managedObjects", map[string]any{"name": "shared", "c8y_IsDevice": map[string]any{}}, &object)
	realtime := listen(t, b.s, "/events/"+object.ID, "/managedobjects/*")
	consumer := dialNotices(t, b.s, subscription(b.s, object.ID))
	event := map[string]any{"type": "e", "text": "x", "time": "2026-01-01T00:00:00Z", "source": map[string]any{"id": object.ID}}
	// The other node has to hear first that somebody listens.
	heardOf := make(chan struct{})
	go func() {
		defer close(heardOf)
		heard(t, realtime, "/events/"+object.ID)
		heard(t, realtime, "/managedobjects/"+object.ID)
	}()
	soon(t, "what happens on the other node is heard", func() bool {
		a.s.Call(http.MethodPost, "/event/events", event, nil)
		a.s.Call(http.MethodPut, "/inventory/managedObjects/"+object.ID, map[string]any{"name": "again"}, nil)
		a.s.Call(http.MethodPost, "/measurement/measurements", map[string]any{"type": "m", "time": "2026-01-01T00:00:00Z", "source": map[string]any{"id": object.ID}}, nil)
		select {
		case <-heardOf:
			return true
		default:
			return false
		}
	})
	if head, _ := message(t, consumer, true); !strings.Contains(head, "/measurements/"+object.ID) {
		t.Errorf("got %s", head)
	}
}

// TestAgentWaitsForOperations has a device poll for its operations by
// certificate, and for those of another in vain.
func TestAgentWaitsForOperations(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	ca := newAnchor(t)
	ca.upload(s)
	identity := ca.leaf(t, "poller", 0x3002)
	if _, code := connect(t, s, "poller", identity); code != 0 {
		t.Fatalf("CONNACK %d", code)
	}
	var own, foreign struct{ ID string }
	agent := map[string]any{"name": "poller", "owner": "device_poller", "com_cumulocity_model_Agent": map[string]any{}}
	s.Call(http.MethodPost, "/inventory/managedObjects", agent, &own)
	delete(agent, "owner")
	s.Call(http.MethodPost, "/inventory/managedObjects", agent, &foreign)
	client := s.HTTPClient(s.TLSConfig(identity))
	ask := func(m map[string]any) []map[string]any {
		t.Helper()
		text, err := json.Marshal([]any{m})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+servertest.MTLS+"/notification/operations", bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answers []map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&answers); err != nil || len(answers) == 0 {
			t.Fatalf("%v: %s %v", m, resp.Status, err)
		}
		return answers
	}
	id := ask(map[string]any{"channel": "/meta/handshake"})[0]["clientId"]
	object := own.ID
	for channel, may := range map[string]bool{"/" + object: true, "/" + foreign.ID: false} {
		if got := ask(map[string]any{"channel": "/meta/subscribe", "clientId": id, "subscription": channel}); got[0]["successful"] != may {
			t.Errorf("%s: got %v", channel, got)
		}
	}
	for _, device := range []string{foreign.ID, object} {
		s.Call(http.MethodPost, "/devicecontrol/operations", map[string]any{"deviceId": device, "c8y_Restart": map[string]any{}}, nil)
	}
	got := ask(map[string]any{"channel": "/meta/connect", "clientId": id, "connectionType": "long-polling"})
	data, _ := got[0]["data"].(map[string]any)
	if len(got) != 2 || got[0]["channel"] != "/"+object || data["deviceId"] != object || data["status"] != "PENDING" {
		t.Errorf("got %v", got)
	}
}
