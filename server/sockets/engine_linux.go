package sockets

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// maxEvents is how many sockets one look finds; ours. More are found by the next.
const maxEvents = 256

// engine is the kernel's list of sockets, and the goroutine that looks at it. The
// sockets do not stand in the list of package net, whose look would wake the
// process for each packet.
type engine struct {
	poller *Poller
	epoll  int
	stop   [2]int // a pipe; its writing end is closed to end run

	mu      sync.RWMutex // guards the fields below
	sockets map[int32]*socket
	over    bool // epoll is closed
}

// running returns the engine, which it starts if need be; nil if there can be none.
func (p *Poller) running() *engine {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.engine != nil || p.stopped {
		return p.engine
	}
	e := &engine{poller: p, sockets: map[int32]*socket{}}
	var err error
	if e.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return nil
	}
	if err := syscall.Pipe2(e.stop[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		_ = syscall.Close(e.epoll)
		return nil
	}
	if err := e.watch(e.stop[0], syscall.EPOLLIN); err != nil {
		_ = syscall.Close(e.stop[1])
		e.release()
		return nil
	}
	p.engine = e
	go e.run()
	return e
}

// Close ends the Poller. Of sockets that it still has, nothing is heard any more;
// whoever has them closes them, before or after.
func (p *Poller) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.engine != nil && !p.stopped {
		_ = syscall.Close(p.engine.stop[1])
	}
	p.stopped = true
}

func (e *engine) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
	_ = syscall.Close(e.epoll)
	_ = syscall.Close(e.stop[0])
}

func (e *engine) watch(fd int, what uint32) error {
	return syscall.EpollCtl(e.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: what, Fd: int32(fd)})
}

// edgeTriggered is EPOLLET, which package syscall has with the wrong sign.
const edgeTriggered = 1 << 31

// adopt takes a connection over from package net; nil if that cannot be done, and
// then it is as it was.
func (p *Poller) adopt(tcp *net.TCPConn) *socket {
	e := p.running()
	if e == nil {
		return nil
	}
	fd, ok := duplicate(tcp)
	if !ok {
		return nil
	}
	s := &socket{poller: p, engine: e, fd: fd, wake: make(chan struct{}, 1)}
	s.ready.Store(true) // something may have come before
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over || e.watch(fd, syscall.EPOLLIN|syscall.EPOLLOUT|syscall.EPOLLRDHUP|edgeTriggered) != nil {
		_ = syscall.Close(fd)
		return nil
	}
	e.sockets[int32(fd)] = s
	_ = tcp.Close() // its descriptor, not the connection
	return s
}

// duplicate returns a second descriptor of the connection.
func duplicate(tcp *net.TCPConn) (fd int, ok bool) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(old uintptr) {
		n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0)
		fd, ok = int(n), errno == 0
	})
	return fd, ok && err == nil
}

// drop closes the descriptor of a socket that nobody uses any more.
func (e *engine) drop(s *socket) {
	e.mu.Lock()
	delete(e.sockets, int32(s.fd)) // before another connection gets the number
	if !e.over {
		_ = syscall.EpollCtl(e.epoll, syscall.EPOLL_CTL_DEL, s.fd, nil) // closing does it as well
	}
	e.mu.Unlock()
	_ = syscall.Close(s.fd)
}

// run looks at the sockets until the Poller is closed.
func (e *engine) run() {
	defer e.release()
	const forever = -1
	found := make([]syscall.EpollEvent, maxEvents)
	var pace pace
	wait := forever
	for {
		n, err := syscall.EpollWait(e.epoll, found, wait)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			panic("sockets: epoll_wait: " + err.Error()) // of the arguments above none can be wrong
		}
		now := e.poller.now()
		if !e.tell(found[:n], now, &pace) {
			return
		}
		wait = forever
		if n == maxEvents {
			wait = 0
		} else if pace.slow(now) {
			time.Sleep(Quantum)
			wait = 0
		}
	}
}

const (
	somethingToRead = syscall.EPOLLIN | ended
	ended           = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
)

// tell wakes those who wait for what was found. It reports false when the Poller
// is closed.
func (e *engine) tell(found []syscall.EpollEvent, now int64, pace *pace) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, ev := range found {
		s := e.sockets[ev.Fd]
		if s == nil {
			if int(ev.Fd) == e.stop[0] {
				return false
			}
			continue // closed since it was found
		}
		if ev.Events&somethingToRead != 0 {
			pace.note(now - s.heard)
			s.heard = now
			if ev.Events&ended != 0 {
				s.ended.Store(true)
			}
			s.ready.Store(true)
			signal(s.wake)
		}
		if r := s.rest.Load(); r != nil {
			signal(r.wake)
		}
	}
	return true
}
