package mqttservice

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// ErrStopped is returned by Serve after Shutdown.
var ErrStopped = errors.New("mqtt service stopped")

// listener is one door.
type listener struct {
	net.Listener
	door string
	tls  *tls.Config // nil: plain
	stop chan struct{}
}

// acceptPause is how long accepting rests when the process is out of descriptors.
const acceptPause = 50 * time.Millisecond

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
		if err == nil {
			s.start(raw, ln)
			continue
		}
		s.gate.Free()
		if s.isStopping() {
			return ErrStopped
		}
		if t, ok := errors.AsType[interface {
			error
			Temporary() bool
		}](err); !ok || !t.Temporary() {
			return err
		}
		s.log.Warn("accept failed", "door", door, "err", err)
		select {
		case <-time.After(acceptPause):
		case <-ln.stop:
		}
	}
	return ErrStopped
}

// start serves a connection in its own goroutine, if there is room for it.
func (s *Server) start(raw net.Conn, l *listener) {
	address := host(raw.RemoteAddr())
	if !s.gate.Admit(address) {
		s.gate.Free()
		s.stats.turnedAway.Add(1)
		_ = raw.Close()
		return
	}
	c := newConn(s, raw, l, address)
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

// serve lives as long as the connection and its will.
func (s *Server) serve(c *conn) {
	defer s.wg.Done()
	err := c.handshake()
	if err == nil {
		err = s.talk(c)
	}
	_ = c.Close()
	c.leaveGate()
	if sess := c.session.Load(); sess != nil {
		sess.finish()
	}
	s.log.Debug("connection ended", "door", c.door, "address", c.address, "err", err)
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// Shutdown accepts nothing new, tells the clients (MQTT 5: reason 0x8B) and
// closes; wills are carried out. It returns the error of ctx if that ends first.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopping {
		for l := range s.listeners {
			close(l.stop)
			_ = l.Close()
		}
	}
	s.stopping = true
	s.clients.stop()
	for c := range s.conns {
		if sess := c.session.Load(); sess != nil {
			sess.end(codeShuttingDown)
		} else {
			_ = c.Close()
		}
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	return ctx.Err()
}
