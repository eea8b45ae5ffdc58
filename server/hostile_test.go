package server_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"mooring/internal/est"
	"mooring/server/config"
	"mooring/server/platform"
	"mooring/server/servertest"
)

const (
	adminAddress = servertest.Host + ":9090"
	// peerAddress is what every client of the network in memory comes from.
	peerAddress = "192.0.2.1"
)

// hostile is a certificate that must not get in.
type hostile struct {
	name     string
	identity tls.Certificate
	want     platform.Reason
	inTLS    bool              // refused inside the handshake: no name was read
	tls12    bool              // crypto/tls cannot send it by TLS 1.3
	filed    platform.TenantID // whose refusal it is; management if nobody's anchor verified it
	detail   string            // part of what is recorded
}

// TestHostileCertificates sends certificates that no honest program makes to
// every door that takes one. Each is refused clearly, for the right reason, and
// the reason is kept where somebody can find it.
func TestHostileCertificates(t *testing.T) {
	m := newMaker(t)
	refused := make(handshakes, 100)
	s := servertest.Start(t, servertest.Options{Easy: true, Log: slog.New(refused), Configure: func(c *config.Config) { c.Listeners.Admin, c.Listeners.Service = "127.0.0.1:9090", "127.0.0.1:9883" }})
	m.root.upload(s)
	anchor{cert: m.ca}.upload(s)
	const own = platform.TenantID(servertest.Tenant)
	broken := func(change func(tbs []byte) []byte) tls.Certificate { return m.tampered("broken", change) }
	garbage := m.leaf("garbage", nil)
	garbage.Certificate[0] = append(garbage.Certificate[0], 0)
	truncated := m.leaf("truncated", nil)
	truncated.Certificate[0] = truncated.Certificate[0][:len(truncated.Certificate[0])-1]
	noDER := m.leaf("no-der", nil)
	noDER.Certificate[0] = []byte("-----BEGIN CERTIFICATE-----")
	brokenIssuer := m.leaf("broken-issuer", nil)
	brokenIssuer.Certificate = append(brokenIssuer.Certificate, []byte{0x30, 0x80, 0, 0})

	for _, h := range []hostile{
		{name: "common name of 1 MB", identity: m.leaf("", longName(1<<20)), want: platform.ReasonBroken, inTLS: true, detail: "exceeds maximum"},
		{name: "alternative names of 1 MB", identity: m.leaf("names-1m", names(70_000)), want: platform.ReasonBroken, inTLS: true, detail: "exceeds maximum"},
		{name: "5000 alternative names", identity: m.leaf("names-5000", names(5000)), want: platform.ReasonBroken, detail: "longer than 16 KiB"},
		{name: "common name of 10 KB", identity: m.leaf("", longName(10_000)), want: platform.ReasonBadName, filed: own},
		{name: "negative serial", identity: broken(m.serial("\x80\x01\x02\x03")), want: platform.ReasonBroken, inTLS: true, detail: "negative serial"},
		{name: "bytes behind the certificate", identity: garbage, want: platform.ReasonBroken, inTLS: true, detail: "trailing data"},
		{name: "cut off", identity: truncated, want: platform.ReasonBroken, inTLS: true, detail: "malformed"},
		{name: "PEM in place of DER", identity: noDER, want: platform.ReasonBroken, inTLS: true, detail: "malformed"},
		{name: "indefinite length in an issuer", identity: brokenIssuer, want: platform.ReasonBroken, inTLS: true, detail: "malformed"},
		{name: "signed with MD5", identity: m.byRSA("md5", crypto.MD5, 4), want: platform.ReasonWeakKey},
		{name: "signed with SHA-1", identity: m.byRSA("sha1", crypto.SHA1, 5), want: platform.ReasonWeakKey},
		{name: "RSA 1024", identity: m.keyed("rsa-1024", m.rsaKey(1024)), want: platform.ReasonWeakKey, filed: own},
		{name: "RSA 768", identity: m.unsigned(m.keyed("rsa-768", m.rsaKey(768))), want: platform.ReasonWeakKey, inTLS: true, tls12: true, detail: "768-bit keys are insecure"},
		{name: "P-224", identity: m.keyed("p-224", m.p224()), want: platform.ReasonWeakKey, tls12: true, filed: own},
		{name: "chain of 11", identity: m.chain("deep-11", 11), want: platform.ReasonChainDepth, detail: "11 certificates were sent, 10 are allowed"},
		{name: "expired intermediate", identity: m.below("below-expired", func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().AddDate(-2, 0, 0), time.Now().AddDate(-1, 0, 0)
		}, nil), want: platform.ReasonExpired, filed: own},
		{name: "name constraints", identity: m.below("unnamed", func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example.com"}
		}, func(c *x509.Certificate) { c.DNSNames = []string{"device.example.org"} }), want: platform.ReasonChainInvalid, filed: own},
		{name: "path length", identity: m.tooLong("too-long"), want: platform.ReasonChainInvalid, filed: own},
	} {
		t.Run(h.name, func(t *testing.T) {
			attempts := []func(){
				func() { h.mqtts(t, s, servertest.MQTTS) },
				func() { h.mtls(t, s, "/mooring/whoami", nil) },
				func() {
					h.mtls(t, s, "/.well-known/est/simplereenroll", deviceCSR(t, newDeviceKey(t), "anybody"))
				},
			}
			if h.inTLS {
				attempts = append(attempts, func() { h.mqtts(t, s, servertest.Host+":9883") })
			}
			for _, attempt := range attempts {
				attempt()
				if h.inTLS {
					refused.wait(t)
				}
			}
			h.recorded(t, s)
		})
	}
	for name, identity := range map[string]tls.Certificate{
		"deep-10": m.chain("deep-10", 10),
		// RFC 5280 §4.1.2.2 forbids it, and wants it handled gracefully: openssl makes
		// it when asked to.
		"zero-serial": m.tampered("zero-serial", m.zeroSerial),
		"names-500":   m.leaf("names-500", names(500)),
		"constrained": m.below("constrained", func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example.com"}
		}, func(c *x509.Certificate) { c.DNSNames = []string{"device.example.com"} }),
	} {
		t.Run(name, func(t *testing.T) {
			if _, code := connect(t, s, name, identity); code != 0 {
				t.Errorf("CONNACK %d, want 0", code)
			}
		})
	}
	t.Run("zero serial revoked", func(t *testing.T) {
		s.Revoke("0")
		if _, code := connect(t, s, "zero-serial", m.tampered("zero-serial", m.zeroSerial)); code != 5 {
			t.Errorf("CONNACK %d, want 5", code)
		}
	})
	t.Run("counted", func(t *testing.T) { counted(t, s) })
}

