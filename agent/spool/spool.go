// Package spool keeps messages on disk until the server has acknowledged them:
// a queue, first in first out, that survives restarts and power cuts.
//
// What Put has returned for is delivered at least once and in order, unless the
// spool says that it dropped it. The one consumer takes messages with Next and
// reports on them, in order, with Done or Drop; that is written down at once and
// synced with the next Put, so that a killed process repeats only what was under
// way, and a power cut what was reported in one segment at most.
//
// On disk the queue is a directory of segments, small files that are written
// once from front to back and removed when all their messages are dealt with: a
// Put costs the flash one append and one sync, which calls at the same time
// share. Nothing is ever rewritten.
package spool

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"mooring/internal/durable"
	"mooring/internal/problem"
)

const (
	// MinBytes is the smallest bound of a spool: four segments, and what one
	// commit may put on top.
	MinBytes = 256 << 10
	// segmentBytes is when a segment is full; commitBytes how much is written
	// at once. One segment is read into memory whole.
	segmentBytes = 48 << 10
	commitBytes  = 32 << 10
	// syncEvery is how many messages are dealt with before that is synced, if no
	// Put or new segment does it before, and so what a power cut repeats at most.
	syncEvery = 256
	// reserve is room for the states that are written while one segment is dealt
	// with, 20 bytes for each of its messages.
	reserve = 32 << 10
	// maxSegment is more than a segment can have.
	maxSegment = segmentBytes + commitBytes + 2*maxBody
)

var (
	// ErrFull is the error of Put if there is no room and nothing old may go.
	ErrFull = problem.New(problem.TooMany, "the spool is full", nil)
	// ErrDropped is the error of Wait if the message was given up.
	ErrDropped = problem.New(problem.Unavailable, "the message was dropped from the spool", nil)

	errClosed = problem.New(problem.Unavailable, "the spool is closed", nil)
)

// Config says where the spool is and what may be in it.
type Config struct {
	FS  durable.FS
	Dir string // is created if its parent exists

	// MaxBytes bounds the files together; at least MinBytes.
	MaxBytes int64
	// KeepOldest refuses new messages when there is no room; else the oldest go,
	// a segment at a time.
	KeepOldest bool
	// MaxAge is when a message is too old to be sent; zero: never.
	MaxAge time.Duration
	// Now is the time, and whether it is known to be right. Only messages that
	// were put and are taken at such times have an age.
	Now func() (time.Time, bool)
	Log *slog.Logger // nil discards
}

// Stats is how the spool is.
type Stats struct {
	Messages uint64  `json:"messages"` // that wait
	Bytes    int64   `json:"bytes"`    // of all files
	Dropped  Dropped `json:"dropped"`
	// Damaged counts segments that could not be read whole since the start.
	Damaged int `json:"damaged"`
}

// Spool is a queue on disk. Its methods may be called at the same time.
type Spool struct {
	cfg Config
	log *slog.Logger

	mu       sync.Mutex // guards what follows
	segments []*segment // oldest first
	state    state
	written  state  // as the newest segment has it
	synced   uint64 // done that a power cut does not take back
	total    int64  // bytes of all segments
	damaged  int
	reading  cursor
	short    bool   // the last file could not be read for want of something
	queue    []*put // what the next commits write
	busy     bool   // a goroutine commits
	closed   bool
	waiters  []waiter
	changed  chan struct{} // closed when a message comes, is dealt with, or a commit ends
	newest   uint64        // number of the newest segment
	tail     *segment      // the newest, if this process made it and can go on

	open durable.File // of the tail; the committing goroutine's
}

// put is a message on its way to the disk.
type put struct {
	entry Entry
	done  chan struct{}
	err   error // once done
}

type waiter struct {
	seq    uint64
	result chan error
}

// Put writes a message down and returns its number. With quality of service 1 it
// is on the disk then; with 0 a power cut may take it. The payload is not used
// after the call.
//
// Errors: problem.TooLarge, ErrFull, those of the file system; after one of the
// last the message may be there after a restart, if nothing was put since.
func (s *Spool) Put(m Message) (uint64, error) {
	if len(m.Topic)+len(m.Payload) > MaxMessage || m.QoS > 1 {
		return 0, problem.New(problem.TooLarge, "the message is longer than 16384 bytes with its topic", nil)
	}
	p := &put{entry: Entry{Message: m}, done: make(chan struct{})}
	now, trusted := s.cfg.Now()
	p.entry.At, p.entry.Trusted = now, trusted
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return 0, errClosed
	}
	s.queue = append(s.queue, p)
	s.commit()
	s.mu.Unlock()
	<-p.done
	return p.entry.Seq, p.err
}

// Done says that all messages up to seq arrived.
func (s *Spool) Done(seq uint64) { s.dealtWith(seq, nil, nil) }

// Why is a reason to drop a message.
type Why int

// The reasons.
const (
	Expired Why = iota
	Refused     // the server would not take it
)

// Drop gives up one message. Those before it are dealt with.
func (s *Spool) Drop(seq uint64, why Why) {
	s.dealtWith(seq, ErrDropped, func(d *Dropped) {
		if why == Expired {
			d.Expired++
		} else {
			d.Refused++
		}
	})
}

func (s *Spool) dealtWith(seq uint64, result error, count func(*Dropped)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq <= s.state.done || seq >= s.state.next {
		return // it was given up meanwhile, to make room
	}
	if count != nil {
		count(&s.state.dropped)
	}
	s.advance(seq, result)
	if !s.closed {
		s.commit()
	}
}

// advance moves done and tells who waits. The caller holds s.mu.
func (s *Spool) advance(seq uint64, result error) {
	s.state.done = max(s.state.done, seq)
	s.answer(result, func(waits uint64) bool { return waits <= seq })
	s.notify()
}

// answer tells who waits for the messages of which meant is true. The caller
// holds s.mu.
func (s *Spool) answer(result error, meant func(seq uint64) bool) {
	kept := s.waiters[:0]
	for _, w := range s.waiters {
		if meant(w.seq) {
			w.result <- result
			continue
		}
		kept = append(kept, w)
	}
	s.waiters = kept
}

func (s *Spool) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Wait returns when message seq has arrived, with ErrDropped if it was given up.
func (s *Spool) Wait(ctx context.Context, seq uint64) error {
	s.mu.Lock()
	if seq <= s.state.done {
		s.mu.Unlock()
		return nil
	}
	w := waiter{seq, make(chan error, 1)}
	s.waiters = append(s.waiters, w)
	s.mu.Unlock()
	select {
	case err := <-w.result:
		return err
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		for i := range s.waiters {
			if s.waiters[i] == w {
				s.waiters = append(s.waiters[:i], s.waiters[i+1:]...)
				break
			}
		}
		return context.Cause(ctx)
	}
}

// Stats tells how the spool is.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats()
}

func (s *Spool) stats() Stats {
	st := Stats{Bytes: s.total, Dropped: s.state.dropped, Damaged: s.damaged}
	for _, g := range s.segments {
		st.Messages += g.waiting(s.state.done)
	}
	return st
}

// Close ends the spool after what is under way. What is in it stays.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for s.busy {
		changed := s.changed
		s.mu.Unlock()
		<-changed
		s.mu.Lock()
	}
	if s.tail == nil {
		return nil
	}
	err := s.write(nil)
	if s.tail == nil {
		return err
	}
	s.tail = nil
	return errors.Join(err, s.open.Sync(), s.open.Close())
}
