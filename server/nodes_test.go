package server_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"mooring/server/config"
	"mooring/server/servertest"
	"mooring/server/sqlstore/postgrestest"
)

func TestMain(m *testing.M) {
	defer postgrestest.Stop()
	m.Run()
}

// within is how late another node may be (design §3a); tests allow for a busy
// machine on top.
const within = 5*time.Second + answerWithin

// twoNodes starts two whole servers on one PostgreSQL database.
func twoNodes(t *testing.T) (a, b life) {
	t.Helper()
	dsn := postgrestest.Database(t)
	options := servertest.Options{Easy: true, Configure: func(c *config.Config) { c.Store.Postgres = dsn }}
	first := servertest.Start(t, options)
	options.Joins = first
	return life{t, first}, life{t, servertest.Start(t, options)}
}

// soon waits until met, for what another node has to hear of first. It asks
// seldom enough for the server's bounds of one address.
func soon(t *testing.T, what string, met func() bool) {
	t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(within); !met(); <-again.C {
		if time.Now().After(end) {
			t.Errorf("not within %v: %s", within, what)
			return
		}
	}
}

// redated is the certificate a renewed CA has.
func (a anchor) redated(t *testing.T) anchor {
	t.Helper()
	template := *a.cert
	template.SerialNumber = big.NewInt(2)
	template.NotAfter = template.NotAfter.AddDate(1, 0, 0)
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return anchor{a.key, cert}
}

func (l life) put(path string, in any) { l.s.Call(http.MethodPut, path, in, nil) }

// TestNodesEndSessions: what ends the trust in a device on one node closes its
// connection to another and keeps it out there; what does not, leaves it open.
func TestNodesEndSessions(t *testing.T) {
	a, b := twoNodes(t)
	const (
		check   = "/tenant/options/configuration/crl.offline.check.enabled"
		list    = "/tenant/trusted-certificates/settings/crl"
		on, off = "true", "false"
	)
	revoke := func(serial string) {
		a.put(list, map[string]any{"crls": []map[string]string{{"serialNumberInHex": serial}}})
	}
	users := "/user/" + servertest.Tenant + "/users/device_"
	tests := []struct {
		name   string
		keeps  bool
		change func(ca anchor, fingerprint, device string)
	}{
		{name: "renamed", keeps: true, change: func(_ anchor, fp, _ string) { a.put(trustedPath+"/"+fp, map[string]any{"name": "new"}) }},
		{name: "another-device", keeps: true, change: func(anchor, string, string) {
			a.newDevice("somebody-else")
			a.put(users+"somebody-else", map[string]any{"enabled": false})
		}},
		{name: "renewed-authority", keeps: true, change: func(ca anchor, fp, _ string) { // same key, new dates
			ca.redated(t).upload(a.s)
			a.s.Call(http.MethodDelete, trustedPath+"/"+fp, nil, nil)
		}},
		{name: "check-on", change: func(anchor, string, string) {
			a.put(check, map[string]string{"value": off})
			revoke("2003")
			a.put(check, map[string]string{"value": on})
		}},
		{name: "revoked", change: func(anchor, string, string) { a.put(check, map[string]string{"value": on}); revoke("2004") }},
		{name: "anchor-disabled", change: func(_ anchor, fp, _ string) { a.put(trustedPath+"/"+fp, map[string]any{"status": "DISABLED"}) }},
		{name: "anchor-deleted", change: func(_ anchor, fp, _ string) { a.s.Call(http.MethodDelete, trustedPath+"/"+fp, nil, nil) }},
		{name: "user-disabled", change: func(_ anchor, _, device string) { a.put(users+device, map[string]any{"enabled": false}) }},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ca := newAnchor(t)
			fingerprint := ca.upload(a.s)
			device := "node-" + tt.name
			identity := ca.leaf(t, device, int64(0x2000+i))
			var c net.Conn
			soon(t, "the other node trusts the new certificate", func() bool {
				var code byte
				c, code = connect(t, b.s, device, identity)
				return code == 0
			})
			if !alive(c) {
				t.Fatal("not connected")
			}
			tt.change(ca, fingerprint, device)
			if tt.keeps {
				// A later change that the other node has heard of is the proof that this
				// one has been.
				marker := newAnchor(t)
				marker.upload(a.s)
				soon(t, "the marker", func() bool {
					_, code := connect(t, b.s, device+"-marker", marker.leaf(t, device+"-marker", 1))
					return code == 0
				})
				if !alive(c) {
					t.Error("the connection was closed")
				}
				return
			}
			_ = c.SetDeadline(time.Now().Add(within))
			ended(t, c)
			if _, code := connect(t, b.s, device, identity); code != 5 {
				t.Errorf("CONNACK %d afterwards, want 5", code)
			}
		})
	}
}

