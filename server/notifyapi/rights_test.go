package notifyapi_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"mooring/server/notifyapi"
	"mooring/server/platform"
)

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

func httpCookie(user string) string { return "authorization=" + user }
