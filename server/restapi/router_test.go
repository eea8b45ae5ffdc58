package restapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"mooring/internal/problem"
)

func TestSplitPath(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		bad      bool
	}{
		{name: "root", in: "/"},
		{name: "empty", in: ""},
		{name: "plain", in: "/a/b", want: []string{"a", "b"}},
		{name: "slash at the end", in: "/a/b/", want: []string{"a", "b"}},
		{name: "encoded slash", in: "/a/x%2Fy", want: []string{"a", "x/y"}},
		{name: "encoded dots", in: "/a/%2E%2E/b", want: []string{"a", "..", "b"}},
		{name: "a slash too many", in: "//a//b///c", want: []string{"a", "b", "c"}},
		{name: "broken encoding", in: "/a/%zz", bad: true},
		{name: "15 segments", in: strings.Repeat("/a", 15), want: slices.Repeat([]string{"a"}, 15)},
		{name: "16 segments", in: strings.Repeat("/a", 16), want: slices.Repeat([]string{"a"}, 16)},
		{name: "17 segments", in: strings.Repeat("/a", 17), bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := splitPath(tt.in)
			if ok == tt.bad || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v; want %q", got, ok, tt.want)
			}
		})
	}
}

func FuzzSplitPath(f *testing.F) {
	for _, s := range []string{"/inventory/managedObjects/5/", "/identity/externalIds/c8y_Serial/a%2Fb", "//", "/%", "/a/%2e%2e"} {
		f.Add(s)
	}
	a := New(Config{})
	f.Fuzz(func(t *testing.T, path string) {
		segments, ok := splitPath(path)
		if !ok {
			return
		}
		if len(segments) > maxPathSegments {
			t.Fatalf("%q has %d segments", path, len(segments))
		}
		var again strings.Builder
		for _, s := range segments {
			again.WriteString("/" + url.PathEscape(s))
		}
		if got, ok := splitPath(again.String()); !ok || !slices.Equal(got, segments) && segments[len(segments)-1] != "" {
			t.Errorf("%q is %q, escaped again %q", path, segments, got)
		}
		if n, values := a.root.find(segments); n != nil {
			for _, r := range n.methods {
				if len(values) != len(r.names) {
					t.Errorf("%q has %d values for %s", path, len(values), r.path)
				}
			}
		}
	})
}

// TestReservedWords sees that a literal segment goes before a parameter.
func TestReservedWords(t *testing.T) {
	a := New(Config{})
	tests := map[string]string{
		"/inventory/managedObjects/count":               "/inventory/managedObjects/count",
		"/inventory/managedObjects/5":                   "/inventory/managedObjects/{id}",
		"/devicecontrol/newDeviceRequests/limit":        "/devicecontrol/newDeviceRequests/limit",
		"/devicecontrol/newDeviceRequests/device-5":     "/devicecontrol/newDeviceRequests/{id}",
		"/alarm/alarms/count":                           "/alarm/alarms/count",
		"/inventory/managedObjects/count/childDevices":  "",
		"/inventory//managedObjects//5":                 "/inventory/managedObjects/{id}",
		"/inventory":                                    "/inventory",
		"/inventory/objects":                            "",
		"/user/t1/users/x":                              "/user/{tenant}/users/{user}",
		"/tenant/options/a.b/c.d":                       "/tenant/options/{category}/{key}",
		"/tenant/tenants/t1/trusted-certificates/abcde": "/tenant/tenants/{tenant}/trusted-certificates/{fingerprint}",
	}
	for path, want := range tests {
		segments, _ := splitPath(path)
		n, _ := a.root.find(segments)
		got := ""
		if n != nil && n.route("GET") != nil {
			got = n.route("GET").path
		}
		if got != want {
			t.Errorf("%s goes to %q, want %q", path, got, want)
		}
	}
}

func TestEveryKindHasAnOutcome(t *testing.T) {
	for _, k := range problem.Kinds {
		out, ok := outcomes[k]
		if !ok || out.status < 200 || !strings.Contains(out.code, "/") {
			t.Errorf("kind %q has %+v", k, out)
		}
	}
	if len(outcomes) != len(problem.Kinds) {
		t.Errorf("%d outcomes for %d kinds", len(outcomes), len(problem.Kinds))
	}
}

// TestProblemOnTheWire sees what goes out, and that the text of an error that
// is ours alone does not.
func TestProblemOnTheWire(t *testing.T) {
	tests := []struct {
		name       string
		err        error
		status     int
		body       string
		retryAfter string
	}{
		{name: "plain", err: http.ErrBodyNotAllowed, status: 500, body: `{"error":"general/Internal Error","message":"Internal server error.",`},
		{name: "internal with a text", err: problem.New(problem.Internal, "secret", nil), status: 500, body: `{"error":"general/Internal Error","message":"Internal server error.",`},
		{name: "kind alone", err: problem.Forbidden, status: 403, body: `{"error":"security/Forbidden","message":"Access is denied.",`},
		{name: "area of the call", err: problem.New(problem.Conflict, "taken", http.ErrBodyNotAllowed), status: 409, body: `{"error":"event/Duplicate","message":"taken",`},
		{name: "code of its own", err: problem.WithCode(problem.NotFound, "x/y", "gone", nil), status: 404, body: `{"error":"x/y","message":"gone",`},
		{name: "retry", err: &problem.Error{Kind: problem.TooMany, RetryAfter: 1_000_000_001}, status: 429, body: `{"error":"general/Too Many Requests","message":"Too Many Requests",`, retryAfter: "2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			c := &call{api: New(Config{}), w: w, r: httptest.NewRequest("GET", "/event/events", nil), route: &route{area: "event"}}
			c.fail(tt.err)
			if w.Code != tt.status || !strings.HasPrefix(w.Body.String(), tt.body) || w.Header().Get("Retry-After") != tt.retryAfter {
				t.Errorf("got %d %s, Retry-After %q", w.Code, w.Body, w.Header().Get("Retry-After"))
			}
		})
	}
}

// TestHosts sees that a Host header that is none does not get into links.
func TestHosts(t *testing.T) {
	for in, want := range map[string]string{"t1.example.com": "t1.example.com", "127.0.0.1:8443": "127.0.0.1:8443", "[::1]:443": "[::1]:443",
		"": "localhost", `a"b`: "localhost", "a/b": "localhost", "a@b": "localhost"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = in
		if got := (&call{r: r}).base(); got != "http://"+want {
			t.Errorf("%q gives %s, want http://%s", in, got, want)
		}
	}
}
