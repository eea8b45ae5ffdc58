package uplink_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/uplink"
	"mooring/internal/problem"
)

func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l := b.link(t, nil)
		l.Use(credential(t, 1))
		time.Sleep(time.Second)
		if got := l.kinds(); !slices.Equal(got, []uplink.EventKind{uplink.Up}) {
			t.Fatalf("got %v, want up", got)
		}
		var waits []time.Duration
		for range 4 { // thrown out of a good session, again and again
			kicked := time.Now()
			b.kick()
			time.Sleep(time.Minute - time.Second)
			at := get(b, func() []time.Time { return slices.Clone(b.connects) })
			waits = append(waits, at[len(at)-1].Sub(kicked))
		}
		if want := []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}; !slices.Equal(waits, want) {
			t.Errorf("kicked again and again: waits of %v, want %v", waits, want)
		}
		time.Sleep(10 * time.Minute) // stable
		before := get(b, func() int { return len(b.connects) })
		b.kick()
		time.Sleep(3 * time.Second)
		if after := get(b, func() int { return len(b.connects) }); after != before+1 {
			t.Errorf("3 s after the end of a stable connection there are %d new ones, want 1", after-before)
		}
		for _, v := range get(b, func() []byte { return b.levels }) {
			if v != 4 {
				t.Errorf("protocol level %d, want 4 alone", v)
			}
		}
		if r := get(b, func() []bool { return b.resumed }); r[0] || !r[1] {
			t.Errorf("resumed: got %v, want a full handshake and then sessions", r)
		}
		l.stop()
	})
}

func TestNewCertificateNeverResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l := b.link(t, nil)
		l.Use(credential(t, 1))
		time.Sleep(time.Second)
		l.Use(credential(t, 2))
		time.Sleep(time.Second)
		if r := get(b, func() []bool { return b.resumed }); len(r) != 2 || r[1] {
			t.Errorf("resumed: got %v, want two full handshakes", r)
		}
		if got := l.kinds(); !slices.Equal(got, []uplink.EventKind{uplink.Up, uplink.Down, uplink.Up}) {
			t.Errorf("got %v", got)
		}
		l.stop()
	})
}

// A fleet that lost its server does not come back in step.
func TestWaitsAreSpread(t *testing.T) {
	for _, tt := range []struct {
		random float64
		want   time.Duration
	}{{0, 2 * time.Second}, {0.5, 1500 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			b := newBroker(t)
			b.connack = 5
			l := b.link(t, func(c *uplink.Config) { c.Random = func() float64 { return tt.random } })
			l.Use(credential(t, 1))
			time.Sleep(4 * time.Second)
			at := get(b, func() []time.Time { return slices.Clone(b.connects) })
			if len(at) < 2 || at[1].Sub(at[0]) != tt.want {
				t.Errorf("random %v: connections at %v, want the second after %v", tt.random, at, tt.want)
			}
			l.stop()
		})
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name    string
		connack byte
		explain string
		kind    uplink.EventKind
		reason  string
	}{
		{"not authorised", 5, "", uplink.Refused, "not authorised"},
		{"explained", 5, `{"reason":"revoked","detail":"serial 1"}`, uplink.Refused, "revoked"},
		{"accepted now, refused for the name", 5, `{"reason":"accepted","last_refusal":{"reason":"client-id-differs-from-common-name"}}`, uplink.Refused, "client-id-differs-from-common-name"},
		{"explained by HTML", 5, `<html>`, uplink.Refused, "not authorised"},
		{"client ID", 2, "", uplink.Refused, "not authorised"},
		{"password", 4, "", uplink.Refused, "not authorised"},
		{"version", 1, "", uplink.Refused, "not authorised"},
		{"server unavailable", 3, `{"reason":"revoked"}`, uplink.Failed, "unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t)
				b.connack, b.explain = tt.connack, tt.explain
				l := b.link(t, nil)
				l.Use(credential(t, 1))
				time.Sleep(time.Second)
				if e := l.last(); e.Kind != tt.kind || e.Reason != tt.reason || e.Detail == "" && tt.explain == "" {
					t.Errorf("got %+v, want kind %d, reason %q", e, tt.kind, tt.reason)
				}
				b.set(func() { b.connack = 0 }) // never fatal
				time.Sleep(10 * time.Second)
				if e := l.last(); e.Kind != uplink.Up {
					t.Errorf("then got %+v, want up", e)
				}
				l.stop()
			})
		})
	}
}

