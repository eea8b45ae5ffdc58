package server_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mooring/server/config"
	"mooring/server/platform"
	"mooring/server/servertest"
)

// TestHostileLists: whatever stands behind the address of a list, a handshake
// waits a second at most, the memory stays, and the tenant decides by its
// option whether the device gets in.
func TestHostileLists(t *testing.T) {
	a := newAnchor(t)
	release := make(chan struct{})
	var site *httptest.Server
	mux := http.NewServeMux()
	mux.HandleFunc("/silent", func(http.ResponseWriter, *http.Request) { <-release })
	mux.HandleFunc("/gigabyte", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1073741824")
		chunk := make([]byte, 64<<10)
		for range 1 << 14 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, site.URL+"/loop", http.StatusFound) })
	mux.HandleFunc("/drop", func(w http.ResponseWriter, _ *http.Request) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = c.Close()
		}
	})
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>no list</html>")) })
	mux.HandleFunc("/private", func(w http.ResponseWriter, _ *http.Request) { t.Error("a private address was asked") })
	site = httptest.NewServer(mux)
	t.Cleanup(site.Close)
	t.Cleanup(func() { close(release) })
	open := servertest.Start(t, servertest.Options{Easy: true, Configure: func(c *config.Config) { c.Limits.CRLPrivateNetworks = true }})
	shut := servertest.Start(t, servertest.Options{Easy: true})
	option := func(s *servertest.Server, key, value string) {
		s.Call(http.MethodPut, "/tenant/options/configuration/crl.online.check."+key, map[string]string{"value": value}, nil)
	}
	for _, s := range []*servertest.Server{open, shut} {
		a.upload(s)
		option(s, "enabled", "true")
	}
	for i, tt := range []struct {
		name   string
		on     *servertest.Server
		points []string
		detail string
	}{
		{"silent", open, []string{site.URL + "/silent"}, ""},
		{"gigabyte", open, []string{site.URL + "/gigabyte"}, "larger than"},
		{"loop", open, []string{site.URL + "/loop"}, "more than 3 redirects"},
		{"drop", open, []string{site.URL + "/drop"}, "EOF"},
		{"page", open, []string{site.URL + "/page"}, ""},
		{"nobody-listens", open, []string{"http://127.0.0.1:1/list"}, "refused"},
		{"five-points", open, []string{site.URL + "/page?1", site.URL + "/page?2", site.URL + "/page?3", site.URL + "/page?4", site.URL + "/silent"}, ""},
		{"private", shut, []string{site.URL + "/private"}, "private, loopback or reserved"},
		{"itself", shut, []string{"https://localhost/crl/" + servertest.Tenant + ".crl"}, ""},
		{"not-http", shut, []string{"ldap://directory.example/cn=list", "file:///etc/passwd"}, "names no list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			identity := a.leaf(t, tt.name, int64(0x3000+i), tt.points...)
			option(tt.on, "failure", "accept")
			before, began := heap(), time.Now()
			if _, code := connect(t, tt.on, tt.name, identity); code != 0 {
				t.Errorf("CONNACK %d, want 0: the tenant lets devices in without a list", code)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %v, want a second and the time of this machine", took)
			}
			if grown := heap() - before; grown > 32<<20 {
				t.Errorf("%d MiB are held", grown>>20)
			}
			option(tt.on, "failure", "refuse")
			refusedForList(t, tt.on, tt.name, identity, tt.detail)
		})
	}
}

// refusedForList wants the refusal of a device whose list cannot be had, once
// that is known.
func refusedForList(t *testing.T, s *servertest.Server, device string, identity tls.Certificate, detail string) {
	t.Helper()
	var last []kept
	for end := time.Now().Add(answerWithin); time.Now().Before(end); {
		if _, code := connect(t, s, device, identity); code != 5 {
			if strings.HasPrefix(detail, "names no list") && code == 0 {
				return // nothing to check, as for a certificate without any
			}
			t.Fatalf("CONNACK %d, want 5: the tenant refuses devices without a list", code)
		}
		last = refusals(t, s, servertest.Tenant, device)
		if len(last) > 0 && last[0].Reason == string(platform.ReasonNoList) && strings.Contains(last[0].Detail, detail) {
			return
		}
		// The fetch goes on in the background, for five seconds at most.
	}
	t.Errorf("kept is %+v, want %s with %q", last, platform.ReasonNoList, detail)
}
