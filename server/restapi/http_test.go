package restapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mooring/server/platform"
	"mooring/server/restapi"
)

func TestMethods(t *testing.T) {
	r := newRig(t)
	tests := []struct {
		name, method, path string
		named              string // X-HTTP-METHOD
		want               int
		allow              string
	}{
		{name: "unknown path", method: "GET", path: "/nothing/here", want: 404},
		{name: "root", method: "GET", path: "/", want: 404},
		{name: "method not there", method: "PUT", path: "/event/events", want: 405, allow: "DELETE, GET, HEAD, POST"},
		{name: "invented method", method: "BREW", path: "/event/events", want: 405, allow: "DELETE, GET, HEAD, POST"},
		{name: "HEAD", method: "HEAD", path: "/event/events", want: 200},
		{name: "HEAD where there is no GET", method: "HEAD", path: "/certificate-authority/renew", want: 405, allow: "POST"},
		{name: "GET by POST", method: "POST", named: "GET", path: "/event/events", want: 200},
		{name: "small letters", method: "POST", named: "get", path: "/event/events", want: 200},
		{name: "method not there by POST", method: "POST", named: "PUT", path: "/event/events", want: 405, allow: "DELETE, GET, HEAD, POST"},
		{name: "header on a GET", method: "GET", named: "DELETE", path: "/event/events", want: 200},
		{name: "encoded word", method: "GET", path: "/event/%65vents", want: 200},
		{name: "broken query", method: "GET", path: "/event/events?a=%zz", want: 400},
		{name: "long query", method: "GET", path: "/event/events?a=" + strings.Repeat("a", 64<<10), want: 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			if tt.named != "" {
				h["X-Http-Method"] = []string{tt.named}
			}
			got := r.do(request{method: tt.method, path: tt.path, header: h}).want(t, tt.want)
			if got.header.Get("Allow") != tt.allow {
				t.Errorf("Allow is %q, want %q", got.header.Get("Allow"), tt.allow)
			}
		})
	}
}

// TestAccepts sees that no Accept leads to 406 (rest.md §0.1).
func TestAccepts(t *testing.T) {
	r := newRig(t)
	for _, accept := range []string{"application/json", "*/*", "application/json, text/plain, */*", "text/plain", "image/png",
		"application/vnd.com.nsn.cumulocity.customDevice+json;ver=0.9", "nonsense"} {
		r.do(request{method: "POST", path: "/inventory/managedObjects", body: "{}", noAccept: true, header: http.Header{"Accept": {accept}}}).want(t, 201).text(t, "id")
		r.do(request{method: "GET", path: "/inventory/managedObjects", noAccept: true, header: http.Header{"Accept": {accept}}}).want(t, 200)
	}
}

func TestBodyBound(t *testing.T) {
	r := newRig(t)
	const limit = 16 << 20
	for size, want := range map[int]int{limit - 1: 422, limit: 422, limit + 1: 413} { // 422: no managed object is that large
		body := `{"a":"` + strings.Repeat("x", size-len(`{"a":""}`)) + `"}`
		r.do(request{method: "POST", path: "/inventory/managedObjects", body: body}).want(t, want)
	}
}

// panicking fails in the middle of a request.
type panicking struct{ restapi.Authenticator }

func (panicking) Principal(*http.Request) (platform.Principal, error) { panic("a bug") }

func TestPanic(t *testing.T) {
	api := restapi.New(restapi.Config{Auth: panicking{}})
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest("GET", "/features", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "bug") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	counted := false
	api.Collect(func(route string, status int, answers uint64) {
		counted = counted || route == "GET /features" && status == 500 && answers == 1
	})
	if !counted {
		t.Error("the answer was not counted")
	}
}

func TestHandles(t *testing.T) {
	api := restapi.New(restapi.Config{})
	for path, want := range map[string]bool{"/inventory/x": true, "/event": true, "/": false, "/.well-known/est/cacerts": false, "/apps/": false} {
		if got := api.Handles(httptest.NewRequest("GET", path, nil)); got != want {
			t.Errorf("%s: got %v", path, got)
		}
	}
}

// FuzzBodies posts anything to the calls that read a body: no panic, and no
// answer that blames the server.
func FuzzBodies(f *testing.F) {
	r := newRig(f)
	id := r.device(f, tenant, "dev1", "secret-of-dev1").String()
	paths := []string{"/inventory/managedObjects", "/inventory/managedObjects/" + id + "/childDevices", "/identity/globalIds/" + id + "/externalIds",
		"/measurement/measurements", "/event/events", "/alarm/alarms", "/tenant/options", "/audit/auditRecords",
		"/tenant/tenants/t1000/trusted-certificates", "/devicecontrol/newDeviceRequests"}
	f.Add(uint8(0), `{"name":"x","externalIds":[{"type":"a","externalId":"b"}]}`)
	f.Add(uint8(3), `{"measurements":[{"source":{"id":"`+id+`"},"type":"T","time":"2020-01-01T10:00:00Z"}]}`)
	f.Add(uint8(5), `{"source":{"id":"`+id+`"},"type":"T","text":"x","severity":"MAJOR","time":"2020-01-01T10:00:00Z"}`)
	f.Add(uint8(8), `{"status":"ENABLED","certInPemFormat":"MIIB"}`)
	admin := platform.Principal{Tenant: tenant, User: "admin", Roles: platform.AdminRoles}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		req := httptest.NewRequest("POST", paths[int(which)%len(paths)], strings.NewReader(body))
		req.Header.Set("Accept", "application/json")
		w := httptest.NewRecorder()
		r.api.ServeHTTP(w, req.WithContext(withAdmin(context.Background(), admin)))
		if w.Code >= 500 {
			t.Errorf("%s with %q: %d %s", req.URL, body, w.Code, w.Body)
		}
	})
}
