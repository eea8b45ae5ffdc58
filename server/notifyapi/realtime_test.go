package notifyapi_test

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"mooring/server/notifyapi"
	"mooring/server/platform"
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
