package servertest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Network is a network in memory: buffered connections between names, with
// nothing below them. In a testing/synctest bubble a goroutine that waits on
// it lets the bubble's clock run, which a socket would not; and because each
// direction is buffered, two sides may write at once, which TLS does when a
// client keeps sessions (net.Pipe deadlocks there).
type Network struct {
	mu        sync.Mutex
	listeners map[string]*memListener
	down      bool
}

// NewNetwork returns an empty network.
func NewNetwork() *Network { return &Network{listeners: map[string]*memListener{}} }

// Listen opens a listener under the port of addr.
func (n *Network) Listen(addr string) (net.Listener, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, taken := n.listeners[port]; taken {
		return nil, errors.New("memory network: port " + port + " is taken")
	}
	l := &memListener{network: n, addr: memAddr(addr), port: port, backlog: make(chan net.Conn, 128), closed: make(chan struct{})}
	n.listeners[port] = l
	return l, nil
}

// DialContext connects to the listener of addr's port; the host is not looked at.
func (n *Network) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	l := n.listeners[port]
	if n.down {
		l = nil
	}
	n.mu.Unlock()
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: memAddr(addr), Err: errors.New("connection refused")}
	}
	client, server := Pipe(memAddr("192.0.2.1:40000"), l.addr)
	select {
	case l.backlog <- server:
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: l.addr, Err: errors.New("connection refused")}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// SetDown makes every new dial fail, as a cut network does; connections that
// are open stay.
func (n *Network) SetDown(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
}

type memListener struct {
	network *Network
	addr    memAddr
	port    string
	backlog chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.backlog:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		delete(l.network.listeners, l.port)
	})
	return nil
}

func (l *memListener) Addr() net.Addr { return l.addr }

type memAddr string

func (memAddr) Network() string  { return "memory" }
func (a memAddr) String() string { return string(a) }

// Pipe returns the two ends of a buffered connection in memory.
func Pipe(clientAddr, serverAddr net.Addr) (client, server net.Conn) {
	up, down := newHalf(), newHalf()
	return &memConn{in: down, out: up, local: clientAddr, remote: serverAddr},
		&memConn{in: up, out: down, local: serverAddr, remote: clientAddr}
}

// half is one direction. Its buffer has a bound, so that a reader who stops
// reading stops the writer, as a socket does.
type half struct {
	mu     sync.Mutex
	change sync.Cond
	buf    []byte
	closed bool
}

const halfBytes = 256 << 10

func newHalf() *half {
	h := &half{}
	h.change.L = &h.mu
	return h
}

func (h *half) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.change.Broadcast()
}

func (h *half) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.change.Broadcast()
}

// deadline is a time after which waiting ends; it wakes the half it belongs to.
type deadline struct {
	mu    sync.Mutex
	at    time.Time
	timer *time.Timer
}

func (d *deadline) set(at time.Time, h *half) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = at
	if !at.IsZero() {
		d.timer = time.AfterFunc(time.Until(at), h.wake)
	}
	go h.wake()
}

func (d *deadline) passed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.at.IsZero() && !time.Now().Before(d.at)
}

type memConn struct {
	in, out       *half
	local, remote net.Addr
	readBy        deadline
	writeBy       deadline
}

func (c *memConn) Read(p []byte) (int, error) {
	h := c.in
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.buf) == 0 {
		switch {
		case h.closed:
			return 0, io.EOF
		case c.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		}
		h.change.Wait()
	}
	n := copy(p, h.buf)
	h.buf = h.buf[n:]
	if len(h.buf) == 0 {
		h.buf = nil
	}
	h.change.Broadcast()
	return n, nil
}

func (c *memConn) Write(p []byte) (int, error) {
	h := c.out
	h.mu.Lock()
	defer h.mu.Unlock()
	written := 0
	for written < len(p) {
		switch {
		case h.closed:
			return written, io.ErrClosedPipe
		case c.writeBy.passed():
			return written, os.ErrDeadlineExceeded
		}
		if free := halfBytes - len(h.buf); free > 0 {
			n := min(free, len(p)-written)
			h.buf = append(h.buf, p[written:written+n]...)
			written += n
			h.change.Broadcast()
			continue
		}
		h.change.Wait()
	}
	return written, nil
}

func (c *memConn) Close() error {
	c.readBy.set(time.Time{}, c.in)
	c.writeBy.set(time.Time{}, c.out)
	c.in.close()
	c.out.close()
	return nil
}

func (c *memConn) LocalAddr() net.Addr  { return c.local }
func (c *memConn) RemoteAddr() net.Addr { return c.remote }

func (c *memConn) SetDeadline(t time.Time) error {
	c.readBy.set(t, c.in)
	c.writeBy.set(t, c.out)
	return nil
}

func (c *memConn) SetReadDeadline(t time.Time) error {
	c.readBy.set(t, c.in)
	return nil
}

func (c *memConn) SetWriteDeadline(t time.Time) error {
	c.writeBy.set(t, c.out)
	return nil
}
