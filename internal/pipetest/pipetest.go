// Package pipetest is a listener in memory whose callers are ends of net.Pipe:
// in a testing/synctest bubble they let the clock run, and every write waits for
// its reader, so that a test knows what has been read.
package pipetest

import "net"

// Listener is a net.Listener. Dial waits until somebody accepts.
type Listener struct {
	calls  chan net.Conn
	closed chan struct{}
	// Wrap stands between the server and its end of a connection; nil: nothing does.
	Wrap func(net.Conn) net.Conn
}

var _ net.Listener = (*Listener)(nil)

// New returns a listener that nobody has called yet.
func New() *Listener { return &Listener{calls: make(chan net.Conn), closed: make(chan struct{})} }

// Dial returns the caller's end.
func (l *Listener) Dial() net.Conn {
	near, far := net.Pipe()
	if l.Wrap != nil {
		far = l.Wrap(far)
	}
	l.calls <- far
	return near
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.calls:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It may be called once.
func (l *Listener) Close() error { close(l.closed); return nil }

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{} }
