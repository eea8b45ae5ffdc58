package restapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mooring/server/openapi/openapitest"
	"mooring/server/restapi"
)

// description asks an API for what it says of itself.
func description(t testing.TB, api http.Handler) *openapitest.Document {
	t.Helper()
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	d, err := openapitest.Parse(w.Body.Bytes())
	check(t, err)
	return d
}

// TestAPIDocs sees that the page names every call and lets nothing in.
func TestAPIDocs(t *testing.T) {
	r := newRig(t)
	page := r.do(request{method: "GET", path: "/apidocs", user: "-"}).want(t, 200)
	for _, c := range r.about.Calls() {
		if !strings.Contains(string(page.body), "<code>"+c+"</code>") {
			t.Errorf("%s is not on the page", c)
		}
	}
	if strings.Contains(string(page.body), "<script") || !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("headers %v", page.header)
	}
}

// effective is the method that a POST stands for.
func effective(r *http.Request) string {
	if named := r.Header.Get("X-Http-Method"); named != "" && r.Method == "POST" {
		return strings.ToUpper(named)
	}
	return r.Method
}

// TestDescription sees that the description is OpenAPI 3.1 and has the calls
// of the API and no others. That answers are as described, each test of this
// package sees: the rig compares them.
func TestDescription(t *testing.T) {
	d := description(t, restapi.New(restapi.Config{}))
	for _, fault := range d.Faults() {
		t.Error(fault)
	}
	described := map[string]bool{}
	for _, c := range d.Calls() {
		described[c] = true
	}
	routes := restapi.RouteNames()
	for _, r := range routes {
		if !described[r] {
			t.Errorf("%s is not described", r)
		}
		delete(described, r)
	}
	for c := range described {
		t.Errorf("%s is described and not there", c)
	}
	if len(routes) < 80 {
		t.Errorf("%d calls only", len(routes))
	}
}
