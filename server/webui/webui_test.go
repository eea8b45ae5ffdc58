package webui_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"mooring/server/webui"
)

func ask(t *testing.T, method, path, etag string) *httptest.ResponseRecorder {
	t.Helper()
	u, err := webui.New()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, path, nil)
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	w := httptest.NewRecorder()
	u.ServeHTTP(w, r)
	return w
}

func TestServes(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		status       int
		kind         string // of its content, or where it leads
	}{
		{"GET", webui.Prefix + "index.html", 200, "text/html; charset=utf-8"},
		{"GET", webui.Prefix, 200, "text/html; charset=utf-8"},
		{"GET", webui.Prefix + "style.css", 200, "text/css; charset=utf-8"},
		{"GET", webui.Prefix + "js/api.js", 200, "text/javascript; charset=utf-8"},
		{"HEAD", webui.Prefix + "js/app.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/", 302, webui.Prefix},
		{"GET", "/apps/devicemanagement", 302, webui.Prefix},
		{"GET", "/?//evil.example/", 302, webui.Prefix},
		{"GET", webui.Prefix + "js/", 404, ""},
		{"GET", webui.Prefix + "js", 404, ""},
		{"GET", webui.Prefix + "../../webui.go", 404, ""},
		{"GET", webui.Prefix + "%2e%2e/webui.go", 404, ""},
		{"POST", webui.Prefix + "index.html", 405, ""},
		{"POST", "/", 405, ""},
	} {
		w := ask(t, tt.method, tt.path, "")
		got := w.Header().Get("Content-Type")
		if tt.status == http.StatusFound {
			got = w.Header().Get("Location")
		}
		if w.Code != tt.status || tt.kind != "" && got != tt.kind {
			t.Errorf("%s %s: got %d, %q", tt.method, tt.path, w.Code, got)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: headers %v", tt.method, tt.path, w.Header())
		}
		if tt.method == "HEAD" && w.Body.Len() > 0 {
			t.Errorf("HEAD: %d bytes", w.Body.Len())
		}
	}
}

func TestKeptByBrowsers(t *testing.T) {
	const page = webui.Prefix + "index.html"
	etag := ask(t, "GET", page, "").Header().Get("ETag")
	for given, want := range map[string]int{etag: 304, "W/" + etag: 304, `"x", ` + etag: 304, "*": 304, `"x"`: 200, "": 200} {
		if w := ask(t, "GET", page, given); w.Code != want || want == 304 && w.Body.Len() > 0 {
			t.Errorf("If-None-Match %q: got %d, %d bytes; want %d", given, w.Code, w.Body.Len(), want)
		}
	}
	if etag == "" || etag == ask(t, "GET", webui.Prefix+"style.css", "").Header().Get("ETag") {
		t.Errorf("ETag %q", etag)
	}
}

// The policy would stop it anyway; and no file puts text in as HTML.
func TestNothingInline(t *testing.T) {
	html := ask(t, "GET", webui.Prefix, "").Body.String()
	if bad := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\son\w+=|\sstyle=|javascript:|https?://`).FindString(html); bad != "" {
		t.Errorf("index.html has %q", bad)
	}
	for _, name := range []string{"api", "app", "page", "login", "deviceregistration"} {
		w := ask(t, "GET", webui.Prefix+"js/"+name+".js", "")
		if bad := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|console\.|localStorage`).FindString(w.Body.String()); w.Code != 200 || bad != "" {
			t.Errorf("%s.js: status %d, has %q", name, w.Code, bad)
		}
	}
}

func TestHandles(t *testing.T) {
	u, err := webui.New()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"/": true, webui.Prefix + "x": true, "/apps/devicemanagement": true,
		"/apps": false, "/apps/devicemanagementx": false, "//": false, "/tenant/currentTenant": false, "/.well-known/est/simpleenroll": false} {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		if got := u.Handles(r); got != want {
			t.Errorf("%s: got %t", path, got)
		}
	}
}