func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		b.network.SetDown(true)
		l := b.link(t, nil)
		l.Use(credential(t, 1))
		time.Sleep(time.Hour)
		if e := l.last(); e.Kind != uplink.Failed || e.Reason != "unreachable" {
			t.Errorf("got %+v", e)
		}
		if n := len(l.kinds()); n < 12 || n > 30 {
			t.Errorf("%d tries in an hour, want about one in 5 minutes", n)
		}
		l.stop()
		stranger := b.link(t, func(c *uplink.Config) { c.TrustAnchors = x509.NewCertPool() })
		b.network.SetDown(false)
		stranger.Use(credential(t, 1))
		time.Sleep(time.Second)
		if e := stranger.last(); e.Kind != uplink.Failed || e.Reason != "server certificate" {
			t.Errorf("foreign server: got %+v", e)
		}
		stranger.stop()
	})
}

func TestRefusedSubscriptionIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		b.suback = func(topic string, try int) byte {
			if topic != "s/e" && try < 3 {
				return 0x80
			}
			return 0
		}
		l := b.link(t, nil)
		l.Listen(t.Context(), uplink.TopicOperations)
		l.Use(credential(t, 1))
		time.Sleep(time.Minute)
		got := get(b, func() map[string]int { return b.tries })
		if got["s/ds"] != 3 || got["s/dat"] != 3 || got["s/e"] != 1 {
			t.Errorf("subscriptions: got %v", got)
		}
		if p := get(b, func() []string { return b.published }); p[0] != "s/us 100,dev1,mooring" {
			t.Errorf("the first message is %q", p[0])
		}
		l.stop()
	})
}

// token is an unsigned JWT of an hour that begins now.
func token(n int) string {
	enc := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	return enc([]byte(`{}`)) + "." + enc(fmt.Appendf(nil, `{"jti":"%d","iat":%d,"exp":%d}`, n, now, now+3600)) + ".c2ln"
}

func TestToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		given := 0
		b.token = func() string { given++; return token(given) }
		var observed time.Time
		l := b.link(t, func(c *uplink.Config) { c.Observe = func(at time.Time) { observed = at } })
		l.Use(credential(t, 1))
		want := func(what, id string) {
			t.Helper()
			_, claims, err := l.Token(t.Context())
			if err != nil || claims.ID != id {
				t.Errorf("%s: got token %q, %v; want %q", what, claims.ID, err, id)
			}
		}
		want("first", "1")
		if observed.IsZero() {
			t.Error("the time of the token was not told")
		}
		want("kept", "1")
		time.Sleep(30*time.Minute - time.Second)
		want("before half its life", "1")
		time.Sleep(time.Second)
		want("at half its life", "2")
		text, _, _ := l.Token(t.Context())
		l.Forget(t.Context(), text)
		want("after a 401", "3")
		l.Forget(t.Context(), text)
		want("another token refused", "3")
		b.set(func() { b.token = func() string { return "" } })
		time.Sleep(40 * time.Minute)
		want("nothing newer to be had", "3")
		time.Sleep(30 * time.Minute)
		if _, _, err := l.Token(t.Context()); !errors.Is(err, problem.Unavailable) {
			t.Errorf("expired and none to be had: got %v", err)
		}
		b.set(func() { b.token = func() string { return "no token" } })
		if _, _, err := l.Token(t.Context()); !errors.Is(err, problem.Invalid) {
			t.Errorf("garbage as token: got %v", err)
		}
		l.stop()
	})
}

func TestTokenFromTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t) // its certificate is good for ten years
		now, end := time.Now(), b.tls.Certificates[0].Leaf.NotAfter
		for _, tt := range []struct {
			name string
			iat  time.Time
			want bool
		}{{"a second before the server's end", end.Add(-time.Second), true}, {"its end", end, true}, {"a second after", end.Add(time.Second), false}} {
			enc := base64.RawURLEncoding.EncodeToString
			b.set(func() {
				b.token = func() string {
					return enc([]byte(`{}`)) + "." + enc(fmt.Appendf(nil, `{"iat":%d,"exp":%d}`, tt.iat.Unix(), now.Unix()+3600)) + ".c2ln"
				}
			})
			observed := false
			l := b.link(t, func(c *uplink.Config) { c.Observe = func(time.Time) { observed = true } })
			l.Use(credential(t, 1))
			if _, _, err := l.Token(t.Context()); err != nil || observed != tt.want {
				t.Errorf("%s: observed %v, %v; want %v", tt.name, observed, err, tt.want)
			}
			l.stop()
		}
	})
}

