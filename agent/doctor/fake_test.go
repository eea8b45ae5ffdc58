package doctor_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"mooring/internal/durable"
	"mooring/internal/pki"
	"mooring/server/servertest"
)

// fake is a server whose doors do what a test wants. Nil doors are closed, and
// what is not set answers as a Cumulocity without Mooring's own calls does.
type fake struct {
	t    testing.TB
	root authority
	tls  *tls.Config

	raw   map[string]func(net.Conn)   // by port: below TLS
	https map[string]http.HandlerFunc // by port
	mqtt  func(c *fakeSession)        // what follows a CONNECT
	dials map[string]*atomic.Int32    // by port
	alert func(net.Conn) net.Conn     // changes what TLS sends, but on 443
}

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{t: t, root: newAuthority(t), raw: map[string]func(net.Conn){}, https: map[string]http.HandlerFunc{},
		dials: map[string]*atomic.Int32{"443": {}, "8443": {}, "8883": {}}, mqtt: func(c *fakeSession) { c.connack(0); c.serve() }}
	k := newKey(t)
	leaf := f.root.issue(k.Public(), func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames = servertest.Host, []string{servertest.Host}
		c.NotBefore, c.NotAfter = time.Now().AddDate(0, -1, 0), time.Now().AddDate(1, 0, 0)
	})
	f.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: k}}, ClientAuth: tls.RequestClientCert}
	return f
}

// rig is a device of the fake's operator with a good certificate.
func (f *fake) rig() *rig {
	f.t.Helper()
	r := newRig(f.t, &servertest.Server{Network: servertest.NewNetwork()})
	must(f.t, durable.WriteFile(r.disk, state+"/root.pem", pki.EncodePEM(f.root.cert), 0o644))
	r.o.Direct = f.dial
	r.hold(f.root.leafOf())
	return r
}

func (f *fake) dial(_ context.Context, _, addr string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil || f.dials[port] == nil {
		return nil, errors.New("no such port")
	}
	f.dials[port].Add(1)
	a := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}
	client, server := servertest.Pipe(a, a)
	go func() {
		defer server.Close()
		if raw := f.raw[port]; raw != nil {
			raw(server)
			return
		}
		below := server
		if f.alert != nil && port != "443" {
			below = f.alert(server)
		}
		c := tls.Server(below, f.tls)
		if c.Handshake() != nil {
			return
		}
		defer c.Close()
		if port == "8883" {
			f.serveMQTT(c)
			return
		}
		f.serveHTTP(c, f.https[port])
	}()
	return client, nil
}

func (f *fake) serveHTTP(c net.Conn, h http.HandlerFunc) {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return
	}
	if h == nil {
		h = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error":"general/notFound"}`)
		}
	}
	w := httptest.NewRecorder()
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h(w, r)
	_ = w.Result().Write(c)
}

// fakeSession is a connection after its CONNECT.
type fakeSession struct {
	net.Conn
	in *bufio.Reader
	n  int32 // counts CONNECTs from 1
}

var connects atomic.Int32

func (f *fake) serveMQTT(c net.Conn) {
	s := &fakeSession{Conn: c, in: bufio.NewReader(c)}
	if kind, _, err := s.read(); err == nil && kind == 0x10 {
		s.n = connects.Add(1)
		f.mqtt(s)
	}
}

func (s *fakeSession) connack(code byte) { _, _ = s.Write([]byte{0x20, 2, 0, code}) }

// read reads a packet of less than 128 bytes.
func (s *fakeSession) read() (byte, []byte, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(s.in, head); err != nil {
		return 0, nil, err
	}
	body := make([]byte, head[1])
	_, err := io.ReadFull(s.in, body)
	return head[0], body, err
}

// token is one that nobody signed: the doctor reads claims only.
const token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4Iiwic3ViIjoiZGV2aWNlX1MyNDIyNzAwMDAzIiwidGVuIjoidDEiLCJpYXQiOjEsIm5iZiI6MSwiZXhwIjo0MTAyNDQ0ODAwfQ.c2ln"

// serve grants subscriptions and gives a token.
func (s *fakeSession) serve() {
	for {
		switch kind, _, err := s.read(); {
		case err != nil:
			return
		case kind == 0x82:
			_, _ = s.Write([]byte{0x90, 3, 0, 1, 0})
		case kind == 0x30:
			body := append([]byte{0, 5}, "s/dat71,"+token...)
			_, _ = s.Write(append([]byte{0x30, byte(len(body)) | 0x80, byte(len(body) >> 7)}, body...))
		}
	}
}

// alertAs changes the unencrypted alerts that TLS 1.2 sends into another one.
type alertAs struct {
	net.Conn
	code byte
}

// Write implements net.Conn.
func (a alertAs) Write(p []byte) (int, error) {
	if len(p) == 7 && p[0] == 21 && bytes.Equal(p[3:6], []byte{0, 2, 2}) {
		p = append(bytes.Clone(p[:6]), a.code)
	}
	return a.Conn.Write(p)
}
