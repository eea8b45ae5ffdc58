package spool

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

const suffix = ".spool"

// segment is one file. Its messages have consecutive numbers.
type segment struct {
	number uint64
	size   int64
	first  uint64 // the first message; first == next: there is none
	next   uint64 // after the last one
	data   []byte // nil: not in memory
}

// waiting is how many messages are not dealt with.
func (g *segment) waiting(done uint64) uint64 {
	from := max(g.first, done+1)
	if from >= g.next {
		return 0
	}
	return g.next - from
}

func (s *Spool) path(number uint64) string {
	return filepath.Join(s.cfg.Dir, fmt.Sprintf("%016x%s", number, suffix))
}

// numberOf reads the name of a segment.
func numberOf(name string) (uint64, bool) {
	hex, ok := strings.CutSuffix(name, suffix)
	if !ok || len(hex) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(hex, 16, 64)
	return n, err == nil
}

// forget takes the oldest segment away. The caller holds s.mu.
func (s *Spool) forget() {
	g := s.segments[0]
	s.segments = append(s.segments[:0:0], s.segments[1:]...)
	s.total -= g.size
	if err := s.cfg.FS.Remove(s.path(g.number)); err != nil {
		s.log.Warn("a file of the spool cannot be removed", "err", err) // the next start tries again
	}
}

// dropOldest makes room by giving up the oldest segment. The caller holds s.mu.
func (s *Spool) dropOldest() bool {
	if len(s.segments) < 2 && (len(s.segments) == 0 || s.segments[0] == s.tail) {
		return false
	}
	g := s.segments[0]
	if n := g.waiting(s.state.done); n > 0 {
		s.state.dropped.Full += n
		s.advance(g.next-1, ErrDropped)
		s.log.Warn("the spool is full: the oldest messages are dropped", "messages", n)
	}
	s.forget()
	return true
}

// dealtWithSegments counts the segments that are not needed any more once done
// is on the disk. The tail is: it has the state.
func (s *Spool) dealtWithSegments(done uint64) int {
	n := 0
	for n < len(s.segments)-1 && s.segments[n].waiting(done) == 0 {
		n++
	}
	return n
}