// TestNodesShareTheLifeOfADevice: registered on one node, enrolled on the
// other, its token and its authority's renewal hold on both.
func TestNodesShareTheLifeOfADevice(t *testing.T) {
	a, b := twoNodes(t)
	a.s.Register("wanderer", "otp-of-wanderer")
	d := &device{id: "wanderer", key: newDeviceKey(t)}
	enrol := func(l life, csr []byte) (int, []byte) {
		return l.post("https://"+servertest.HTTPS+"/.well-known/est/simpleenroll", nil, csr, func(r *http.Request) { r.SetBasicAuth("wanderer", "otp-of-wanderer") })
	}
	csr := deviceCSR(t, d.key, d.id)
	status, body := enrol(b, csr)
	d.leaf = b.issued(status, body)
	if status, _ := enrol(a, deviceCSR(t, newDeviceKey(t), d.id)); status != http.StatusUnauthorized {
		t.Errorf("the spent password, with another key, on the first node: %d", status)
	}
	if status, body := enrol(a, csr); status != http.StatusOK || !a.issued(status, body).Equal(d.leaf) {
		t.Errorf("the lost answer, fetched from the first node: %d", status)
	}
	a.wantConnected("first node", d)
	b.wantConnected("second node", d)

	token := b.token(d)
	for name, l := range map[string]life{"first": a, "second": b} {
		if status := l.bearer(token); status != http.StatusOK {
			t.Errorf("token at the %s node: %d", name, status)
		}
	}
	old := a.authority()
	a.s.Call(http.MethodDelete, "/certificate-authority", nil, nil)
	soon(t, "the second node forgets the deleted authority", func() bool { return b.connects(d) == 5 })
	a.s.Call(http.MethodPost, "/certificate-authority", nil, nil)
	if b.authority().Equal(old) {
		t.Error("the second node has the old authority")
	}
	if got := b.connects(d); got != 5 {
		t.Errorf("a leaf of the deleted authority on the second node: CONNACK %d", got)
	}
	a.s.Register("wanderer", "otp-of-wanderer")
	status, body = enrol(b, csr)
	d.leaf = b.issued(status, body)
	if err := d.leaf.CheckSignatureFrom(a.authority()); err != nil {
		t.Errorf("issued by the second node: %v", err)
	}
	a.put("/user/"+servertest.Tenant+"/users/device_wanderer", map[string]any{"enabled": false})
	soon(t, "the token of a disabled device ends on the second node", func() bool { return b.bearer(token) == http.StatusUnauthorized })
}

// TestNodesShareTickets: a session ticket of one node is good at another, and
// is worth nothing there once the trust has ended.
func TestNodesShareTickets(t *testing.T) {
	a, b := twoNodes(t)
	ends := map[string]func(d *device){
		"user disabled": func(d *device) {
			a.put("/user/"+servertest.Tenant+"/users/device_"+d.id, map[string]any{"enabled": false})
		},
		"revoked": func(d *device) { a.s.Revoke(d.leaf.SerialNumber.Text(16)) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			d := a.newDevice("ticket-" + strings.ReplaceAll(name, " ", "-"))
			cache := tls.NewLRUClientSessionCache(1)
			if a.resumes(t, d, cache, http.StatusOK) {
				t.Error("the first connection was resumed")
			}
			if !b.resumes(t, d, cache, http.StatusOK) {
				t.Error("the ticket of the first node is not taken by the second")
			}
			end(d)
			soon(t, "refused by the second node", func() bool { return b.connects(d) == 5 })
			if b.resumes(t, d, cache, 0) {
				t.Error("the ticket is still taken by the second node")
			}
		})
	}
}

// resumes asks for whoami and reports whether TLS resumed. A status of 0 wants
// a refusal.
func (l life) resumes(t *testing.T, d *device, cache tls.ClientSessionCache, wantStatus int) bool {
	t.Helper()
	cfg := l.s.TLSConfig(*d.identity())
	cfg.ClientSessionCache = cache
	client := l.s.HTTPClient(cfg)
	defer client.CloseIdleConnections()
	res, err := client.Get("https://" + servertest.MTLS + "/mooring/whoami")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if wantStatus != 0 && res.StatusCode != wantStatus || wantStatus == 0 && res.StatusCode < 400 {
		t.Errorf("whoami: %s", res.Status)
	}
	return res.TLS.DidResume
}

// token asks for a device token over mutual TLS.
func (l life) token(d *device) string {
	l.Helper()
	req, err := http.NewRequestWithContext(l.Context(), http.MethodPost, "https://"+servertest.MTLS+"/devicecontrol/deviceAccessToken", nil)
	if err != nil {
		l.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	status, body := l.do(req, d.identity())
	_, rest, _ := strings.Cut(string(body), `"accessToken":"`)
	token, _, ok := strings.Cut(rest, `"`)
	if !ok {
		l.Fatalf("device token: %d: %s", status, body)
	}
	return token
}

// bearer uses a token and returns the status.
func (l life) bearer(token string) int {
	l.Helper()
	req, err := http.NewRequestWithContext(l.Context(), http.MethodGet, "https://"+servertest.HTTPS+"/inventory/managedObjects?pageSize=1", nil)
	if err != nil {
		l.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	status, _ := l.do(req, nil)
	return status
}