func TestConfirm(t *testing.T) {
	whoami := func(device string, named func(*http.Request) [32]byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			sum := named(r)
			fmt.Fprintf(w, `{"device":%q,"fingerprint_sha256":%q}`, device, hex.EncodeToString(sum[:]))
		}
	}
	padded := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			text := fmt.Sprintf(`{"device":"dev1","fingerprint_sha256":"%x"}`, sha256.Sum256(r.TLS.PeerCertificates[0].Raw))
			fmt.Fprintf(w, "%-*s", n, text)
		}
	}
	presented := func(r *http.Request) [32]byte { return sha256.Sum256(r.TLS.PeerCertificates[0].Raw) }
	other := func(*http.Request) [32]byte { return [32]byte{1} }
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	tests := []struct {
		name   string
		whoami http.HandlerFunc
		token  string
		kind   uplink.EventKind
		same   bool
	}{
		{"this certificate", whoami("dev1", presented), "", uplink.Up, true},
		{"another certificate", whoami("dev1", other), "", uplink.Failed, false},
		{"another device", whoami("dev2", presented), "", uplink.Failed, false},
		{"no such call, but a token", nil, "yes", uplink.Up, true},
		{"no such call, but a token that is no JWT", nil, "opaque", uplink.Up, true},
		{"no such call, and what comes is no token", nil, "<html>", uplink.Failed, false},
		{"no such call and no token", nil, "", uplink.Failed, false},
		{"no such call, and the certificate was not asked for", nil, "yes unasked", uplink.Failed, false},
		{"as long as an answer may be", padded(16 << 10), "", uplink.Up, true},
		{"a byte longer", padded(16<<10 + 1), "", uplink.Failed, false},
		{"refused", status(401), "yes", uplink.Refused, false},
		{"out of order, but a token", status(503), "yes", uplink.Up, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t)
				b.whoami = tt.whoami
				if strings.Contains(tt.token, "unasked") {
					b.tls.ClientAuth = tls.NoClientCert
				}
				switch tt.token {
				case "":
				case "opaque", "<html>":
					b.token = func() string { return tt.token }
				default:
					b.token = func() string { return token(1) }
				}
				l := b.link(t, nil)
				c := credential(t, 1)
				c.Confirm = true
				l.Use(c)
				for range 600 {
					if len(l.kinds()) > 0 {
						break
					}
					time.Sleep(time.Second)
				}
				l.mu.Lock()
				e := l.events[0]
				l.mu.Unlock()
				if e.Kind != tt.kind || (e.Fingerprint == c.Fingerprint) != tt.same {
					t.Errorf("got %+v, want kind %d, the same certificate: %v", e, tt.kind, tt.same)
				}
				l.stop()
			})
		})
	}
}

// TestConfirmedLater has the token come on the second connection only.
func TestConfirmedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l := b.link(t, nil)
		c := credential(t, 1)
		c.Confirm = true
		l.Use(c)
		time.Sleep(time.Minute)
		b.set(func() { b.token = func() string { return token(1) } })
		time.Sleep(5 * time.Minute)
		if e := l.last(); e.Kind != uplink.Up || e.Fingerprint != c.Fingerprint {
			t.Errorf("got %+v, want up and named", e)
		}
		l.stop()
	})
}

// TestAlone connects with a certificate that has no predecessor to servers that
// do not say which certificate they saw, as brokers are that know nothing of it.
func TestAlone(t *testing.T) {
	tests := []struct {
		name   string
		whoami http.HandlerFunc
		token  string
		named  bool
	}{
		{"no such call and no token", nil, "", false},
		{"somebody else's web server", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "", false},
		{"a token", nil, "yes", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t)
				b.whoami = tt.whoami
				if tt.token != "" {
					b.token = func() string { return token(1) }
				}
				l := b.link(t, nil)
				c := credential(t, 1)
				c.Confirm, c.Alone = true, true
				l.Use(c)
				time.Sleep(time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := l.Delivered(ctx, publish(t, l, "200,a,b,1")); err != nil {
					t.Errorf("a message in the first second: %v", err)
				}
				time.Sleep(time.Hour)
				if n := len(get(b, func() []time.Time { return b.connects })); n != 1 {
					t.Errorf("%d connections in an hour, want 1", n)
				}
				if e := l.last(); e.Kind != uplink.Up || (e.Fingerprint == c.Fingerprint) != tt.named {
					t.Errorf("got %+v, want up, named: %v", e, tt.named)
				}
				l.stop()
			})
		})
	}
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l := b.link(t, func(c *uplink.Config) { c.Heartbeat = 5 * time.Minute })
		l.Use(credential(t, 1))
		time.Sleep(time.Hour + time.Second)
		n := 0
		for _, p := range get(b, func() []string { return b.published }) {
			if p == "s/us 125" {
				n++
			}
		}
		if n != 12 {
			t.Errorf("%d heartbeats in an hour, want 12", n)
		}
		l.stop()
	})
}
