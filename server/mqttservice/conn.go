package mqttservice

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/platform"
)

// readBuffer sizes the reader of a connection; ours, most packets are smaller.
const readBuffer = 1024

// conn is one connection. One goroutine reads from it; any may write.
type conn struct {
	net.Conn // raw or TLS
	tls      *tls.Conn
	in       *bufio.Reader
	address  string // host of the peer, without port
	door     string
	server   *Server
	version  byte // of the protocol, from CONNECT on

	handshakeEnd time.Time
	keepAlive    time.Duration // between packets; 0: no limit
	accepted     bool
	leave        sync.Once // the gate
	closeOnce    sync.Once

	session atomic.Pointer[session]
}

func newConn(s *Server, raw net.Conn, l *listener, address string) *conn {
	c := &conn{Conn: raw, address: address, door: l.door, server: s, version: 4}
	if l.tls != nil {
		c.tls = tls.Server(raw, l.tls)
		c.Conn = c.tls
	}
	c.in = bufio.NewReaderSize(c.Conn, readBuffer)
	c.handshakeEnd = time.Now().Add(s.limits.Handshake)
	_ = c.SetDeadline(c.handshakeEnd)
	return c
}

func host(a net.Addr) string {
	if a == nil {
		return ""
	}
	if h, _, err := net.SplitHostPort(a.String()); err == nil {
		return h
	}
	return a.String()
}

func (c *conn) handshake() error {
	if c.tls == nil {
		return nil
	}
	err := c.tls.Handshake()
	if reason, detail, ok := platform.HandshakeFault(err); ok {
		c.server.log.Info("handshake refused", "door", c.door, "address", c.address, "reason", reason, "detail", detail)
		c.server.cfg.Refusals.Record(platform.Refusal{Tenant: platform.Management, At: time.Now(), Door: c.door, Address: c.address, Reason: reason, Detail: detail})
	}
	return err
}

func (c *conn) leaveGate() { c.leave.Do(func() { c.server.gate.Leave(c.address) }) }

// Close closes the connection once.
func (c *conn) Close() (err error) {
	c.closeOnce.Do(func() { err = c.Conn.Close() })
	return err
}

// Write writes whole packets.
func (c *conn) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(c.server.limits.Write))
	return c.Conn.Write(b)
}

// accept ends the handshake: from now on the keep-alive counts, one and a half
// times (MQTT-3.1.2-24).
func (c *conn) accept(keepAlive uint16) {
	c.keepAlive = time.Duration(keepAlive) * time.Second * 3 / 2
	c.accepted = true
	c.leaveGate()
	_ = c.SetDeadline(time.Time{})
}

// tooLarge is a packet above maxPacket; it was not read.
type tooLarge struct{ kind byte }

func (tooLarge) Error() string { return "packet too large" }

// malformed is a packet that breaks the protocol.
type malformed struct {
	code   byte // of MQTT 5
	reason string
}

func (m malformed) Error() string { return m.reason }

// read returns the next packet, decoded.
func (c *conn) read() (packets.Packet, error) {
	var pk packets.Packet
	if c.accepted {
		var deadline time.Time
		if c.keepAlive > 0 {
			deadline = time.Now().Add(c.keepAlive)
		}
		_ = c.SetReadDeadline(deadline)
	}
	first, err := c.in.ReadByte()
	if err != nil {
		return pk, err
	}
	if err := pk.FixedHeader.Decode(first); err != nil {
		return pk, malformed{codeMalformed, "fixed header"}
	}
	n, size, err := c.length()
	if err != nil {
		return pk, err
	}
	if 1+size+n > maxPacket {
		return pk, tooLarge{pk.FixedHeader.Type}
	}
	pk.FixedHeader.Remaining = n
	pk.ProtocolVersion = c.version
	body := make([]byte, n)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return pk, err
	}
	return pk, decode(&pk, body)
}

// length reads the remaining length: at most four bytes (MQTT 5 §1.5.5).
func (c *conn) length() (n, size int, err error) {
	for shift := 0; shift < 28; shift += 7 {
		b, err := c.in.ReadByte()
		if err != nil {
			return 0, 0, err
		}
		n |= int(b&0x7f) << shift
		size++
		if b < 0x80 {
			return n, size, nil
		}
	}
	return 0, 0, malformed{codeMalformed, "remaining length"}
}

// decode reads the body of a packet. mochi's decoders slice without looking in
// places; what they stumble over is malformed.
func decode(pk *packets.Packet, body []byte) (err error) {
	defer func() {
		if recover() != nil {
			err = malformed{codeMalformed, "truncated packet"}
		}
		if err == nil {
			return
		}
		if m, ok := errors.AsType[malformed](err); ok {
			err = m
		} else if code, ok := errors.AsType[packets.Code](err); ok && code.Code >= 0x80 {
			err = malformed{code.Code, code.Reason}
		} else {
			err = malformed{codeMalformed, "malformed packet"}
		}
	}()
	if pk.FixedHeader.Type == packets.Connect { // also for the version in which it is answered
		return cmp.Or(pk.ConnectDecode(body), checkBody(pk, body))
	}
	if err := checkBody(pk, body); err != nil {
		return err
	}
	switch pk.FixedHeader.Type {
	case packets.Publish:
		return pk.PublishDecode(body)
	case packets.Puback, packets.Pubrec, packets.Pubrel, packets.Pubcomp:
		return pk.PubackDecode(body) // they differ in the header alone
	case packets.Subscribe:
		return pk.SubscribeDecode(body)
	case packets.Unsubscribe:
		return pk.UnsubscribeDecode(body)
	case packets.Disconnect:
		return pk.DisconnectDecode(body)
	case packets.Pingreq:
		return nil
	}
	return malformed{codeProtocolError, "a packet that clients do not send here"}
}
