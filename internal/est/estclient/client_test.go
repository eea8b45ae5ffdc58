package estclient_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mooring/internal/est"
	"mooring/internal/est/estclient"
	"mooring/internal/problem"
	"mooring/internal/secret"
)

var otp = secret.New("p:ass/wörd")

func TestEnrol(t *testing.T) {
	i, key := newIssuer(t), newKey(t)
	c := start(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if r.Method != http.MethodPost || r.URL.Path != "/.well-known/est/simpleenroll" || !ok || user != "dev1" || password != otp.Reveal() {
			t.Errorf("%s %s as %q", r.Method, r.URL, user)
		}
		if got := r.Header.Get("Content-Type"); got != est.PKCS10Type {
			t.Errorf("content type %q", got)
		}
		answer(t, w, i.root, i.intermediate, i.leaf(t, r))
	})
	c.TrustAnchors = i.anchors()
	chain, err := c.Enrol(t.Context(), key, "dev1", otp)
	if err != nil {
		t.Fatal(err)
	}
	if len(chain) != 2 || chain.Leaf().Subject.CommonName != "dev1" || !chain[1].Equal(i.intermediate) {
		t.Errorf("chain of %d, want leaf and intermediate without the root", len(chain))
	}
}

func TestReEnrol(t *testing.T) {
	i, key := newIssuer(t), newKey(t)
	tests := []struct {
		name string
		auth estclient.Authorization
		want string
	}{
		{name: "token", auth: estclient.Bearer(secret.New("a.b.c")), want: "Bearer a.b.c"},
		{name: "password", auth: estclient.Basic("t1/device_x", secret.New("pw")), want: "Basic dDEvZGV2aWNlX3g6cHc="},
		{name: "certificate", want: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Contains(fmt.Sprintf("%+v %#v", tt.auth, tt.auth), "a.b.c") {
				t.Error("the authorization prints its token")
			}
			c := start(t, func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Authorization"); got != tt.want || r.URL.Path != "/.well-known/est/t1/simplereenroll" {
					t.Errorf("%s with %q, want %q", r.URL, got, tt.want)
				}
				if tt.name == "certificate" && len(r.TLS.PeerCertificates) != 1 {
					t.Error("no client certificate")
				}
				answer(t, w, i.leaf(t, r))
			})
			c.Label = "t1"
			if tt.name == "certificate" {
				own := sign(t, "dev1", key.Public(), i.intermediate, i.key)
				c.HTTP.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{own.Raw}, PrivateKey: key}}
			}
			chain, err := c.ReEnrol(t.Context(), newKey(t), "dev1", tt.auth)
			if err != nil || len(chain) != 1 {
				t.Errorf("%d certificates, %v", len(chain), err)
			}
		})
	}
}

func TestCACerts(t *testing.T) {
	i := newIssuer(t)
	c := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/.well-known/est/cacerts" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		answer(t, w, i.root)
	})
	chain, err := c.CACerts(t.Context())
	if err != nil || len(chain) != 1 || !chain[0].Equal(i.root) {
		t.Errorf("%d certificates, %v", len(chain), err)
	}
}