// noSigner signs with nothing: crypto/rsa does not sign with short keys.
type noSigner struct{ *rsa.PrivateKey }

func (k noSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, k.Size()), nil
}

// unsigned replaces the key of an identity by one that signs with nothing.
func (m *maker) unsigned(identity tls.Certificate) tls.Certificate {
	identity.PrivateKey = noSigner{identity.PrivateKey.(*rsa.PrivateKey)}
	return identity
}

// tooLong is a chain longer than an issuer in it allows.
func (m *maker) tooLong(device string) tls.Certificate {
	first := newDeviceKey(m.T)
	template := m.template("pathlen 0")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage, template.MaxPathLenZero = true, true, x509.KeyUsageCertSign, true
	one := m.create(template, m.root.cert, first.Public(), m.root.key)
	second := newDeviceKey(m.T)
	template = m.template("one too many")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	two := m.create(template, m.parse(one), second.Public(), first)
	key := newDeviceKey(m.T)
	return tls.Certificate{Certificate: [][]byte{m.create(m.template(device), m.parse(two), key.Public(), second), two, one}, PrivateKey: key}
}

// tlsConfig shows the certificate whatever crypto/tls thinks of it.
func (h hostile) tlsConfig(s *servertest.Server) *tls.Config {
	cfg := s.TLSConfig()
	if h.tls12 {
		cfg.MaxVersion = tls.VersionTLS12
	}
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &h.identity, nil }
	return cfg
}

