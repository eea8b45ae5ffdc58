package spool

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// cursor is where the consumer reads on.
type cursor struct {
	segment *segment
	offset  int
	last    uint64 // the message before offset
}

// readAgain is between the attempts to read what a shortage keeps from being read.
const readAgain = time.Second

// Next waits for the first message after number after that is not dealt with.
// Its payload is not to be changed.
func (s *Spool) Next(ctx context.Context, after uint64) (Entry, error) {
	for {
		s.mu.Lock()
		e, found, err := s.find(max(after, s.state.done) + 1)
		changed := s.changed
		s.mu.Unlock()
		if found {
			now, trusted := s.cfg.Now()
			e.Expired = s.cfg.MaxAge > 0 && trusted && e.Trusted && now.Sub(e.At) > s.cfg.MaxAge
			return e, nil
		}
		var again <-chan time.Time
		if err != nil {
			again = time.After(readAgain)
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
			return e, context.Cause(ctx)
		}
	}
}

// find returns the first message from number want on, or the shortage that keeps
// it from being read.
func (s *Spool) find(want uint64) (Entry, bool, error) {
	for _, g := range s.segments {
		if g.waiting(want-1) == 0 {
			continue
		}
		if e, ok, err := s.findIn(g, want); ok || err != nil {
			return e, ok, err
		}
	}
	return Entry{}, false, nil
}

func (s *Spool) findIn(g *segment, want uint64) (Entry, bool, error) {
	c := &s.reading
	if c.segment != g || c.last >= want {
		if c.segment != nil && c.segment != g && c.segment != s.tail {
			c.segment.data = nil
		}
		*c = cursor{segment: g}
	}
	if g.data == nil {
		if err := s.read(g); err != nil {
			return Entry{}, false, err
		}
	}
	for c.offset < len(g.data) {
		r, rest, err := next(g.data[c.offset:])
		if err != nil || !r.isState && r.entry.Seq >= g.next {
			break
		}
		c.offset = len(g.data) - len(rest)
		if r.isState {
			continue
		}
		if c.last = r.entry.Seq; c.last >= want {
			return r.entry, true, nil
		}
	}
	return Entry{}, false, nil
}

// read brings a segment into memory. A shortage is an error; what cannot be read
// for another reason is lost, and said once.
func (s *Spool) read(g *segment) error {
	data, err := s.cfg.FS.ReadFile(s.path(g.number))
	if isShortage(err) {
		if !s.short {
			s.log.Warn("a file of the spool cannot be read for now", "err", err)
		}
		s.short = true
		return err
	}
	s.short = false
	if err == nil {
		g.data = data
		return nil
	}
	s.log.Error("a file of the spool cannot be read", "err", err, "messages", g.waiting(s.state.done))
	s.damaged++
	s.answer(ErrDropped, func(seq uint64) bool { return g.first <= seq && seq < g.next })
	g.first = g.next
	return nil
}

// isShortage reports whether it may go otherwise soon.
func isShortage(err error) bool {
	for _, shortage := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR, syscall.EAGAIN} {
		if errors.Is(err, shortage) {
			return true
		}
	}
	return false
}

// Oldest is when the first message that waits was put; false if none waits or the
// clock was wrong then.
func (s *Spool) Oldest() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, found, _ := s.find(s.state.done + 1) // what a shortage hides has no time
	return e.At, found && e.Trusted
}