func TestRefusedAnswers(t *testing.T) {
	i, other := newIssuer(t), newIssuer(t)
	long := strings.Repeat("ä", 400)
	tests := []struct {
		name    string
		do      http.HandlerFunc
		wantErr error
		wait    time.Duration
		detail  string // part of the error
	}{
		{name: "decided later", do: status(202, "", "Retry-After", "7"), wantErr: problem.Pending, wait: 7 * time.Second},
		{name: "later, no time", do: status(202, ""), wantErr: problem.Pending, wait: 30 * time.Second},
		{name: "wrong OTP", do: status(401, `{"error":"security/Unauthorized","message":"No newDeviceRequest found for this ID.","info":"x"}`),
			wantErr: problem.Unauthenticated, detail: "No newDeviceRequest found for this ID. (the server answered 401"},
		{name: "error without message", do: status(403, `{"error":"security/Forbidden"}`), wantErr: problem.Forbidden, detail: "security/Forbidden"},
		{name: "plain text", do: status(422, "CN is not the device\r\n"), wantErr: problem.Unprocessable, detail: "CN is not the device (the"},
		{name: "terminal escape", do: status(400, "\x1b[2Jred"), wantErr: problem.Invalid, detail: " [2Jred"},
		{name: "long text", do: status(400, long), wantErr: problem.Invalid, detail: strings.Repeat("ä", 150) + "… (the"},
		{name: "error page", do: status(404, "<html>secret layout</html>"), wantErr: problem.NotFound, detail: "404"},
		{name: "conflict", do: status(409, ""), wantErr: problem.Conflict},
		{name: "too large", do: status(413, ""), wantErr: problem.TooLarge},
		{name: "too many", do: status(429, "", "Retry-After", "120"), wantErr: problem.TooMany, wait: 2 * time.Minute},
		{name: "too many, no time", do: status(429, ""), wantErr: problem.TooMany, wait: 30 * time.Second},
		{name: "internal", do: status(500, "oops"), wantErr: problem.Unavailable},
		{name: "busy", do: status(503, "", "Retry-After", "3"), wantErr: problem.Unavailable, wait: 3 * time.Second},
		{name: "teapot", do: status(418, ""), wantErr: problem.Invalid},
		{name: "redirect", do: status(307, "", "Location", "https://elsewhere.example/"), wantErr: problem.Invalid, detail: "redirect to https://elsewhere.example/"},
		{name: "maintenance page", do: status(200, " <!DOCTYPE html>"), wantErr: problem.Unavailable, detail: "HTML"},
		{name: "empty success", do: status(200, ""), wantErr: problem.Invalid},
		{name: "garbage", do: status(200, "hello"), wantErr: problem.Invalid},
		{name: "endless", do: status(200, strings.Repeat("A", est.MaxBodyBytes+1)), wantErr: problem.TooLarge},
		{name: "another key", do: func(w http.ResponseWriter, _ *http.Request) {
			answer(t, w, sign(t, "dev1", newKey(t).Public(), i.intermediate, i.key))
		}, wantErr: problem.Invalid, detail: "another key"},
		{name: "another device", do: func(w http.ResponseWriter, r *http.Request) {
			leaf := i.leaf(t, r)
			answer(t, w, sign(t, "dev2", leaf.PublicKey, i.intermediate, i.key))
		}, wantErr: problem.Invalid, detail: "another device"},
		{name: "another issuer", do: func(w http.ResponseWriter, r *http.Request) { answer(t, w, other.leaf(t, r), other.intermediate) },
			wantErr: problem.Invalid, detail: "trust anchor"},
		{name: "intermediate missing", do: func(w http.ResponseWriter, r *http.Request) { answer(t, w, i.leaf(t, r)) },
			wantErr: problem.Invalid, detail: "trust anchor"},
		{name: "cut off", do: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("MIIB"))
		}, wantErr: problem.Unavailable, detail: "cut off"},
		{name: "connection dropped", do: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			wantErr: problem.Unavailable, detail: "cannot be reached"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t, tt.do)
			c.TrustAnchors = i.anchors()
			chain, err := c.Enrol(t.Context(), newKey(t), "dev1", otp)
			if !errors.Is(err, tt.wantErr) || chain != nil {
				t.Fatalf("%d certificates, error = %v, want %v", len(chain), err, tt.wantErr)
			}
			if got := problem.RetryAfter(err); got != tt.wait {
				t.Errorf("wait %v, want %v", got, tt.wait)
			}
			if !strings.Contains(err.Error(), tt.detail) || strings.Contains(err.Error(), otp.Reveal()) {
				t.Errorf("error %q, want %q in it", err, tt.detail)
			}
		})
	}
}

func status(code int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		if code != http.StatusNoContent {
			_, _ = w.Write([]byte(body))
		}
	}
}

// TestRedirectKeepsCredentials: another host never sees them.
func TestRedirectKeepsCredentials(t *testing.T) {
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed with %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		c := start(t, status(code, "", "Location", elsewhere.URL))
		if _, err := c.Enrol(t.Context(), newKey(t), "dev1", otp); !errors.Is(err, problem.Invalid) {
			t.Errorf("%d: %v", code, err)
		}
	}
}

