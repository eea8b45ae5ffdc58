package httpauth_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/httpauth"
	"mooring/server/platform"
)

// fakes answers for everybody an Authenticator asks, and notes what it heard.
type fakes struct {
	accountErr, deviceErr, checkErr, tokenErr, admitErr error
	verdict                                             platform.Verdict
	refused                                             []platform.Refusal
	chain                                               int // certificates of the last decision
}

func (f *fakes) Authenticate(_ context.Context, tenant platform.TenantID, user string, password secret.String, _ string) (platform.Principal, error) {
	if f.accountErr != nil || password.Reveal() != "right" {
		return platform.Principal{}, cmpErr(f.accountErr)
	}
	return platform.Principal{Tenant: tenant, User: user, Method: platform.ByPassword}, nil
}

func cmpErr(err error) error {
	if err == nil {
		return problem.Unauthenticated
	}
	return err
}

func (f *fakes) Resume(_ context.Context, p platform.Principal) (platform.Principal, error) {
	return p, nil
}

func (f *fakes) TenantForHost(_ context.Context, host string) (platform.TenantID, error) {
	if host == "t1.example.com" {
		return "t1", nil
	}
	return "", problem.NotFound
}

func (f *fakes) Tenant(_ context.Context, id platform.TenantID) (platform.Tenant, error) {
	if id != "t1" && id != "t2" {
		return platform.Tenant{}, problem.NotFound
	}
	return platform.Tenant{ID: id}, nil
}

func (f *fakes) Password(_ context.Context, tenant platform.TenantID, user string, _ secret.String, address string) (platform.Principal, error) {
	if address != "192.0.2.1" {
		return platform.Principal{}, problem.Internal
	}
	return platform.Principal{Tenant: tenant, User: user, Device: strings.TrimPrefix(user, "device_"), Method: platform.ByPassword}, f.deviceErr
}

func (f *fakes) CheckDevice(context.Context, platform.Principal) error { return f.checkErr }

func (f *fakes) Verify(_ context.Context, token string) (platform.Principal, error) {
	if token != "good" {
		return platform.Principal{}, cmpErr(f.tokenErr)
	}
	return platform.Principal{Tenant: "t1", User: "device_d1", Device: "d1", Method: platform.ByToken}, nil
}

func (f *fakes) Decide(chain []*x509.Certificate, _ time.Time) platform.Verdict {
	f.chain = len(chain)
	return f.verdict
}

func (f *fakes) Admit(_ context.Context, v platform.Verdict, _ string) (platform.Principal, error) {
	return platform.Principal{Tenant: v.Tenant, User: "device_" + v.Device, Device: v.Device, Method: platform.ByCertificate}, f.admitErr
}

func (f *fakes) Record(r platform.Refusal) { f.refused = append(f.refused, r) }

