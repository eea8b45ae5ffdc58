package server_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"mooring/internal/est"
	"mooring/internal/pki"
	"mooring/server/servertest"
)

// life is a server in simulated time with devices that do nothing by themselves.
type life struct {
	*testing.T
	s *servertest.Server
}

// device is a device's key with its leaf.
type device struct {
	id   string
	key  *ecdsa.PrivateKey
	leaf *x509.Certificate
}

// identity is what the device sends: its leaf and what stands above it.
func (d *device) identity(above ...[]byte) *tls.Certificate {
	return &tls.Certificate{Certificate: append([][]byte{d.leaf.Raw}, above...), PrivateKey: d.key}
}

// until waits for a moment.
func (l life) until(year int, month time.Month, day, hour int) {
	l.Helper()
	wait := time.Until(time.Date(year, month, day, hour, 0, 0, 0, time.UTC))
	if wait < 0 {
		l.Fatalf("it is %v already", time.Now())
	}
	time.Sleep(wait)
}

// newDevice registers a device and enrols it.
func (l life) newDevice(id string) *device {
	l.Helper()
	l.s.Register(id, "otp-of-"+id)
	d := &device{id: id, key: newDeviceKey(l.T)}
	status, body := l.post("https://"+servertest.HTTPS+"/.well-known/est/simpleenroll", nil, deviceCSR(l.T, d.key, id), func(r *http.Request) {
		r.SetBasicAuth(id, "otp-of-"+id)
	})
	d.leaf = l.issued(status, body)
	return d
}

// renew asks for the device's next leaf by its certificate alone.
func (l life) renew(d *device) (status int, leaf *x509.Certificate) {
	l.Helper()
	status, body := l.post("https://"+servertest.MTLS+"/.well-known/est/simplereenroll", d.identity(), deviceCSR(l.T, d.key, d.id), func(*http.Request) {})
	if status != http.StatusOK {
		return status, nil
	}
	return status, l.issued(status, body)
}

func (l life) issued(status int, body []byte) *x509.Certificate {
	l.Helper()
	certs, err := est.DecodeCertificates(body)
	if status != http.StatusOK || err != nil {
		l.Fatalf("status %d, %v: %s", status, err, body)
	}
	return certs[0]
}

func (l life) post(url string, identity *tls.Certificate, body []byte, edit func(*http.Request)) (int, []byte) {
	l.Helper()
	req, err := http.NewRequestWithContext(l.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		l.Fatal(err)
	}
	req.Header.Set("Content-Type", est.PKCS10Type)
	edit(req)
	return l.do(req, identity)
}

func (l life) do(req *http.Request, identity *tls.Certificate) (int, []byte) {
	l.Helper()
	cfg := l.s.TLSConfig()
	if identity != nil {
		cfg.Certificates = []tls.Certificate{*identity}
	}
	client := l.s.HTTPClient(cfg)
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		l.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		l.Fatal(err)
	}
	return res.StatusCode, body
}

// connects tells how MQTT answers: the code of its CONNACK.
func (l life) connects(d *device, above ...[]byte) byte {
	l.Helper()
	c, code := l.session(d, above...)
	_ = c.Close()
	return code
}

// session connects and stays.
func (l life) session(d *device, above ...[]byte) (net.Conn, byte) {
	l.Helper()
	conn, err := l.s.Network.DialContext(l.Context(), "tcp", servertest.MQTTS)
	if err != nil {
		l.Fatal(err)
	}
	c := tls.Client(conn, l.s.TLSConfig(*d.identity(above...)))
	l.Cleanup(func() { _ = c.Close() })
	hello := append([]byte("\x00\x04MQTT\x04\x02\x0e\x10\x00"), byte(len(d.id)))
	hello = append(hello, d.id...)
	if _, err := c.Write(append([]byte{0x10, byte(len(hello))}, hello...)); err != nil {
		l.Fatal(err)
	}
	var ack [4]byte
	if _, err := io.ReadFull(c, ack[:]); err != nil {
		l.Fatal(err)
	}
	return c, ack[3]
}

// authority is the tenant's CA certificate now.
func (l life) authority() *x509.Certificate {
	l.Helper()
	var got struct{ CertInPemFormat string }
	l.s.Call(http.MethodGet, "/certificate-authority", nil, &got)
	der, err := base64.StdEncoding.DecodeString(got.CertInPemFormat)
	if err != nil {
		l.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		l.Fatal(err)
	}
	return c
}

// audited counts the audit records whose activity holds text.
func (l life) audited(text string) int {
	l.Helper()
	var list struct {
		AuditRecords []struct{ Activity string }
	}
	l.s.Call(http.MethodGet, "/audit/auditRecords?type=TenantCertificateAuthority&pageSize=2000", nil, &list)
	n := 0
	for _, r := range list.AuditRecords {
		if strings.Contains(r.Activity, text) {
			n++
		}
	}
	return n
}

func (l life) wantConnected(what string, d *device, above ...[]byte) {
	l.Helper()
	if code := l.connects(d, above...); code != 0 {
		l.Errorf("%v: %s: CONNACK %d", time.Now(), what, code)
	}
}

func newDeviceKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func deviceCSR(t testing.TB, k *ecdsa.PrivateKey, id string) []byte {
	t.Helper()
	der, err := pki.CreateCSR(rand.Reader, k, pkix.Name{CommonName: id})
	if err != nil {
		t.Fatal(err)
	}
	return est.EncodeRequest(der)
}
