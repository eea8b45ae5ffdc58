package mqttapi

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"mooring/server/sockets"
)

// conn is one connection as mochi sees it. It keeps the deadlines itself: mochi
// sets one for reading and writing together and computes one and a half times the
// keep-alive in 16 bits, which for 43,691 s gives zero.
type conn struct {
	net.Conn // raw or TLS
	tls      *tls.Conn
	socket   *sockets.Conn // below; nil where it is none of TCP
	address  string        // host of the peer, without port
	door     string        // name of the listener
	name     string        // host that the peer asked for, where TLS does not tell; may be empty
	server   *Server

	handshakeEnd time.Time // until CONNECT is accepted
	leave        sync.Once // the gate

	session   atomic.Pointer[session]
	keepAlive atomic.Int64 // nanoseconds between packets that are granted; 0: no limit
	accepted  atomic.Bool  // CONNECT was accepted
	waited    bool         // reader only: for a packet since CONNECT was accepted
	closeOnce sync.Once
}

func newConn(s *Server, raw net.Conn, l *listener, address, name string) *conn {
	c := &conn{Conn: raw, address: address, door: l.door, name: name, server: s}
	if _, ok := raw.(*net.TCPConn); ok {
		c.socket = s.poller.Wrap(raw)
		c.Conn = c.socket
	}
	if l.tls != nil {
		c.tls = tls.Server(c.Conn, l.tls)
		c.Conn = c.tls
	}
	c.handshakeEnd = time.Now().Add(s.limits.Handshake)
	_ = c.Conn.SetDeadline(c.handshakeEnd)
	return c
}

func host(a net.Addr) string {
	if a == nil {
		return ""
	}
	return hostOf(a.String())
}

// hostOf cuts the port off an address, if it has one.
func hostOf(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

// serverName is the host that the peer asked for: the name in its handshake,
// else the address it came to, because TLS does not send addresses (RFC 6066 §3).
func (c *conn) serverName() string {
	if c.tls != nil {
		if name := c.tls.ConnectionState().ServerName; name != "" {
			return name
		}
	}
	if c.name != "" {
		return c.name
	}
	return host(c.LocalAddr())
}

// SetDeadline is called by mochi before it waits for the next packet. What it
// asks for is ignored; the read deadline becomes our own. That of the handshake,
// which newConn has set, stays until CONNECT is accepted.
func (c *conn) SetDeadline(time.Time) error {
	if !c.accepted.Load() {
		return nil
	}
	c.settle()
	if limit := time.Duration(c.keepAlive.Load()); limit > 0 {
		return c.Conn.SetReadDeadline(time.Now().Add(limit))
	}
	return c.Conn.SetReadDeadline(time.Time{})
}

// settle hands the connection of a client that stays to the poller: one that has
// sent a packet since its CONNECT.
func (c *conn) settle() {
	switch {
	case c.socket == nil || c.socket.Adopted():
	case !c.waited:
		c.waited = true
	default:
		c.socket.Adopt() // if not now, then before the next packet
	}
}

// Write writes one or more whole packets. It is safe for several goroutines.
func (c *conn) Write(b []byte) (int, error) {
	if c.socket == nil || !c.socket.Adopted() {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(c.server.limits.Write))
	}
	return c.Conn.Write(b)
}

// free reports whether Write would not wait for the peer, as far as is known.
func (c *conn) free() bool { return c.socket != nil && c.socket.Free() }

// Close closes the connection once.
func (c *conn) Close() error {
	err := net.ErrClosed
	c.closeOnce.Do(func() {
		err = c.Conn.Close()
	})
	return err
}

// accept ends the handshake: the place in the gate is free again.
func (c *conn) accept(keepAlive uint16) {
	limit := time.Duration(keepAlive) * time.Second * 3 / 2 // MQTT-3.1.2-24
	c.keepAlive.Store(int64(limit))
	c.accepted.Store(true)
	c.leaveGate()
	c.forgetCertificates()
}

// forgetCertificates lets go of the peer's certificates, a quarter of what a silent
// connection holds: the session has the verdict, and the ticket has been sent. The
// list is the one that package tls has; nothing else of it is reachable.
func (c *conn) forgetCertificates() {
	if c.tls != nil {
		clear(c.tls.ConnectionState().PeerCertificates)
	}
}

func (c *conn) leaveGate() { c.leave.Do(func() { c.server.gate.Leave(c.address) }) }

// lingerTime is how long a refused peer may take to read why; ours.
const lingerTime = 500 * time.Millisecond

// refuse writes a CONNACK in the form of MQTT 3.1.1, whatever was spoken, and
// waits a moment for the peer to read it: closing at once with bytes of the peer
// still unread would reset the connection and lose the answer.
func (c *conn) refuse(code byte) {
	if _, err := c.Write([]byte{0x20, 0x02, 0x00, code}); err != nil {
		return
	}
	closer, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || closer.CloseWrite() != nil {
		return
	}
	_ = c.Conn.SetReadDeadline(time.Now().Add(lingerTime))
	var scrap [512]byte
	for n := 0; n < maxPacket; {
		k, err := c.Conn.Read(scrap[:])
		if err != nil {
			return
		}
		n += k
	}
}

// expected reports whether err is how connections usually end.
func expected(err error) bool {
	return err == nil || errors.Is(err, net.ErrClosed) || errors.As(err, new(net.Error))
}
