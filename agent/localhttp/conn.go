package localhttp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

type connKey struct{}

// Conn is the connection a request came on: whoever wants to know the caller
// asks the socket. The context is the request's.
func Conn(ctx context.Context) net.Conn {
	nc, _ := ctx.Value(connKey{}).(net.Conn)
	return nc
}

// conn is one caller.
type conn struct {
	s      *Server
	nc     net.Conn
	header io.LimitedReader // between the socket and in: bounds a header
	in     *bufio.Reader
	out    *bufio.Writer
	ctx    context.Context
	cut    context.CancelFunc // ends the request under way

	mu   sync.Mutex
	busy bool // a request has begun
	gone bool // closed as idle
}

func newConn(ctx context.Context, s *Server, nc net.Conn) *conn {
	c := &conn{s: s, nc: nc, header: io.LimitedReader{R: nc}}
	c.in = bufio.NewReader(&c.header)
	c.out = bufio.NewWriter(nc)
	ctx, cancel := context.WithCancel(context.WithValue(ctx, connKey{}, nc))
	c.ctx, c.cut = ctx, func() { cancel(); _ = nc.Close() }
	return c
}

// closeIfIdle closes a connection on which no request has begun.
func (c *conn) closeIfIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.busy {
		c.gone = true
		_ = c.nc.Close()
	}
}

// begin marks a request as begun, unless the connection was closed before.
func (c *conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = true
	return !c.gone
}

func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
}

// serve answers one request after the other until either side has enough.
func (c *conn) serve(until context.Context) {
	defer c.cut()
	for until.Err() == nil {
		r, err := c.read()
		if err != nil {
			c.refuse(err)
			return
		}
		if !c.answer(until, r) {
			return
		}
		c.end()
	}
}

// read waits for a request and reads its header.
func (c *conn) read() (*http.Request, error) {
	c.header.N = int64(orDefault(c.s.MaxHeader, MaxHeader)) - int64(c.in.Buffered())
	_ = c.nc.SetReadDeadline(time.Now().Add(idleLimit))
	if _, err := c.in.Peek(1); err != nil || !c.begin() {
		return nil, net.ErrClosed
	}
	late := time.Now().Add(headerLimit)
	_ = c.nc.SetReadDeadline(late)
	r, err := http.ReadRequest(c.in)
	switch { // ReadRequest may speak of the line it saw half of
	case err != nil && c.header.N <= 0:
		err = errHeaderTooLong
	case err != nil && !time.Now().Before(late):
		err = os.ErrDeadlineExceeded
	}
	c.header.N = math.MaxInt64
	if err == nil && !isHeader(r.Header) {
		err = errHeader
	}
	return r, err
}

var errHeader = errors.New("a header field that is none")

// isHeader reports whether names are tokens, without a blank before the colon,
// and values hold no control characters (RFC 9110 §5, RFC 9112 §5.1):
// http.ReadRequest lets both pass.
func isHeader(h http.Header) bool {
	for name, values := range h {
		for _, c := range []byte(name) {
			if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
				return false
			}
		}
		for _, value := range values {
			for _, c := range []byte(value) {
				if c < ' ' && c != '\t' || c == 0x7f {
					return false
				}
			}
		}
	}
	return true
}

var errHeaderTooLong = errors.New("header too long")

// refuse answers what is not a request, as far as anybody listens.
func (c *conn) refuse(err error) {
	var status string
	switch {
	case errors.Is(err, errHeaderTooLong):
		status = "431 Request Header Fields Too Large"
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.EOF):
		return
	case errors.Is(err, os.ErrDeadlineExceeded):
		status = "408 Request Timeout"
	default:
		status = "400 Bad Request"
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(headerLimit))
	_, _ = io.WriteString(c.nc, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") // the caller may be gone
}

// answer carries out one request and reports whether the connection can take
// another.
func (c *conn) answer(until context.Context, r *http.Request) bool {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	w := &response{c: c, method: r.Method, header: http.Header{}, old: !r.ProtoAtLeast(1, 1)}
	w.last = r.Close || w.old
	watch := &hangUp{c: c, cancel: cancel}
	b := &body{c: c, w: w, in: r.Body, left: int64(c.s.MaxBody), bounded: c.s.MaxBody > 0, atEnd: watch.start,
		expected: strings.EqualFold(r.Header.Get("Expect"), "100-continue")}
	if r.Body == http.NoBody {
		b.ended = true
		watch.start()
	}
	r.Body = b
	c.s.Handler.ServeHTTP(w, r.WithContext(ctx))
	read := b.drain()
	if !read || until.Err() != nil {
		w.last = true
	}
	watch.stop()
	err := w.finish()
	if err == nil && !read {
		c.linger()
	}
	return err == nil && !w.last
}

// linger lets a caller that still sends read its answer: closing a socket on
// unread bytes may take the answer away with them.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerLimit))
	_, _ = io.CopyN(io.Discard, c.nc, maxDrained) // the caller's end, the bound or the deadline
}

// hangUp ends a request's context when its caller goes away while the answer
// is being made.
type hangUp struct {
	c      *conn
	cancel context.CancelFunc

	mu      sync.Mutex
	stopped bool
	done    chan struct{}
}

// start listens beside the handler, once the body is read: the next byte is of
// a next request, and the end is the end.
func (h *hangUp) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return
	}
	_ = h.c.nc.SetReadDeadline(time.Time{})
	h.done = make(chan struct{})
	go func() {
		defer close(h.done)
		if _, err := h.c.in.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			h.cancel()
		}
	}()
}

func (h *hangUp) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	if h.done != nil {
		_ = h.c.nc.SetReadDeadline(time.Unix(1, 0))
		<-h.done
	}
}
