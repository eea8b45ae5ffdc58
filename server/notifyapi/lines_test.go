package notifyapi_test

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/internal/smartrest/legacy"
	"mooring/server/notifyapi"
	"mooring/server/platform"
	"mooring/server/templates"
)

// collections are those of acme: "ops" and "more".
type collections struct{}

func (collections) Legacy(_ context.Context, tenant platform.TenantID, xid string) (templates.Legacy, error) {
	text := map[string]string{"ops": "11,502,,$.op,$.op\n11,600,,$.realtimeAction,$.data", "more": "11,7,,,$.op"}[xid]
	if tenant != acme || text == "" {
		return templates.Legacy{}, problem.NotFound
	}
	lines, err := smartrest.ParseLegacy([]byte(text))
	if err != nil {
		return templates.Legacy{}, err
	}
	c, _, err := legacy.Parse(lines)
	return templates.Legacy{ID: 1, Collection: c}, err
}

// lines posts a body in lines, as the vendor's C++ SDK does, without Accept.
func (c *client) lines(xid, body string) string {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), "POST", c.url+c.path, strings.NewReader(body))
	c.must(err)
	req.Header.Set("X-Id", xid)
	if c.user != "" {
		req.Header.Set("Authorization", "Basic "+c.user)
	}
	resp, err := http.DefaultClient.Do(req)
	c.must(err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	c.must(err)
	if resp.StatusCode != http.StatusOK {
		return resp.Status
	}
	return string(text)
}

// TestLines goes the way of the vendor's C++ SDK (SrDevicePush).
func TestLines(t *testing.T) {
	r := newRig(t, notifyapi.Limits{Hold: 50 * time.Millisecond})
	c := r.as("device_a")
	c.path = "/devicecontrol/notifications"
	id := c.lines("ops", "80")
	if !regexp.MustCompile("^[0-9a-f]{40}$").MatchString(id) {
		t.Fatalf("handshake: %q", id)
	}
	if got := c.lines("ops", "81,"+id+",/1"); got != "" {
		t.Errorf("subscribe: %q", got)
	}
	if got := c.lines("ops", "83,"+id); got != "" {
		t.Errorf("no news: %q", got)
	}
	order := func(id platform.ID) platform.Notice {
		return notice(platform.NoticeOperations, 1, platform.Operation{ID: id, Device: 1, Agent: 1})
	}
	r.tell(order(11), order(12))
	if got := c.lines("ops", "83,"+id); got != "502,1,11\n502,1,12" {
		t.Errorf("news: %q", got)
	}
	if got := c.lines("ops", "81,"+id+",/1,more,nothing"); got != "" {
		t.Errorf("subscribe: %q", got)
	}
	r.tell(order(13))
	if got := c.lines("ops", "83,"+id); got != "87,1,ops\n502,1,13\n87,1,more\n7,1,13" {
		t.Errorf("in two collections: %q", got)
	}
	for _, tt := range []struct{ body, want string }{
		{"81," + id + ",/3", "50,1,403,Access is denied"},
		{"81," + id + ",/x", "50,1,404,Unknown channel"},
		{"81," + id, "50,1,403,Subscription missing"},
		{"99", "43,1,Invalid message identifier"},
		{"x\n84,unknown", "43,1,Invalid message identifier\n50,2,402,Unknown client\n86,,0,handshake"},
		{"83,unknown", "50,1,402,Unknown client\n86,,0,handshake"},
		{strings.Repeat("84,unknown\n", 257), "42,,Malformed Request"},
		{"82," + id + ",/1\n84," + id, ""},
	} {
		if got := c.lines("ops", tt.body); got != tt.want {
			t.Errorf("%.50s: got %q, want %q", tt.body, got, tt.want)
		}
	}
	if got := c.lines("ops", "83,"+id); got != "50,1,402,Unknown client\n86,,0,handshake" {
		t.Errorf("after the end: %q", got)
	}
	if r.notices.Wanted(acme) {
		t.Error("somebody listens still")
	}
}

// TestLinesAcknowledged: a batch comes until its number comes back (80,true).
func TestLinesAcknowledged(t *testing.T) {
	r := newRig(t, notifyapi.Limits{Hold: 50 * time.Millisecond})
	c := r.as("admin")
	id := c.lines("ops", "80,true")
	if got := c.lines("ops", "81,"+id+",/events/*"); got != "" {
		t.Errorf("subscribe: %q", got)
	}
	r.tell(notice(platform.NoticeEvents, 5, "a, b"))
	for _, ask := range []string{"83," + id, "83," + id} {
		if got := c.lines("ops", ask); got != "600,1,\"a, b\"\n88,1" {
			t.Errorf("%s: %q", ask, got)
		}
	}
	if got := c.lines("ops", "83,"+id+",1"); got != "88,1" && got != "" {
		t.Errorf("acknowledged: %q", got)
	}
}

// TestLinesRights: a session is its user's, and templates are the tenant's.
func TestLinesRights(t *testing.T) {
	r := newRig(t, notifyapi.Limits{Hold: 50 * time.Millisecond})
	c := r.as("admin")
	id := c.lines("ops", "80")
	c.lines("ops", "81,"+id+",/events/*")
	for _, user := range []string{"alarms", "other/admin"} {
		thief := r.as(user)
		for _, line := range []string{"83," + id, "81," + id + ",/events/*,more", "84," + id} {
			if got := thief.lines("ops", line); got != "50,1,402,Unknown client\n86,,0,handshake" {
				t.Errorf("%s as %s: %q", line, user, got)
			}
		}
	}
	r.tell(notice(platform.NoticeEvents, 5, 1))
	if got := c.lines("ops", "83,"+id); got != "600,1,1" {
		t.Errorf("the owner: %q", got)
	}
	foreign := r.as("other/admin")
	own := foreign.lines("ops", "80")
	foreign.lines("ops", "81,"+own+",/events/*")
	there := notice(platform.NoticeEvents, 5, 1)
	there.Tenant = other
	r.tell(there)
	if got := foreign.lines("ops", "83,"+own); got != "" {
		t.Errorf("by another tenant's collection: %q", got)
	}
	if got := r.as("bad").lines("ops", "80"); !strings.HasPrefix(got, "401") {
		t.Errorf("without login: %q", got)
	}
	// Bayeux stays Bayeux, whatever header comes with it.
	c.header.Set("X-Id", "ops")
	if _, answers := c.post(msg{"channel": "/meta/handshake", "version": "1.0"}); len(answers) != 1 || answers[0]["successful"] != true {
		t.Errorf("JSON: %v", answers)
	}
}