// TestRedirectWithinOrigin: RFC 7030 §3.2.1 has such redirects followed, with the
// credentials, as long as the request stays what it is.
func TestRedirectWithinOrigin(t *testing.T) {
	i := newIssuer(t)
	for code, follows := range map[int]bool{301: false, 302: false, 303: false, 307: true, 308: true} {
		c := start(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/moved/here" {
				w.Header().Set("Location", "/moved/here")
				w.WriteHeader(code)
				return
			}
			if r.Method == http.MethodGet {
				answer(t, w, i.intermediate)
				return
			}
			if user, password, _ := r.BasicAuth(); user != "dev1" || password != otp.Reveal() {
				t.Errorf("%d: credentials %q", code, user)
			}
			answer(t, w, i.leaf(t, r), i.intermediate)
		})
		if chain, err := c.CACerts(t.Context()); err != nil || len(chain) != 1 {
			t.Errorf("%d: GET: %v, %v", code, chain, err)
		}
		switch _, err := c.Enrol(t.Context(), newKey(t), "dev1", otp); {
		case follows && err != nil:
			t.Errorf("%d: POST: %v", code, err)
		case !follows && (!errors.Is(err, problem.Invalid) || !strings.Contains(err.Error(), "which is not followed")):
			t.Errorf("%d: POST: %v", code, err)
		}
	}
	for _, to := range []string{"http://HOST/x", "https://HOST:1/x", "https://other.example/x", "https://u:p@HOST/x"} {
		c := start(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", strings.Replace(to, "HOST", "127.0.0.1", 1))
			w.WriteHeader(http.StatusTemporaryRedirect)
		})
		if _, err := c.CACerts(t.Context()); !errors.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", to, err)
		}
	}
	asked := 0
	c := start(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Location", r.URL.Path+"x")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	if _, err := c.CACerts(t.Context()); !errors.Is(err, problem.Invalid) || asked != 6 {
		t.Errorf("%d requests, %v", asked, err)
	}
}

// TestSameRequestWhilePending: RFC 7030 §4.2.3 wants the same CSR again.
func TestSameRequestWhilePending(t *testing.T) {
	var bodies [][]byte
	c := start(t, func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		bodies = append(bodies, b.Bytes())
		w.WriteHeader(http.StatusAccepted)
	})
	key := newKey(t)
	for range 2 {
		if _, err := c.Enrol(t.Context(), key, "dev1", otp); !errors.Is(err, problem.Pending) {
			t.Fatal(err)
		}
	}
	_, _ = c.Enrol(t.Context(), key, "dev2", otp)
	_, _ = c.Enrol(t.Context(), newKey(t), "dev2", otp)
	if !bytes.Equal(bodies[0], bodies[1]) {
		t.Error("the second request differs")
	}
	if bytes.Equal(bodies[1], bodies[2]) || bytes.Equal(bodies[2], bodies[3]) {
		t.Error("another device or key sends the old request")
	}
}

func TestUnreachable(t *testing.T) {
	good := start(t, status(200, ""))
	stranger := &estclient.Client{BaseURL: good.BaseURL}
	wrongClock := start(t, status(200, ""))
	wrongClock.HTTP.Transport.(*http.Transport).TLSClientConfig.Time = func() time.Time { return time.Unix(1<<33, 0) }
	closed := httptest.NewTLSServer(http.NotFoundHandler())
	gone := &estclient.Client{BaseURL: closed.URL, HTTP: closed.Client()}
	closed.Close()
	for detail, c := range map[string]*estclient.Client{
		"certificate of the server is not accepted": stranger,
		"or the clock here is wrong":                wrongClock,
		"cannot be reached":                         gone,
	} {
		_, err := c.CACerts(t.Context())
		if !errors.Is(err, problem.Unavailable) || !strings.Contains(err.Error(), detail) {
			t.Errorf("error %v, want Unavailable with %q", err, detail)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := good.CACerts(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for _, url := range []string{"", "example.com", "http://example.com", "https://", "https://user:pw@example.com", "https://example.com/est", "https://example.com?x=1", "https://exa mple.com", "ftp://example.com"} {
		c := &estclient.Client{BaseURL: url}
		if _, err := c.CACerts(t.Context()); !errors.Is(err, problem.Invalid) {
			t.Errorf("%q: %v, want Invalid", url, err)
		}
	}
	c := start(t, status(404, ""))
	c.BaseURL += "/"
	if _, err := c.CACerts(t.Context()); !errors.Is(err, problem.NotFound) {
		t.Errorf("slash at the end: %v", err)
	}
}