// mqtts wants CONNACK 5, or the end of the handshake.
func (h hostile) mqtts(t *testing.T, s *servertest.Server, address string) {
	t.Helper()
	raw, err := s.Network.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(raw, h.tlsConfig(s))
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(answerWithin))
	hello := "\x00\x04MQTT\x04\x02\x00\x3c\x00\x07hostile"
	_, err = c.Write(append([]byte{0x10, byte(len(hello))}, hello...))
	var ack [4]byte
	if err == nil {
		_, err = io.ReadFull(c, ack[:])
	}
	switch {
	case h.inTLS && err == nil:
		t.Errorf("mqtts: CONNACK %d, want the handshake to fail", ack[3])
	case !h.inTLS && (err != nil || ack[3] != 5):
		t.Errorf("mqtts: CONNACK %d, %v, want 5", ack[3], err)
	}
}

// mtls wants 401 in JSON, or the end of the handshake.
func (h hostile) mtls(t *testing.T, s *servertest.Server, path string, csr []byte) {
	t.Helper()
	client := s.HTTPClient(h.tlsConfig(s))
	defer client.CloseIdleConnections()
	method, body := http.MethodGet, io.Reader(nil)
	if csr != nil {
		method, body = http.MethodPost, strings.NewReader(string(csr))
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "https://"+servertest.MTLS+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", est.PKCS10Type)
	res, err := client.Do(req)
	if h.inTLS {
		if err == nil {
			res.Body.Close()
			t.Errorf("mtls %s: %s, want the handshake to fail", path, res.Status)
		}
		return
	}
	if err != nil {
		t.Fatalf("mtls %s: %v", path, err)
	}
	defer res.Body.Close()
	var said struct{ Error, Message string }
	if err := json.NewDecoder(res.Body).Decode(&said); err != nil || res.StatusCode != http.StatusUnauthorized || said.Message == "" {
		t.Errorf("mtls %s: %s %+v %v, want 401 with a message", path, res.Status, said, err)
	}
}

// kept is a refusal as an administrator sees it.
type kept struct{ CN, Reason, Detail, Door, Address string }

// refusals asks for what is kept of cn, as the administrator of tenant.
func refusals(t *testing.T, s *servertest.Server, tenant platform.TenantID, cn string) []kept {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+servertest.HTTPS+"/mooring/refusals?pageSize=200&cn="+url.QueryEscape(cn), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(string(tenant)+"/"+servertest.AdminUser, servertest.AdminPassword)
	client := s.HTTPClient(s.TLSConfig())
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var list struct{ Refusals []kept }
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", res.Status, err)
	}
	return list.Refusals
}

// recorded looks for the reason under each door, in the right tenant and no other.
func (h hostile) recorded(t *testing.T, s *servertest.Server) {
	t.Helper()
	if h.filed == "" {
		h.filed = platform.Management
	}
	cn := peerAddress // in TLS no name is read
	if !h.inTLS {
		leaf, err := x509.ParseCertificate(h.identity.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if cn = leaf.Subject.CommonName; h.want == platform.ReasonBadName {
			cn = "" // it is filed under what the client calls itself
		}
	}
	doors := map[string]bool{}
	for _, r := range refusals(t, s, h.filed, cn) {
		if r.Reason == string(h.want) && strings.Contains(r.Detail, h.detail) && r.Address == peerAddress {
			doors[r.Door] = true
		}
	}
	if !doors["mqtts"] || !doors["mtls"] || h.inTLS && !doors["service"] {
		t.Errorf("%s of %q with %q is kept for %v, want mqtts, mtls and, if it was in TLS, service; there is %+v", h.want, cn, h.detail, doors, refusals(t, s, h.filed, cn))
	}
	if h.filed == platform.Management && !h.inTLS {
		if got := refusals(t, s, servertest.Tenant, cn); len(got) != 0 {
			t.Errorf("a tenant is charged with %+v", got)
		}
	}
}

// counted wants a metric of each reason.
func counted(t *testing.T, s *servertest.Server) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: s.Network.DialContext}}
	defer client.CloseIdleConnections()
	res, err := client.Get("http://" + adminAddress + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mooring_mqtt_handshake_failures_total ", "mooring_crl_lists 0", `mooring_crl_fetches_total{outcome="failed"} 0`, `mooring_crl_answers_total{state="revoked"} 0`} {
		if !strings.Contains(string(text), name) {
			t.Errorf("no metric %s", name)
		}
	}
	for _, reason := range []platform.Reason{platform.ReasonBroken, platform.ReasonWeakKey, platform.ReasonChainDepth, platform.ReasonChainInvalid, platform.ReasonExpired} {
		for _, door := range []string{"mqtts", "mtls"} {
			if line := `mooring_refusals_total{door="` + door + `",reason="` + string(reason) + `"} `; !strings.Contains(string(text), line) {
				t.Errorf("no metric %s", line)
			}
		}
	}
}

