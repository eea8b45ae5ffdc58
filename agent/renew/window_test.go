package renew_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mooring/agent/renew"
	"mooring/internal/problem"
)

func TestAskWindow(t *testing.T) {
	const good = `{"start":"2027-01-02T03:04:05.000Z","end":"2027-01-09T03:04:05.000Z","retryAfter":9}`
	for _, tt := range []struct {
		name        string
		status      int
		retry, body string
		want        time.Duration
		wantErr     error
	}{
		{"told", 200, "7200", good, 2 * time.Hour, nil},
		{"told, without hint", 200, "", good, 0, nil},
		{"hint is a date", 200, "Fri, 31 Dec 1999 23:59:59 GMT", good, 0, nil},
		{"negative hint", 200, "-1", good, 0, nil},
		{"another platform", 404, "", "{}", 0, problem.NotFound},
		{"no wish", 405, "60", "{}", time.Minute, problem.NotFound},
		{"busy", 503, "120", "", 2 * time.Minute, problem.Unavailable},
		{"refused", 401, "", "{}", 0, problem.Unavailable},
		{"elsewhere", 302, "", "", 0, problem.Unavailable},
		{"a web page", 200, "", "<html>", 0, problem.NotFound},
		{"ends before it begins", 200, "", `{"start":"2027-01-09T03:04:05Z","end":"2027-01-02T03:04:05Z"}`, 0, problem.NotFound},
		{"empty", 200, "", `{}`, 0, problem.NotFound},
		{"4096 bytes", 200, "", good + strings.Repeat(" ", 4096-len(good)), 0, nil},
		{"4097 bytes", 200, "", good + strings.Repeat(" ", 4097-len(good)), 0, problem.NotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/mooring/renewal" {
					t.Errorf("asked for %s", r.URL)
				}
				if tt.retry != "" {
					w.Header().Set("Retry-After", tt.retry)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}))
			t.Cleanup(s.Close)
			anchors := x509.NewCertPool()
			anchors.AddCert(s.Certificate())
			e := renew.Endpoint{Address: s.Listener.Addr().String(), TrustAnchors: anchors, Now: time.Now}
			got, err := renew.AskWindow(context.Background(), e, tls.Certificate{})
			if !errors.Is(err, tt.wantErr) || got.AskAgain != tt.want {
				t.Errorf("got %+v, %v; want again after %v, %v", got, err, tt.want, tt.wantErr)
			}
			if tt.wantErr == nil && !got.Start.Equal(time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)) {
				t.Errorf("start %v", got.Start)
			}
		})
	}
	if _, err := renew.AskWindow(context.Background(), renew.Endpoint{}, tls.Certificate{}); !errors.Is(err, problem.NotFound) {
		t.Errorf("no address: %v", err)
	}
}
