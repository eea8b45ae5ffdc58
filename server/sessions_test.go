package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"mooring/server/servertest"
)

const trustedPath = "/tenant/tenants/" + servertest.Tenant + "/trusted-certificates"

// anchor is a tenant's own CA.
type anchor struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAnchor(t *testing.T) anchor {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return anchor{key, cert}
}

// upload trusts a and returns its fingerprint.
func (a anchor) upload(s *servertest.Server) string {
	var made struct{ Fingerprint string }
	s.Call(http.MethodPost, trustedPath, map[string]any{"status": "ENABLED", "name": "root", "autoRegistrationEnabled": true,
		"certInPemFormat": base64.StdEncoding.EncodeToString(a.cert.Raw)}, &made)
	return made.Fingerprint
}

func (a anchor) leaf(t *testing.T, name string, serial int64, lists ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, CRLDistributionPoints: lists,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// answerWithin bounds what the server must do at once.
const answerWithin = 20 * time.Second

// connect opens an MQTT session and returns the code of its CONNACK.
func connect(t *testing.T, s *servertest.Server, name string, identity tls.Certificate) (net.Conn, byte) {
	t.Helper()
	raw, err := s.Network.DialContext(t.Context(), "tcp", servertest.MQTTS)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(raw, s.TLSConfig(identity))
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(answerWithin))
	// MQTT 3.1.1 §3.1: CONNECT, clean session, keep-alive of an hour.
	variable := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0x0e, 0x10, 0, byte(len(name))}, name...)
	if _, err := c.Write(append([]byte{0x10, byte(len(variable))}, variable...)); err != nil {
		t.Fatal(err)
	}
	var ack [4]byte
	if _, err := io.ReadFull(c, ack[:]); err != nil {
		t.Fatal(err)
	}
	return c, ack[3]
}

// alive reports whether the server answers a ping.
func alive(c net.Conn) bool {
	if _, err := c.Write([]byte{0xc0, 0}); err != nil {
		return false
	}
	var pong [2]byte
	_, err := io.ReadFull(c, pong[:])
	return err == nil && pong[0] == 0xd0
}

// ended waits for the server to close the connection.
func ended(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(answerWithin))
	_, err := c.Read(make([]byte, 1))
	if timeout, ok := errors.AsType[net.Error](err); err == nil || ok && timeout.Timeout() {
		t.Errorf("the connection lives on: %v", err)
	}
}

// TestSessionsEndWithTrust: whatever ends the trust in a device closes its
// connection at once and keeps it out; what does not, leaves it open.
func TestSessionsEndWithTrust(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	check := func(on string) {
		s.Call(http.MethodPut, "/tenant/options/configuration/crl.offline.check.enabled", map[string]string{"value": on}, nil)
	}
	revoke := func(serial string) {
		s.Call(http.MethodPut, "/tenant/trusted-certificates/settings/crl", map[string]any{"crls": []map[string]string{{"serialNumberInHex": serial}}}, nil)
	}
	tests := []struct {
		name   string
		keeps  bool
		change func(fingerprint string)
	}{
		{name: "renamed", keeps: true, change: func(fp string) { s.Call(http.MethodPut, trustedPath+"/"+fp, map[string]any{"name": "new"}, nil) }},
		{name: "auto-registration off", keeps: true, change: func(fp string) {
			s.Call(http.MethodPut, trustedPath+"/"+fp, map[string]any{"autoRegistrationEnabled": false}, nil)
		}},
		{name: "another is revoked", keeps: true, change: func(string) { check("true"); revoke("123456") }},
		{name: "revoked, not checked", keeps: true, change: func(string) { check("false"); revoke("1003") }},
		{name: "check switched on", change: func(string) { check("false"); revoke("1004"); check("true") }},
		{name: "revoked", change: func(string) { check("true"); revoke("1005") }},
		{name: "disabled", change: func(fp string) { s.Call(http.MethodPut, trustedPath+"/"+fp, map[string]any{"status": "DISABLED"}, nil) }},
		{name: "deleted", change: func(fp string) { s.Call(http.MethodDelete, trustedPath+"/"+fp, nil, nil) }},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAnchor(t)
			fingerprint := a.upload(s)
			name := "session-" + string(rune('0'+i))
			identity := a.leaf(t, name, int64(0x1000+i))
			c, code := connect(t, s, name, identity)
			if code != 0 || !alive(c) {
				t.Fatalf("CONNACK %d", code)
			}
			tt.change(fingerprint)
			if tt.keeps {
				if !alive(c) {
					t.Error("the connection was closed")
				}
				return
			}
			ended(t, c)
			if _, code := connect(t, s, name, identity); code != 5 {
				t.Errorf("CONNACK %d afterwards, want 5", code)
			}
		})
	}
}