func basic(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

func TestPrincipal(t *testing.T) {
	full := platform.Verdict{Scope: platform.Full, Tenant: "t2", Device: "d2"}
	bad := platform.Verdict{Scope: platform.ExplainOnly, Reason: platform.ReasonExpired, Device: "d2"}
	tooMany := &problem.Error{Kind: problem.TooMany, RetryAfter: time.Second}
	tests := []struct {
		name    string
		headers []string // Authorization
		host    string
		cert    bool // the client sent a certificate
		mtls    bool // on a listener where certificates count
		fakes   fakes
		want    string // tenant/user
		wantErr error
		refused platform.Reason
	}{
		{name: "nothing", wantErr: problem.Unauthenticated},
		{name: "empty header", headers: []string{""}, wantErr: problem.Unauthenticated},
		{name: "user", headers: []string{basic("admin:right")}, want: "t1/admin"},
		{name: "user with tenant", headers: []string{basic("t2/admin:right")}, want: "t2/admin"},
		{name: "scheme in small letters", headers: []string{"basic " + strings.TrimPrefix(basic("admin:right"), "Basic ")}, want: "t1/admin"},
		{name: "without padding", headers: []string{strings.TrimRight(basic("admin:right"), "=")}, want: "t1/admin"},
		{name: "wrong password", headers: []string{basic("admin:wrong")}, wantErr: problem.Unauthenticated},
		{name: "unknown tenant", headers: []string{basic("t9/admin:right")}, wantErr: problem.Unauthenticated},
		{name: "unknown host", headers: []string{basic("admin:right")}, host: "x", wantErr: problem.Unauthenticated},
		{name: "tenant named on an unknown host", headers: []string{basic("t1/admin:right")}, host: "x", want: "t1/admin"},
		{name: "busy", headers: []string{basic("admin:wrong")}, fakes: fakes{accountErr: tooMany}, wantErr: problem.TooMany},
		{name: "two headers", headers: []string{basic("admin:right"), basic("admin:right")}, wantErr: problem.Unauthenticated},
		{name: "unknown scheme", headers: []string{"Digest x"}, wantErr: problem.Unauthenticated},
		{name: "device", headers: []string{basic("device_d1:any")}, want: "t1/device_d1"},
		{name: "device, wrong password", headers: []string{basic("device_d1:any")}, fakes: fakes{deviceErr: problem.NotFound}, wantErr: problem.Unauthenticated, refused: "why"},
		{name: "device, too often", headers: []string{basic("device_d1:any")}, fakes: fakes{deviceErr: tooMany}, wantErr: problem.TooMany, refused: "why"},
		{name: "token", headers: []string{"Bearer good"}, want: "t1/device_d1"},
		{name: "bad token", headers: []string{"Bearer bad"}, wantErr: problem.Unauthenticated},
		{name: "no token", headers: []string{"Bearer "}, wantErr: problem.Unauthenticated},
		{name: "token of a disabled device", headers: []string{"Bearer good"}, fakes: fakes{checkErr: problem.Forbidden}, wantErr: problem.Unauthenticated, refused: "why"},
		{name: "token while the store is away", headers: []string{"Bearer good"}, fakes: fakes{checkErr: problem.Unavailable}, wantErr: problem.Unavailable, refused: "why"},
		{name: "certificate", cert: true, mtls: true, fakes: fakes{verdict: full}, want: "t2/device_d2"},
		{name: "certificate where none counts", cert: true, fakes: fakes{verdict: full}, wantErr: problem.Unauthenticated},
		{name: "no certificate", mtls: true, fakes: fakes{verdict: full}, wantErr: problem.Unauthenticated},
		{name: "header beside a certificate", cert: true, mtls: true, headers: []string{basic("admin:wrong")}, fakes: fakes{verdict: full}, wantErr: problem.Unauthenticated},
		{name: "bad certificate", cert: true, mtls: true, fakes: fakes{verdict: bad}, wantErr: problem.Unauthenticated, refused: platform.ReasonExpired},
		{name: "certificate to renew with", cert: true, mtls: true, fakes: fakes{verdict: platform.Verdict{Scope: platform.ReEnrolOnly, Reason: platform.ReasonExpired}}, wantErr: problem.Unauthenticated, refused: platform.ReasonExpired},
		{name: "certificate of a disabled device", cert: true, mtls: true, fakes: fakes{verdict: full, admitErr: problem.Forbidden}, wantErr: problem.Forbidden, refused: "why"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &tt.fakes
			a := authenticator(f)
			r := httptest.NewRequest("GET", "/", nil)
			r.Host = "t1.example.com"
			if tt.host != "" {
				r.Host = tt.host
			}
			for _, h := range tt.headers {
				r.Header.Add("Authorization", h)
			}
			if tt.cert {
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte("leaf")}}}
			}
			p, err := ask(a, r, tt.mtls)
			if tt.wantErr != nil {
				if problem.KindOf(err) != problem.KindOf(tt.wantErr) {
					t.Errorf("got %+v, %v; want %v", p, err, tt.wantErr)
				}
			} else if got := string(p.Tenant) + "/" + p.User; err != nil || got != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
			if err == nil && p.IsDevice() && !p.Has(platform.RoleDevice) {
				t.Error("the device has no roles")
			}
			var refused platform.Reason
			if len(f.refused) == 1 {
				refused = f.refused[0].Reason
			}
			if refused != tt.refused || len(f.refused) > 1 {
				t.Errorf("refusals are %+v, want one for %q", f.refused, tt.refused)
			}
			if len(f.refused) == 1 && f.refused[0].Tenant == "" {
				t.Error("the refusal is charged to nobody")
			}
		})
	}
}

func authenticator(f *fakes) *httpauth.Authenticator {
	return httpauth.New(httpauth.Config{Accounts: f, Devices: f, Tokens: f, Certificates: f, Refusals: f,
		ReasonOf: func(error) platform.Reason { return "why" }})
}

// ask runs r through a listener.
func ask(a *httpauth.Authenticator, r *http.Request, mtls bool) (p platform.Principal, err error) {
	var h http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { p, err = a.Principal(r) })
	if mtls {
		h = httpauth.WithClientCertificates(h)
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
	return p, err
}

