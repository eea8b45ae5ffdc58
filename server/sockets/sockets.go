// Package sockets waits for the sockets of many peers that each say little.
//
// A connection of package net that has something to read wakes the process for
// it, and for a small packet waking costs more than what is done with it. A
// Poller looks at all sockets that were handed to it together, and while many
// peers send a packet now and then it looks every Quantum only: then one wake-up
// does for a dozen packets. Peers that wait for an answer before they send on are
// never made to wait, and neither is anybody on a server with little to do.
//
//	c := poller.Wrap(accepted) // still as package net has it: handshake, deadlines
//	c.Adopt()                  // from here on the poller waits for it
//
// Adopt works for TCP on Linux; elsewhere it reports false and all stays as it is.
package sockets

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Quantum is how long a packet may wait to be looked at on a busy server; ours.
// 2,000 packets a second are ten for each look.
const Quantum = 5 * time.Millisecond

// MaxKept bounds the bytes that wait for a peer to read, but for one Write of more;
// ours, four records of TLS.
const MaxKept = 64 << 10

// Conn is a connection that a Poller may adopt. Until then it behaves as the one
// it wraps.
//
// Once adopted, Write does not wait for the peer to read: what does not fit into
// the kernel's buffer is kept, and goes out as the peer reads. Only what would make
// that more than MaxKept waits. A peer that takes none of it for as long as the
// Poller's limit loses the connection.
type Conn struct {
	net.Conn // also after Adopt, for its addresses
	poller   *Poller
	own      atomic.Pointer[socket] // nil until Adopt

	writing sync.Mutex // held by each Write, and by Adopt

	mu     sync.Mutex // guards closed, and setting own
	closed bool
}

// Wrap returns c as one that p can adopt. Who wraps it owns it from here on.
func (p *Poller) Wrap(c net.Conn) *Conn { return &Conn{Conn: c, poller: p} }

// Adopted reports whether the Poller waits for the connection.
func (c *Conn) Adopted() bool { return c.own.Load() != nil }

// Adopt hands the connection to the Poller and reports whether it has it now: a
// connection that is being written to is not adopted, nor one that is no TCP
// connection or is closed. The caller is its only reader, and not in Read.
// Deadlines that were set are forgotten.
func (c *Conn) Adopt() bool {
	if c.Adopted() {
		return true
	}
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok || !c.writing.TryLock() {
		return false
	}
	defer c.writing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	s := c.poller.adopt(tcp)
	if s == nil {
		return false
	}
	c.own.Store(s)
	return true
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	if s := c.own.Load(); s != nil {
		return s.read(b)
	}
	return c.Conn.Read(b)
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if s := c.own.Load(); s != nil {
		return s.write(b)
	}
	return c.Conn.Write(b)
}

// Free reports whether nothing waits for the peer to read: then Writes of MaxKept
// together do not wait.
func (c *Conn) Free() bool {
	s := c.own.Load()
	return s != nil && s.rest.Load() == nil
}

// Close implements net.Conn. What Write has kept is dropped.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if s := c.own.Load(); s != nil {
		return s.close()
	}
	return c.Conn.Close()
}

// CloseWrite shuts the writing side down where package net can, before Adopt.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && !c.Adopted() {
		return half.CloseWrite()
	}
	return net.ErrClosed
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if s := c.own.Load(); s != nil {
		s.setReadDeadline(t)
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn. Of an adopted connection it bounds how
// long a Write waits.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if s := c.own.Load(); s != nil {
		s.writeBy.Store(c.poller.since(t))
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}
