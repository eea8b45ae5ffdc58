package sockets

import (
	"sync"
	"time"
)

// Poller waits for sockets.
type Poller struct {
	writeLimit time.Duration
	start      time.Time // all times are nanoseconds since then

	mu      sync.Mutex // guards the fields below
	engine  *engine    // nil until the first socket
	stopped bool
}

// New returns a Poller that does nothing until it has a socket. A peer has
// writeLimit to take what a Write has left.
func New(writeLimit time.Duration) *Poller {
	return &Poller{writeLimit: writeLimit, start: time.Now()}
}

func (p *Poller) now() int64 { return int64(time.Since(p.start)) }

// since is t in the Poller's time: 0 is no time, and what has passed is 1 at least.
func (p *Poller) since(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(int64(t.Sub(p.start)), 1)
}