// TestOneAnswer sees that a peer cannot tell what was wrong.
func TestOneAnswer(t *testing.T) {
	texts := map[string]bool{}
	for _, header := range []string{basic("t9/admin:x"), basic("device_d1:x"), "Bearer x", "Digest x", basic("nocolon"), "Basic ###"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = "t1.example.com"
		r.Header.Set("Authorization", header)
		f := &fakes{deviceErr: problem.New(problem.NotFound, "no such device", nil), tokenErr: problem.New(problem.Unauthenticated, "expired", nil)}
		_, err := authenticator(f).Principal(r)
		p, ok := err.(*problem.Error)
		if !ok {
			t.Fatalf("%s: got %v", header, err)
		}
		texts[string(p.Kind)+p.Code+p.Detail] = true
	}
	if len(texts) != 1 {
		t.Errorf("the answers are %v", texts)
	}
}

func TestWithPrincipal(t *testing.T) {
	want := platform.Principal{Tenant: platform.Management, User: "root", Method: platform.ByAdminSocket}
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(httpauth.WithPrincipal(r.Context(), want))
	a := authenticator(&fakes{})
	if got, err := a.Principal(r); err != nil || got.User != "root" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := a.Tenant(r); err != nil || got != platform.Management {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestParseBasic(t *testing.T) {
	tests := []struct {
		name, in               string
		tenant, user, password string
		bad                    bool
	}{
		{name: "plain", in: "user:pass", user: "user", password: "pass"},
		{name: "colons in the password", in: "dev1:a:b:c", user: "dev1", password: "a:b:c"},
		{name: "empty password", in: "dev1:", user: "dev1"},
		{name: "slash in the password", in: "dev1:a/b", user: "dev1", password: "a/b"},
		{name: "tenant", in: "t1/user:pass", tenant: "t1", user: "user", password: "pass"},
		{name: "second slash", in: "t1/a/b:pass", tenant: "t1", user: "a/b", password: "pass"},
		{name: "umlaut", in: "ä:ö", user: "ä", password: "ö"},
		{name: "no colon", in: "user", bad: true},
		{name: "no user", in: ":pass", bad: true},
		{name: "no user after the tenant", in: "t1/:pass", bad: true},
		{name: "empty tenant", in: "/user:pass", bad: true},
		{name: "line feed", in: "us\ner:pass", bad: true},
		{name: "zero in the password", in: "user:a\x00", bad: true},
		{name: "no UTF-8", in: "user:\xff", bad: true},
		{name: "1536 bytes, 2048 encoded", in: "user:" + strings.Repeat("x", 1531), user: "user", password: strings.Repeat("x", 1531)},
		{name: "1537 bytes", in: "user:" + strings.Repeat("x", 1532), bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, ok := httpauth.ParseBasic(base64.StdEncoding.EncodeToString([]byte(tt.in)))
			if ok == tt.bad {
				t.Fatalf("got %+v, %v", c, ok)
			}
			if ok && (c.Tenant != tt.tenant || c.User != tt.user || c.Password.Reveal() != tt.password) {
				t.Errorf("got tenant %q, user %q, password %q", c.Tenant, c.User, c.Password.Reveal())
			}
		})
	}
}

func FuzzParseBasic(f *testing.F) {
	for _, s := range []string{"user:pass", "t1/user:a:b", "/:", "\xff:"} {
		f.Add(base64.StdEncoding.EncodeToString([]byte(s)))
	}
	f.Add("###")
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := httpauth.ParseBasic(s)
		if !ok {
			return
		}
		if c.User == "" || strings.Contains(c.User, ":") || strings.ContainsAny(c.Tenant, "/:") {
			t.Fatalf("%q gives %+v", s, c)
		}
		text := c.User + ":" + c.Password.Reveal()
		if c.Tenant != "" {
			text = c.Tenant + "/" + text
		}
		again, ok := httpauth.ParseBasic(base64.StdEncoding.EncodeToString([]byte(text)))
		if !ok || again.Tenant != c.Tenant || again.User != c.User || !again.Password.Equal(c.Password) {
			t.Errorf("%q gives %+v, and that %+v", s, c, again)
		}
	})
}

func TestChallenge(t *testing.T) {
	for header, want := range map[string]string{"": `Basic realm="Cumulocity"`, "true": `XBasic realm="Cumulocity"`, "false": `Basic realm="Cumulocity"`} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("UseXBasic", header)
		w := httptest.NewRecorder()
		httpauth.Challenge(w, r)
		for name, got := range w.Header() {
			if name != "WWW-Authenticate" || len(got) != 1 || got[0] != want { // spelt so: libest compares bytes
				t.Errorf("UseXBasic %q: got %v", header, w.Header())
			}
		}
		if len(w.Header()) != 1 {
			t.Errorf("UseXBasic %q: got %v", header, w.Header())
		}
	}
}
