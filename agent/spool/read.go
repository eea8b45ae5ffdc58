package spool

import (
	"context"
	"time"
)

// cursor is where the consumer reads on.
type cursor struct {
	segment *segment
	offset  int
	last    uint64 // the message before offset
}

// Next waits for the first message after number after that is not dealt with.
// Its payload is not to be changed.
func (s *Spool) Next(ctx context.Context, after uint64) (Entry, error) {
	for {
		s.mu.Lock()
		e, found := s.find(max(after, s.state.done) + 1)
		changed := s.changed
		s.mu.Unlock()
		if found {
			now, trusted := s.cfg.Now()
			e.Expired = s.cfg.MaxAge > 0 && trusted && e.Trusted && now.Sub(e.At) > s.cfg.MaxAge
			return e, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return e, context.Cause(ctx)
		}
	}
}

// find returns the first message from number want on.
func (s *Spool) find(want uint64) (Entry, bool) {
	for _, g := range s.segments {
		if g.waiting(want-1) == 0 {
			continue
		}
		if e, ok := s.findIn(g, want); ok {
			return e, true
		}
	}
	return Entry{}, false
}

func (s *Spool) findIn(g *segment, want uint64) (Entry, bool) {
	c := &s.reading
	if c.segment != g || c.last >= want {
		if c.segment != nil && c.segment != g && c.segment != s.tail {
			c.segment.data = nil
		}
		*c = cursor{segment: g}
	}
	if g.data == nil {
		data, err := s.cfg.FS.ReadFile(s.path(g.number))
		if err != nil {
			s.log.Error("a file of the spool cannot be read", "err", err)
			return Entry{}, false
		}
		g.data = data
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
			return r.entry, true
		}
	}
	return Entry{}, false
}

// Oldest is when the first message that waits was put; false if none waits or the
// clock was wrong then.
func (s *Spool) Oldest() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, found := s.find(s.state.done + 1)
	return e.At, found && e.Trusted
}
