// Package localhttp answers HTTP/1.1 on a socket of this device: for the other
// commands of the agent, and for other programs that run beside it.
//
// Handlers are those of net/http, and net/http's own server would do, were it
// not for 190 KB of program and bounds meant for the open internet. Here each
// connection has one goroutine, a request's header, body and answer have
// bounds in bytes and time, and a caller that hangs up ends its request's
// context.
//
// Not offered: HTTP/2, TLS, upgrades, trailers, pipelining ahead of an answer.
package localhttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"
)

// The bounds of a zero Server.
const (
	// MaxHeader is the default bound of a request line and its header, in bytes.
	MaxHeader = 8 << 10
	// MaxConns is the default bound of connections at once.
	MaxConns = 64
	// headerLimit is how long a header may take from its first byte, and a
	// body or an answer for each piece of it.
	headerLimit = 5 * time.Second
	pieceLimit  = 30 * time.Second
	idleLimit   = 2 * time.Minute
	// lingerLimit is how long an answered caller may go on sending.
	lingerLimit = 500 * time.Millisecond
	// shutdownLimit is what requests under way get at the end.
	shutdownLimit = 2 * time.Second
)

// Server is a handler and its bounds; zero fields are the defaults.
type Server struct {
	Handler   http.Handler
	MaxConns  int // further callers wait in the listener's queue
	MaxHeader int // bytes; a longer header is answered with 431
	MaxBody   int // bytes; reading beyond it is an *http.MaxBytesError. 0: the handler bounds
}

// Serve answers callers of l until ctx ends, then closes l, gives requests
// under way two seconds and cuts them. It returns the error that ended it
// otherwise.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	live := &connections{open: make(map[*conn]struct{})}
	stop := context.AfterFunc(ctx, func() { _ = l.Close(); live.closeIdle() })
	defer stop()
	seats := make(chan struct{}, orDefault(s.MaxConns, MaxConns))
	for {
		nc, err := accept(ctx, l, seats)
		if err != nil {
			live.end()
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		// A request outlives ctx for shutdownLimit, so that it can be answered.
		c := newConn(context.WithoutCancel(ctx), s, nc)
		live.add(ctx, c)
		go func() {
			defer func() { <-seats }()
			defer live.remove(c)
			c.serve(ctx)
		}()
	}
}

// accept takes a seat and waits for who will sit there.
func accept(ctx context.Context, l net.Listener, seats chan<- struct{}) (net.Conn, error) {
	select {
	case seats <- struct{}{}:
		return Accept(ctx, l)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// acceptRetry is between two tries of a system that is short of something.
const acceptRetry = time.Second

// shortages pass: they are no fault of the listener.
var shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}

// Accept waits for the next caller of l, also while the system has no file
// descriptor or no memory for it: a listener that gave up then would be missing
// long after. It fails when ctx ends, and where l is at fault.
func Accept(ctx context.Context, l net.Listener) (net.Conn, error) {
	for {
		nc, err := l.Accept()
		if !slices.ContainsFunc(shortages, func(s error) bool { return errors.Is(err, s) }) {
			return nc, err
		}
		select {
		case <-time.After(acceptRetry):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// connections are those that are open.
type connections struct {
	mu   sync.Mutex
	open map[*conn]struct{}
	all  sync.WaitGroup
}

func (l *connections) add(ctx context.Context, c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = struct{}{}
	l.all.Add(1)
	if ctx.Err() != nil { // it came as the others were told to end
		c.closeIfIdle()
	}
}

func (l *connections) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	l.all.Done()
}

func (l *connections) each(f func(*conn)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		f(c)
	}
}

func (l *connections) closeIdle() { l.each((*conn).closeIfIdle) }

// end gives what is under way its time, then cuts it.
func (l *connections) end() {
	l.closeIdle()
	cut := time.AfterFunc(shutdownLimit, func() { l.each(func(c *conn) { c.cut() }) })
	defer cut.Stop()
	l.all.Wait()
}
