package sqlstore

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// command is one write on its way to a writer.
type command struct {
	ctx  context.Context // ended before the command's turn: it is not carried out
	size int             // bytes it holds in memory, roughly
	run  func(*session) error
	done func(error)
	err  error // the answer, once it is known
}

// queue holds commands in the order in which they came.
type queue struct {
	maxCommands, maxBytes int
	wake                  chan struct{} // one slot: something is there
	closing               chan struct{} // closed by close

	mu      sync.Mutex // guards what follows
	pending []*command
	bytes   int
	closed  bool
	enough  int // so many must wait before wake is signalled; 0 is 1
}

func newQueue(maxCommands, maxBytes int) *queue {
	return &queue{maxCommands: maxCommands, maxBytes: maxBytes, wake: make(chan struct{}, 1), closing: make(chan struct{})}
}

// put appends c. A full queue keeps a refused c in its place without what it
// wanted to write, so that its answer does not overtake those before it. Only
// when as many refusals wait as commands may is an error returned.
func (q *queue) put(c *command) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return unavailable(errClosed)
	case len(q.pending) >= 2*q.maxCommands:
		return unavailable(errQueueFull)
	case len(q.pending) >= q.maxCommands, q.bytes+c.size > q.maxBytes:
		c.err, c.run, c.size = unavailable(errQueueFull), nil, 0
	}
	q.pending = append(q.pending, c)
	q.bytes += c.size
	if len(q.pending) >= q.enough {
		q.signal()
	}
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take waits for commands and returns the first ones, at most maxCommands and,
// but for a single one, at most maxBytes. After close it returns what is left,
// then nothing.
func (q *queue) take(maxCommands, maxBytes int) []*command {
	for {
		if batch, closed := q.cut(maxCommands, maxBytes); len(batch) > 0 || closed {
			return batch
		}
		<-q.wake
		runtime.Gosched() // who can run may have something for the same commit
	}
}

func (q *queue) cut(maxCommands, maxBytes int) (batch []*command, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.pending) && n < maxCommands {
		if size := q.pending[n].size; n > 0 && bytes+size > maxBytes {
			break
		}
		bytes += q.pending[n].size
		n++
	}
	batch = append(batch, q.pending[:n]...)
	q.pending = append(q.pending[:0], q.pending[n:]...)
	clear(q.pending[len(q.pending):min(cap(q.pending), len(q.pending)+n)])
	q.bytes -= bytes
	return batch, q.closed
}

// gather waits until n commands wait, the queue is closed or the time is over.
func (q *queue) gather(n int, patience time.Duration) {
	t := time.NewTimer(patience)
	defer t.Stop()
	q.mu.Lock()
	q.enough = n
	q.mu.Unlock()
	for q.len() < n {
		select {
		case <-q.wake: // it may be of a command that has been taken
			continue
		case <-t.C:
		case <-q.closing:
		}
		break
	}
	q.mu.Lock()
	q.enough = 0
	if len(q.pending) > 0 {
		q.signal()
	}
	q.mu.Unlock()
}

// len is how many commands wait.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.pending)
}

// close lets nothing in any more.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		close(q.closing)
	}
	q.closed = true
	q.signal()
}
