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

	"mooring/internal/est"
	"mooring/server/httpauth"
	"mooring/server/notifyapi"
	"mooring/server/platform"
	"mooring/server/webui"
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
	handler := byPrefix(est.PathPrefix, s.services.est, byPrefix(est.AttestationPath, s.services.est, s.services.rest))
	if s.opts.Middleware != nil {
		handler = s.opts.Middleware(handler)
	}
	handler = orElse(s.services.realtime, handler)
	crlOnly := byPrefix("/crl/", s.services.rest, http.NotFoundHandler())
	mqtt := s.services.mqtt

	for _, door := range []struct {
		name    string
		l       net.Listener
		tls     *tls.Config
		handler http.Handler
	}{
		{"https", doors.https, s.tls.https, atPath(mqttPath, mqtt.WebSocket("https"), orPage(s.services.page, handler))},
		{"mtls", doors.mtls, s.tls.mtls, httpauth.WithClientCertificates(handler)},
		{"http", doors.http, nil, atPath(mqttPath, mqtt.WebSocket("http"), crlOnly)},
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
			server.ConnState = s.handshakeRefusals(door.name)
			l = tls.NewListener(l, door.tls)
		}
		// Shutdown waits for no connection that was taken over, and for all that hold
		// a request.
		server.RegisterOnShutdown(s.services.realtime.Close)
		run.serve(door.name, func() error {
			err := server.Serve(l)
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return err
		}, server.Shutdown)
	}
}

// orElse lets the notifications serve what is theirs. Nothing stands before them: a
// WebSocket takes over the connection.
func orElse(notifications *notifyapi.API, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if notifications.Handles(r) {
			notifications.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// orPage lets the web page serve what is its own.
func orPage(page *webui.UI, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if page.Handles(r) {
			page.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// mqttPath is where MQTT over WebSocket is served (mqtt.md §1.1).
const mqttPath = "/mqtt"

// atPath sends one path to one handler and all others to the other.
func atPath(path string, that, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			that.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// handshakeRefusals records which client certificates end a handshake of the
// door. net/http tells of a connection's end on the goroutine that has served it,
// and TLS answers with the error of a handshake that has failed before.
func (s *Server) handshakeRefusals(door string) func(net.Conn, http.ConnState) {
	return func(c net.Conn, state http.ConnState) {
		t, isTLS := c.(*tls.Conn)
		if state != http.StateClosed || !isTLS || t.ConnectionState().HandshakeComplete {
			return
		}
		reason, detail, ok := platform.HandshakeFault(t.Handshake())
		if !ok {
			return
		}
		address, _, err := net.SplitHostPort(c.RemoteAddr().String())
		if err != nil {
			address = c.RemoteAddr().String()
		}
		s.services.refusals.Record(platform.Refusal{Tenant: platform.Management, At: time.Now(), Door: door, Address: address, Reason: reason, Detail: detail})
		s.log.Info("handshake refused", "door", door, "address", address, "reason", reason, "detail", detail)
	}
}

// byPrefix sends paths that begin with prefix to one handler and all others to
// the other. It is no http.ServeMux, which cleans paths: an external ID may hold
// an encoded slash, or two.
func byPrefix(prefix string, those, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, prefix) {
			those.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
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
