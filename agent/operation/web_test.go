package operation_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"mooring/agent/operation"
)

// deviceToken is a token of the tenant t42.
var deviceToken = func() string {
	b := base64.RawURLEncoding
	return b.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + b.EncodeToString([]byte(`{"ten":"t42"}`)) + ".c2ln"
}()

// site serves files and takes uploads, over TLS under the server's names and
// without under files.example.net.
type site struct {
	mu       sync.Mutex // guards what follows
	files    map[string]string
	requests []string // host, path, range and token of each
	uploads  map[string]string
	handle   func(http.ResponseWriter, *http.Request) bool // before the files; true: answered
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	handle := s.handle
	auth := "anonymous"
	if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		auth = "token"
	}
	s.requests = append(s.requests, strings.TrimSpace(r.Host+r.URL.Path+" "+auth+" "+r.Header.Get("Range")))
	content, ok := s.files[r.URL.Path]
	s.mu.Unlock()
	switch {
	case handle != nil && handle(w, r):
	case r.URL.Path == "/event/events":
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"id":"9"}`)) // to a client in this process
	case r.URL.Path == "/event/events/9/binaries":
		body := new(strings.Builder)
		_, _ = copyAll(body, r.Body) // what came is compared
		s.mu.Lock()
		s.uploads[r.Header.Get("Content-Disposition")] = body.String()
		s.mu.Unlock()
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"self":"https://` + server + `/event/events/9/binaries"}`)) // to a client in this process
	case ok:
		w.Header().Set("ETag", `"1"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *site) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.requests
	s.requests = nil
	return list
}

func (w *world) serve(t testing.TB) *site {
	t.Helper()
	s := &site{files: map[string]string{}, uploads: map[string]string{}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{server}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pool.AddCert(leaf)
	secure := &http.Server{Handler: s}
	l, err := w.net.Listen(server + ":443")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = secure.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})) // ends with Close
	}()
	plain := &http.Server{Handler: s}
	p, err := w.net.Listen("files.example.net:80")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = plain.Serve(p) }() // ends with Close
	t.Cleanup(func() { _, _ = secure.Close(), plain.Close() })
	before := w.edit
	w.edit = func(c *operation.Config) { before(c); c.TrustAnchors = pool }
	return s
}
