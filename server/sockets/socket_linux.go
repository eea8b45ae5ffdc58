package sockets

import (
	"io"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// socket is a descriptor that the Poller waits for. Its system calls never block.
type socket struct {
	poller *Poller
	engine *engine
	fd     int
	refs   atomic.Int32 // system calls under way; negative: closed
	heard  int64        // poller only: when it last had something to read

	ready atomic.Bool   // there may be something to read
	ended atomic.Bool   // the peer has ended its side, or the connection is broken
	wake  chan struct{} // one slot: the reader is to look again
	rest  atomic.Pointer[rest]

	writeBy atomic.Int64 // since the Poller's start; 0: no deadline

	mu       sync.Mutex // guards the fields below
	readBy   int64      // as writeBy
	armed    int64      // when timer fires; 0: it does not
	timer    *time.Timer
	expired  bool
	writeErr error // what became of a rest
}

// rest is what Writes have left.
type rest struct {
	wake chan struct{} // one slot: there may be room
	done chan struct{} // closed when it is over

	mu    sync.Mutex // guards the fields below
	bytes []byte
	over  bool // written, or given up
}

// keep adds b, if that is within the bound.
func (r *rest) keep(b []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || len(r.bytes)+len(b) > MaxKept {
		return false
	}
	r.bytes = append(r.bytes, b...)
	return true
}

// gone is added to refs when the socket is closed.
const gone = math.MinInt32

// hold keeps the descriptor from being closed, and used for another connection,
// until let is called. It reports false when the socket is closed.
func (s *socket) hold() bool {
	for {
		n := s.refs.Load()
		if n < 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *socket) let() {
	if s.refs.Add(-1) == gone {
		s.engine.drop(s)
	}
}

func (s *socket) close() error {
	for {
		n := s.refs.Load()
		if n < 0 {
			return net.ErrClosed
		}
		if !s.refs.CompareAndSwap(n, n+gone) {
			continue
		}
		if n == 0 {
			s.engine.drop(s)
		}
		break
	}
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	signal(s.wake)
	if r := s.rest.Load(); r != nil {
		signal(r.wake)
	}
	return nil
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// read waits for something and reads it. The kernel tells of what comes once; a
// read that leaves nothing behind clears ready before it looks, so that what
// comes meanwhile sets it again.
func (s *socket) read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		if s.ready.Swap(false) {
			n, err := s.readNow(b)
			if err != syscall.EAGAIN {
				if n == len(b) || s.ended.Load() {
					s.ready.Store(true)
				}
				return n, err
			}
		}
		if s.refs.Load() < 0 {
			return 0, net.ErrClosed
		}
		if s.isExpired() {
			return 0, os.ErrDeadlineExceeded
		}
		<-s.wake
	}
}

func (s *socket) readNow(b []byte) (int, error) {
	if !s.hold() {
		return 0, net.ErrClosed
	}
	defer s.let()
	for {
		n, err := syscall.Read(s.fd, b)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return 0, err
		case err != nil:
			return 0, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", err)}
		case n == 0:
			s.ended.Store(true)
			return 0, io.EOF
		}
		return n, nil
	}
}

// write writes what goes at once and keeps the rest. One goroutine writes at a
// time.
func (s *socket) write(b []byte) (int, error) {
	if r := s.rest.Load(); r != nil {
		if r.keep(b) {
			return len(b), nil
		}
		if err := s.await(r); err != nil {
			return 0, err
		}
	}
	if err := s.failure(); err != nil {
		return 0, err
	}
	n, err := s.writeNow(b)
	if err != nil {
		return n, err
	}
	if n < len(b) {
		r := &rest{bytes: append([]byte(nil), b[n:]...), wake: make(chan struct{}, 1), done: make(chan struct{})}
		s.rest.Store(r)
		go s.finish(r)
	}
	return len(b), nil
}

// await waits until a rest is over.
func (s *socket) await(r *rest) error {
	var late <-chan time.Time
	if by := s.writeBy.Load(); by != 0 {
		t := time.NewTimer(time.Duration(by - s.poller.now()))
		defer t.Stop()
		late = t.C
	}
	select {
	case <-r.done:
		return nil
	case <-late:
		return os.ErrDeadlineExceeded
	}
}

// failure is what became of the last rest.
func (s *socket) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeErr
}

// writeNow writes as much as the kernel takes.
func (s *socket) writeNow(b []byte) (n int, err error) {
	if !s.hold() {
		return 0, net.ErrClosed
	}
	defer s.let()
	for n < len(b) {
		k, err := syscall.Write(s.fd, b[n:])
		switch err {
		case nil:
			n += k
		case syscall.EINTR:
		case syscall.EAGAIN:
			return n, nil
		default:
			return n, &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", err)}
		}
	}
	return n, nil
}

// finish writes a rest as the peer reads. It looks once before it waits: there
// may have been room since Write looked and before the Poller knew of r.
func (s *socket) finish(r *rest) {
	late := time.NewTimer(s.poller.writeLimit)
	defer late.Stop()
	for {
		taken, over := s.pass(r)
		if over {
			return
		}
		if taken {
			late.Reset(s.poller.writeLimit)
		}
		select {
		case <-r.wake:
		case <-late.C:
			s.giveUp(r, os.ErrDeadlineExceeded)
			return
		}
	}
}

// pass writes what goes of a rest and reports whether that was anything, and
// whether the rest is over.
func (s *socket) pass(r *rest) (taken, over bool) {
	r.mu.Lock()
	n, err := s.writeNow(r.bytes)
	r.bytes = r.bytes[n:]
	r.over = err == nil && len(r.bytes) == 0
	if r.over {
		s.rest.Store(nil)
		close(r.done)
	}
	r.mu.Unlock()
	if err != nil {
		s.giveUp(r, err)
		return false, true
	}
	return n > 0, r.over
}

// giveUp ends a rest and with it the connection: the reader hears of it.
func (s *socket) giveUp(r *rest, err error) {
	s.mu.Lock()
	s.writeErr = err
	s.mu.Unlock()
	r.mu.Lock()
	r.over, r.bytes = true, nil
	s.rest.Store(nil)
	close(r.done)
	r.mu.Unlock()
	_ = s.close() // it may be closed already
}

// setReadDeadline has a timer fire no later than t. It is set anew only when it
// has fired too early, so that pushing the deadline on costs nothing.
func (s *socket) setReadDeadline(t time.Time) {
	by := s.poller.since(t)
	s.mu.Lock()
	s.readBy, s.expired = by, false
	if by != 0 && (s.armed == 0 || s.armed > by) {
		s.arm(by)
	}
	s.mu.Unlock()
}

// arm has the timer fire at by. mu is held.
func (s *socket) arm(by int64) {
	d := time.Duration(by - s.poller.now())
	s.armed = by
	if s.timer == nil {
		s.timer = time.AfterFunc(d, s.fired)
	} else {
		s.timer.Reset(d)
	}
}

func (s *socket) fired() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = 0
	switch {
	case s.readBy == 0 || s.refs.Load() < 0:
	case s.poller.now() < s.readBy:
		s.arm(s.readBy)
	default:
		s.expired = true
		signal(s.wake)
	}
}

func (s *socket) isExpired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expired
}
