package mqttapi_test

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// newPipe returns two ends of a connection with a buffer each way, which net.Pipe
// has not and TLS with sessions needs. In a synctest bubble a wait on it is durable.
func newPipe() (a, b net.Conn) {
	x, y := newHalf(), newHalf()
	return &end{in: x, out: y}, &end{in: y, out: x}
}

// half is one direction.
type half struct {
	mu       sync.Mutex
	changed  *sync.Cond
	buf      []byte
	limit    int // bytes that fit; writes wait for room
	closed   bool
	deadline time.Time // of the reader
	write    time.Time // of the writer
	timers   [2]*time.Timer
}

func newHalf() *half {
	h := &half{limit: 256 << 10}
	h.changed = sync.NewCond(&h.mu)
	return h
}

func (h *half) wait(deadline *time.Time, ready func() bool) error {
	for !ready() {
		if !deadline.IsZero() && !time.Now().Before(*deadline) {
			return os.ErrDeadlineExceeded
		}
		h.changed.Wait()
	}
	return nil
}

func (h *half) setDeadline(i int, field *time.Time, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*field = t
	if h.timers[i] != nil {
		h.timers[i].Stop()
		h.timers[i] = nil
	}
	if !t.IsZero() {
		h.timers[i] = time.AfterFunc(time.Until(t), func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.changed.Broadcast()
		})
	}
	h.changed.Broadcast()
}

func (h *half) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, t := range h.timers {
		if t != nil {
			t.Stop()
		}
	}
	h.changed.Broadcast()
}

// end is one side.
type end struct{ in, out *half }

func (e *end) Read(b []byte) (int, error) {
	h := e.in
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.wait(&h.deadline, func() bool { return len(h.buf) > 0 || h.closed }); err != nil {
		return 0, err
	}
	if len(h.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(b, h.buf)
	h.buf = h.buf[n:]
	h.changed.Broadcast()
	return n, nil
}

func (e *end) Write(b []byte) (n int, err error) {
	h := e.out
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(b) > 0 {
		if err := h.wait(&h.write, func() bool { return len(h.buf) < h.limit || h.closed }); err != nil {
			return n, err
		}
		if h.closed {
			return n, errors.New("broken pipe")
		}
		k := min(len(b), h.limit-len(h.buf))
		h.buf = append(h.buf, b[:k]...)
		b, n = b[k:], n+k
		h.changed.Broadcast()
	}
	return n, nil
}

func (e *end) Close() error {
	e.in.close()
	e.out.close()
	return nil
}

func (e *end) SetDeadline(t time.Time) error {
	_ = e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}
func (e *end) SetReadDeadline(t time.Time) error { e.in.setDeadline(0, &e.in.deadline, t); return nil }
func (e *end) SetWriteDeadline(t time.Time) error {
	e.out.setDeadline(1, &e.out.write, t)
	return nil
}
func (*end) LocalAddr() net.Addr  { return address("127.0.0.1:8883") }
func (*end) RemoteAddr() net.Addr { return address("192.0.2.1:40000") }
