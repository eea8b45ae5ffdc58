package server

import (
	"crypto/tls"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"mooring/server/httpauth"
)

// Bounds of an HTTP connection. A chain of ten certificates in a header
// (X-Ssl-Cert-Chain, rest.md §4.1) fits into maxHeader.
const (
	readWithin  = 60 * time.Second
	writeWithin = 120 * time.Second
	idleWithin  = 120 * time.Second
	maxHeader   = 64 << 10
)

// serveHTTP serves the HTTP listeners that are open.
func (s *Server) serveHTTP(run *group, doors *listeners) {
	api := http.NewServeMux()
	api.Handle("/.well-known/est/", s.services.est)
	api.Handle("/", s.services.rest)
	var handler http.Handler = api
	if s.opts.Middleware != nil {
		handler = s.opts.Middleware(handler)
	}
	crlOnly := http.NewServeMux()
	crlOnly.Handle("GET /crl/", s.services.rest)

	for _, door := range []struct {
		name    string
		l       net.Listener
		tls     *tls.Config
		handler http.Handler
	}{
		{"https", doors.https, s.tls.https, handler},
		{"mtls", doors.mtls, s.tls.mtls, httpauth.WithClientCertificates(handler)},
		{"http", doors.http, nil, crlOnly},
		{"admin", doors.admin, nil, s.adminHandler()},
	} {
		if door.l == nil {
			continue
		}
		server := s.httpServer(door.handler)
		// The bound is on open connections; the next ones wait in the kernel.
		l := netutil.LimitListener(door.l, s.cfg.Limits.Connections)
		if door.tls != nil {
			// Not ServeTLS: it would copy the configuration, and the copy would not
			// see new ticket keys.
			server.TLSConfig = door.tls
			l = tls.NewListener(l, door.tls)
		}
		run.serve(door.name, func() error {
			err := server.Serve(l)
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return err
		}, server.Shutdown)
	}
}

// logAdapter writes what net/http has to say about connections at debug level:
// strangers who do not speak TLS are no news.
func logAdapter(to *slog.Logger) *log.Logger {
	return log.New(lineWriter{to}, "", 0)
}

type lineWriter struct{ log *slog.Logger }

func (w lineWriter) Write(line []byte) (int, error) {
	w.log.Debug("http", "says", strings.TrimSpace(string(line)))
	return len(line), nil
}
