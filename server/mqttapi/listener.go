package mqttapi

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"mooring/server/platform"
)

// ErrStopped is returned by Serve after Shutdown.
var ErrStopped = errors.New("mqtt server stopped")

// listener is one door.
type listener struct {
	net.Listener
	door string
	tls  *tls.Config // nil: plain
	stop chan struct{}
}

// Serve accepts connections from l until Shutdown and returns ErrStopped, or the
// error that accepting ended with. door names the listener in logs and refusals.
// With tlsConfig nil it speaks plain MQTT. Serve closes l.
func (s *Server) Serve(l net.Listener, door string, tlsConfig *tls.Config) error {
	ln := &listener{Listener: l, door: door, tls: tlsConfig, stop: make(chan struct{})}
	s.mu.Lock()
	stopping := s.stopping
	if !stopping {
		s.listeners[ln] = struct{}{}
	}
	s.mu.Unlock()
	defer l.Close()
	if stopping {
		return ErrStopped
	}
	for s.gate.Wait(ln.stop) {
		raw, err := l.Accept()
		if err != nil {
			s.gate.Free()
			if s.isStopping() {
				return ErrStopped
			}
			if temporary(err) {
				s.log.Warn("accept failed", "door", door, "err", err)
				pause(acceptPause, ln.stop)
				continue
			}
			return err
		}
		s.start(raw, ln)
	}
	return ErrStopped
}

// acceptPause is how long accepting rests when the process is out of descriptors.
const acceptPause = 50 * time.Millisecond

func temporary(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && t.Temporary()
}

func pause(d time.Duration, stop <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-stop:
	}
}

// start serves a connection in its own goroutine, if its address may have one
// more.
func (s *Server) start(raw net.Conn, l *listener) {
	address := host(raw.RemoteAddr())
	if !s.gate.Admit(address) {
		s.gate.Free()
		s.stats.turnedAway.Add(1)
		_ = raw.Close()
		return
	}
	s.begin(newConn(s, raw, l, address, ""))
}

// begin serves a connection that has its place in the gate.
func (s *Server) begin(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || len(s.conns) >= s.limits.Connections {
		s.stats.turnedAway.Add(1)
		c.leaveGate()
		_ = c.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	go s.serve(c)
}

// serve lives as long as the connection and what it leaves behind.
func (s *Server) serve(c *conn) {
	defer s.wg.Done()
	var err error
	if c.tls != nil {
		s.deep.do(func() { err = s.handshake(c) })
	}
	if err == nil {
		err = s.establish(c)
	}
	_ = c.Close()
	c.leaveGate()
	if sess := c.session.Load(); sess != nil {
		sess.finish()
	} else if !c.accepted.Load() {
		s.stats.handshakeFailures.Add(1)
	}
	if !expected(err) {
		s.log.Debug("connection ended", "door", c.door, "address", c.address, "err", err)
	}
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

// establish lets mochi read packets until the connection ends. mochi's decoders
// slice without looking in places; what they stumble over ends one connection and
// not the server.
func (s *Server) establish(c *conn) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("packet not understood", "door", c.door, "address", c.address, "panic", r)
			err = errPanic
		}
	}()
	return s.broker.EstablishConnection(c.door, c)
}

var errPanic = errors.New("packet not understood")

// handshake runs TLS within the deadline that newConn has set.
func (s *Server) handshake(c *conn) error {
	err := c.tls.Handshake()
	if reason, detail, ok := platform.HandshakeFault(err); ok {
		s.cfg.Refusals.Record(platform.Refusal{Tenant: platform.Management, At: time.Now(), Door: c.door, Address: c.address, Reason: reason, Detail: detail})
		s.log.Info("handshake refused", "door", c.door, "address", c.address, "reason", reason, "detail", detail)
	}
	return err
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// Shutdown stops gracefully: nothing new is accepted or read, what was received is
// stored and acknowledged, wills are carried out, and then each client is told by
// the end of its connection. When ctx ends first, the rest is cut off and its
// error returned; what was not acknowledged the clients send again.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	first := !s.stopping
	s.stopping = true
	if first {
		for l := range s.listeners {
			close(l.stop)
			_ = l.Close()
		}
	}
	for c := range s.conns {
		if sess := c.session.Load(); sess != nil {
			sess.drain()
		} else {
			_ = c.Close()
		}
	}
	s.mu.Unlock()
	defer s.poller.Close()

	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
		s.cancel()
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	return ctx.Err()
}