// TestHostileUploads: what must not become a trusted certificate.
func TestHostileUploads(t *testing.T) {
	m := newMaker(t)
	s := servertest.Start(t, servertest.Options{Easy: true})
	authority := func(change func(*x509.Certificate)) []byte {
		key := newDeviceKey(t)
		template := m.template("uploaded")
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		change(template)
		return m.create(template, template, key.Public(), key)
	}
	nothing := func(*x509.Certificate) {}
	weak := m.rsaKey(1024)
	template := m.template("weak")
	template.IsCA, template.BasicConstraintsValid = true, true
	for name, der := range map[string][]byte{
		"common name of 1 MB": authority(longName(1 << 20)),
		"5000 names":          authority(names(5000)),
		"negative serial":     m.resign(authority(nothing), m.serial("\x80\x01\x02\x03"), m.root.key, crypto.SHA256),
		"RSA 1024":            m.create(template, template, weak.Public(), weak),
		"bytes behind":        append(authority(nothing), 0),
		"cut off":             authority(nothing)[:100],
		"expired": authority(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().AddDate(-2, 0, 0), time.Now().AddDate(-1, 0, 0)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(map[string]any{"status": "ENABLED", "name": "hostile", "certInPemFormat": base64.StdEncoding.EncodeToString(der)})
			if err != nil {
				t.Fatal(err)
			}
			l := life{t, s}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+servertest.HTTPS+trustedPath, strings.NewReader(string(body)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.SetBasicAuth(servertest.Tenant+"/"+servertest.AdminUser, servertest.AdminPassword)
			status, answer := l.do(req, nil)
			var said struct{ Message string }
			if err := json.Unmarshal(answer, &said); err != nil || said.Message == "" || status != 422 && status != 400 && status != 413 {
				t.Errorf("%d %s %v, want 422, 400 or 413 with a message", status, answer, err)
			}
			if n := s.Count(trustedPath + "?withTotalElements=true"); n != 1 {
				t.Errorf("%d trusted certificates, want the tenant's own alone", n)
			}
		})
	}
}

// TestHostileMemory: a thousand megabytes of certificates leave nothing behind.
func TestHostileMemory(t *testing.T) {
	m := newMaker(t)
	s := servertest.Start(t, servertest.Options{Easy: true})
	m.root.upload(s)
	for name, h := range map[string]hostile{
		"in TLS":   {identity: m.leaf("", longName(1<<20)), inTLS: true},
		"verdicts": {identity: m.leaf("names-5000", names(5000))},
	} {
		t.Run(name, func(t *testing.T) {
			h.mqtts(t, s, servertest.MQTTS)
			before := heap()
			for range 100 {
				h.mqtts(t, s, servertest.MQTTS)
			}
			if grown := heap() - before; grown > 4<<20 {
				t.Errorf("100 of them hold %d KiB", grown>>10)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalisers have let go of
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
