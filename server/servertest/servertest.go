// Package servertest is the whole server in memory, for tests: the real store,
// services and front ends behind a network without sockets, so that a device
// lives years in a testing/synctest bubble.
//
// It is difficult on purpose: unless Options.Easy is set, each first enrolment
// is decided later once, and some answers are lost after the server has done
// its work. What is lost follows a seed that is printed when a test fails.
package servertest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mooring/internal/durable/durabletest"
	"mooring/server"
	"mooring/server/account"
	"mooring/server/config"
)

// Where the server is on its Network. The certificate is for Host.
const (
	Host  = "server.test"
	HTTPS = Host + ":443"
	MTLS  = Host + ":8443"
	MQTTS = Host + ":8883"

	Tenant        = "t1000"
	AdminUser     = "admin"
	AdminPassword = "servertest-password"
)

// startWithin and stopWithin bound starting and stopping, so that a test that
// hangs says where.
const startWithin, stopWithin = time.Minute, time.Minute

// Config is the server's configuration, for tests that know the server by this
// package alone.
type Config = config.Config

// Daily is for Options.LookEvery. What falls due on a server is rare; looking for
// it each hour was a third of the cost of a year.
const Daily = 24 * time.Hour

// Options say how the server behaves.
type Options struct {
	Easy bool // no faults
	// Seed decides which answers are lost; zero: a random one.
	Seed uint64
	// Log receives the server's log; nil discards it.
	Log *slog.Logger
	// Configure changes the configuration before each start; nil: nothing does.
	Configure func(*config.Config)
	// Joins is a server whose database this one shares, as Configure says: the
	// authority exists; the key-encryption key and the server's certificate are that
	// server's. Nil: it is alone.
	Joins *Server
	// Intercept stands before the HTTP front ends, for answers that no good server
	// gives; nil: nothing does.
	Intercept func(http.Handler) http.Handler
	// LookEvery is server.Options.LookEvery: Daily for tests that live years.
	LookEvery time.Duration
	// Dir is the data directory; empty: one of the test's own, in memory if possible.
	Dir string
}

// Server is a running server. Stop and Start may be called in turn: it goes on
// with the same data.
type Server struct {
	Network *Network
	Roots   *x509.CertPool
	RootPEM []byte
	faults  *faults
	opts    Options
	tb      testing.TB

	mu   sync.Mutex // guards the fields below
	stop context.CancelFunc
	done chan error
}

// Start starts a server and stops it when the test ends. The tenant's
// certificate authority exists.
func Start(tb testing.TB, opts Options) *Server {
	tb.Helper()
	if opts.Seed == 0 {
		opts.Seed = rand.Uint64()
	}
	if opts.Dir == "" {
		opts.Dir = durabletest.Dir(tb)
	}
	s := &Server{Network: NewNetwork(), Roots: x509.NewCertPool(), opts: opts, tb: tb, faults: newFaults(opts)}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("servertest: seed %d", opts.Seed)
		}
	})
	tb.Cleanup(s.Stop)
	s.Start()
	root, err := os.ReadFile(s.RootFile())
	if err != nil {
		tb.Fatal(err)
	}
	if s.RootPEM = root; !s.Roots.AppendCertsFromPEM(root) {
		tb.Fatal("servertest: no development root")
	}
	if opts.Joins == nil {
		s.Call(http.MethodPost, "/certificate-authority", nil, nil)
	}
	return s
}

// RootFile is the PEM file of the root that signed the server's certificate.
func (s *Server) RootFile() string {
	if s.opts.Joins != nil {
		return s.opts.Joins.RootFile()
	}
	return filepath.Join(s.opts.Dir, "tls", "root.pem")
}

// Start starts a server that was stopped.
func (s *Server) Start() {
	s.tb.Helper()
	cfg := config.DefaultDev()
	cfg.Data = s.opts.Dir
	cfg.Listeners = config.Listeners{HTTPS: "127.0.0.1:443", MTLS: "127.0.0.1:8443", MQTTS: "127.0.0.1:8883"}
	cfg.Names.Public = "https://" + Host
	if first := s.opts.Joins; first != nil {
		cfg.Keys.Encryption = "file:" + filepath.Join(first.opts.Dir, "keys", "kek")
		cfg.TLS.Certificate, cfg.TLS.Key = filepath.Join(first.opts.Dir, "tls", "server.pem"), filepath.Join(first.opts.Dir, "tls", "server.key")
	}
	if s.opts.Configure != nil {
		s.opts.Configure(&cfg)
	}
	ctx, stop := context.WithCancel(context.Background())
	srv, err := server.New(ctx, cfg, server.Options{
		Log: s.opts.Log, AdminPassword: AdminPassword, LookEvery: s.opts.LookEvery, PasswordCost: account.Cheap, Middleware: s.faults.middleware,
		Listen: func(name, addr string) (net.Listener, error) {
			if name == "admin.sock" {
				addr = Host + ":0" // a UNIX socket would hold a bubble's clock
			}
			return s.Network.Listen(addr)
		},
	})
	if err != nil {
		stop()
		s.tb.Fatalf("servertest: %v", err)
	}
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- srv.Run(ctx, func(server.Ready) { close(ready) }) }()
	timeout := time.NewTimer(startWithin)
	defer timeout.Stop()
	select {
	case <-ready:
	case err := <-done:
		stop()
		s.tb.Fatalf("servertest: the server ended: %v", err)
	case <-timeout.C:
		stop()
		s.tb.Fatal("servertest: the server did not get ready")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop, s.done = stop, done
}

// Stop stops the server gracefully; it does nothing if it does not run.
func (s *Server) Stop() {
	s.tb.Helper()
	s.mu.Lock()
	stop, done := s.stop, s.done
	s.stop, s.done = nil, nil
	s.mu.Unlock()
	if stop == nil {
		return
	}
	stop()
	timeout := time.NewTimer(stopWithin)
	defer timeout.Stop()
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, context.Canceled) {
			s.tb.Errorf("servertest: stop: %v", err)
		}
	case <-timeout.C:
		s.tb.Error("servertest: the server did not stop")
	}
}

// TLSConfig is a client's: it trusts the server and shows certificates, if any.
func (s *Server) TLSConfig(certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: s.Roots, ServerName: Host, Certificates: certificates}
}

// HTTPClient returns a client that reaches the server through its Network. Its
// idle connections are closed when the test ends.
func (s *Server) HTTPClient(cfg *tls.Config) *http.Client {
	transport := &http.Transport{DialContext: s.Network.DialContext, TLSClientConfig: cfg}
	s.tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// String names the server in failures.
func (s *Server) String() string { return fmt.Sprintf("servertest(seed %d)", s.opts.Seed) }
