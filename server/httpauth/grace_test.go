package httpauth_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"mooring/internal/problem"
	"mooring/server/httpauth"
	"mooring/server/platform"
)

// graceful are fakes that admit expired certificates for re-enrolment.
type graceful struct {
	*fakes
	err error
}

func (g graceful) AdmitReEnrolment(_ context.Context, v platform.Verdict) (platform.Principal, error) {
	return platform.Principal{Tenant: v.Tenant, User: "device_" + v.Device, Device: v.Device, Method: platform.ByCertificate}, g.err
}

func TestReEnrolling(t *testing.T) {
	grace := platform.Verdict{Scope: platform.ReEnrolOnly, Reason: platform.ReasonExpired, Tenant: "t2", Device: "d2"}
	full := platform.Verdict{Scope: platform.Full, Tenant: "t2", Device: "d2"}
	bad := platform.Verdict{Scope: platform.ExplainOnly, Reason: platform.ReasonExpired, Device: "d2"}
	tests := []struct {
		name    string
		verdict platform.Verdict
		header  string
		https   bool // where certificates do not count
		err     error
		want    string
		wantErr error
		refused platform.Reason
	}{
		{name: "in its grace window", verdict: grace, want: "t2/device_d2"},
		{name: "valid", verdict: full, want: "t2/device_d2"},
		{name: "expired", verdict: bad, wantErr: problem.Unauthenticated, refused: platform.ReasonExpired},
		{name: "in its grace window, on https", verdict: grace, https: true, wantErr: problem.Unauthenticated},
		{name: "a token beside it decides", verdict: grace, header: "Bearer good", want: "t1/device_d1"},
		{name: "a bad token beside it decides", verdict: grace, header: "Bearer bad", wantErr: problem.Unauthenticated},
		{name: "of a disabled device", verdict: grace, err: problem.Forbidden, wantErr: problem.Forbidden, refused: "why"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fakes{verdict: tt.verdict}
			a := httpauth.New(httpauth.Config{Accounts: f, Devices: f, Tokens: f, Certificates: graceful{f, tt.err}, Refusals: f,
				ReasonOf: func(error) platform.Reason { return "why" }})
			r := httptest.NewRequest("POST", "/", nil)
			r.Host = "t1.example.com"
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte("leaf")}}}
			if tt.header != "" {
				r.Header.Set("Authorization", tt.header)
			}
			var p platform.Principal
			var err error
			var h http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { p, err = a.ReEnrolling(r) })
			if !tt.https {
				h = httpauth.WithClientCertificates(h)
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			if problem.KindOf(err) != problem.KindOf(tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if got := string(p.Tenant) + "/" + p.User; err == nil && (got != tt.want || !p.Has(platform.RoleDevice)) {
				t.Errorf("got %s with %v, want %s as a device", got, p.Roles, tt.want)
			}
			var refused platform.Reason
			if len(f.refused) == 1 {
				refused = f.refused[0].Reason
			}
			if refused != tt.refused || len(f.refused) > 1 {
				t.Errorf("refusals are %+v, want one for %q", f.refused, tt.refused)
			}
		})
	}
}
