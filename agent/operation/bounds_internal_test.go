package operation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"mooring/agent/helper"
	"mooring/agent/uplink"
	"mooring/internal/durable/durabletest"
)

// waiting is a Manager that takes operations in and carries none out.
func waiting(t *testing.T) *Manager {
	t.Helper()
	m := New(Config{DeviceID: "dev1", FS: durabletest.New(), Dir: "/ops", Log: slog.New(slog.DiscardHandler)})
	var err error
	if m.journal, _, err = openJournal(m.cfg.FS, m.cfg.Dir); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *Manager) operation(id string, body int) *entry {
	text := fmt.Sprintf(`{"id":%q,"c8y_X":%q}`, id, strings.Repeat("x", body-2))
	m.take(uplink.Message{Topic: uplink.TopicJSONOperations, Payload: []byte(text)})
	list := m.journal.list()
	if len(list) == 0 || list[len(list)-1].ID != id {
		return nil
	}
	return list[len(list)-1]
}

func TestOperationBounds(t *testing.T) {
	m := waiting(t)
	for n, want := range map[int]bool{maxID - 1: true, maxID: true, maxID + 1: false} {
		if got := m.operation(strings.Repeat("i", n), 10); (got != nil) != want {
			t.Errorf("ID of %d bytes: taken %v", n, got != nil)
		}
	}
	for n, refused := range map[int]bool{maxBody - 1: false, maxBody: false, maxBody + 1: true} {
		if got := m.operation(fmt.Sprint("body", n), n); got == nil || (got.Refusal != "") != refused {
			t.Errorf("body of %d bytes: %+v", n, got)
		}
	}
}

// 32 operations wait; one more stays pending, and is asked for again.
func TestRoomInTheJournal(t *testing.T) {
	m := waiting(t)
	for i := range maxEntries {
		if m.operation(fmt.Sprint(i), 10) == nil || m.overflow.Load() {
			t.Fatalf("operation %d was not taken", i)
		}
	}
	if m.operation("one more", 10) != nil || !m.overflow.Load() {
		t.Error("one more was taken, or forgotten")
	}
	for i := range 300 {
		e := &entry{ID: fmt.Sprint("done", i)}
		if err := m.journal.remove(e); err != nil {
			t.Fatal(err)
		}
	}
	if !m.journal.known("done44") || m.journal.known("done43") {
		t.Errorf("%d IDs are remembered", len(m.journal.done))
	}
}

// 64 lines wait for the same operation in JSON; one more is not lost either.
func TestHeldLines(t *testing.T) {
	m := waiting(t)
	for i := range maxHeld + 1 {
		if m.overflow.Load() {
			t.Fatalf("line %d did not find room", i)
		}
		m.take(uplink.Message{Topic: uplink.TopicOperations, Payload: fmt.Appendf(nil, "511,dev1,command %d", i)})
	}
	if len(m.lines.held) != maxHeld || !m.overflow.Load() {
		t.Errorf("%d lines are held, asked again %v", len(m.lines.held), m.overflow.Load())
	}
}

// restarting is a helper that is told to restart and cannot.
type restarting struct{ asked int }

func (r *restarting) Do(context.Context, helper.Request, io.Writer, ...io.Reader) (helper.Result, error) {
	r.asked++
	return helper.Result{}, errors.New("no")
}

// The same system is asked twice to restart, whatever came of it.
func TestRestartsAreBounded(t *testing.T) {
	h := &restarting{}
	m := New(Config{Helper: h, BootID: func() string { return "boot" }})
	var note restartNote
	for range 5 {
		_ = m.reboot(t.Context(), &note, func() error { return nil }) // fails each time
	}
	if h.asked != maxRestarts {
		t.Errorf("asked %d times", h.asked)
	}
}

// A weak ETag does not tell that bytes are the same (RFC 9110 §8.8.3.3).
func TestValidator(t *testing.T) {
	for _, tt := range []struct{ etag, date, want string }{
		{`"a"`, "Mon", `"a"`}, {`W/"a"`, "Mon", "Mon"}, {`W/"a"`, "", ""}, {"", "Mon", "Mon"},
	} {
		d := &fetcher{}
		d.restart(http.Header{"Etag": {tt.etag}, "Last-Modified": {tt.date}})
		if d.Validator != tt.want {
			t.Errorf("%+v: got %q", tt, d.Validator)
		}
	}
}

// The device token goes to the own tenant alone.
func TestIsOwn(t *testing.T) {
	for _, tt := range []struct {
		server, tenant, url string
		want                bool
	}{
		{"a.example.com", "t1", "https://a.example.com/x", true},
		{"a.example.com", "t1", "https://A.EXAMPLE.com:8443/x", true},
		{"a.example.com", "t1", "https://a.example.com:9/x", false},
		{"a.example.com", "t1", "https://t1.example.com/x", true},
		{"a.example.com", "t1", "https://t2.example.com/x", false},
		{"a.example.com", "", "https://.example.com/x", false},
		{"example.com", "t1", "https://t1.com/x", false}, // anybody's
		{"localhost", "t1", "https://t1./x", false},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		w := &web{m: &Manager{cfg: Config{Server: tt.server, Port: 8443}}, tenant: tt.tenant}
		if got := w.isOwn(u); got != tt.want {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}

func TestRedirectsAreBounded(t *testing.T) {
	check := (&web{}).client().CheckRedirect
	for n, want := range map[int]bool{maxRedirects - 1: true, maxRedirects: true, maxRedirects + 1: false} {
		if err := check(nil, make([]*http.Request, n)); (err == nil) != want {
			t.Errorf("%d redirects: %v", n, err)
		}
	}
}

// TestOtherSchemes has a redirection lead to what is no web server, which no
// other try changes.
func TestOtherSchemes(t *testing.T) {
	for _, to := range []string{"file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"} {
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		_, err = (&web{m: &Manager{}, plain: true}).RoundTrip(&http.Request{URL: u})
		if err == nil || mayPass(err) {
			t.Errorf("%s: got %v, want an error for good", to, err)
		}
	}
}
