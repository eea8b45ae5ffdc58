package spool

import (
	"errors"
	"log/slog"
	"path/filepath"

	"mooring/internal/durable"
)

// damagedFile keeps the last segment that could not be read whole.
const damagedFile = "damaged"

// Open reads the spool in cfg.Dir, or makes one. One process has it at a time.
//
// A segment that is damaged keeps what is before the damage; the whole file is
// set aside as DIR/damaged, and Stats tells. One that ends in the middle of a
// record is what a power cut leaves, and is as it should be.
func Open(cfg Config) (*Spool, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.MaxBytes = max(cfg.MaxBytes, MinBytes)
	s := &Spool{cfg: cfg, log: cfg.Log, state: state{next: 1}, changed: make(chan struct{})}
	if err := durable.MkdirAll(cfg.FS, cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := durable.RemoveTemporary(cfg.FS, cfg.Dir); err != nil {
		return nil, err
	}
	files, err := cfg.FS.ReadDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	var states []state // the first of each segment
	for _, f := range files {
		number, ok := numberOf(f.Name())
		if !ok || !f.Type().IsRegular() {
			continue
		}
		s.newest = max(s.newest, number)
		g, first, last, ok := s.load(number)
		if !ok {
			continue
		}
		s.segments, states = append(s.segments, g), append(states, first)
		s.take(last)
	}
	s.settle(states)
	return s, nil
}

// take learns from the newest state of a segment; segments come oldest first.
func (s *Spool) take(st state) {
	s.state.done = max(s.state.done, st.done)
	s.state.next = max(s.state.next, st.next)
	if st.dropped.total() >= s.state.dropped.total() {
		s.state.dropped = st.dropped
	}
}

// settle ends each segment where the next one begins, and removes what is dealt
// with.
func (s *Spool) settle(first []state) {
	for i, g := range s.segments {
		if i+1 < len(first) {
			g.next = min(g.next, first[i+1].next)
			g.first = min(g.first, g.next)
		}
		s.state.next = max(s.state.next, g.next)
		s.total += g.size
	}
	s.written, s.synced = s.state, s.state.done
	for range s.dealtWithSegments(s.state.done) {
		s.forget()
	}
}

// load reads one segment, and the first and the last state in it.
func (s *Spool) load(number uint64) (g *segment, first, last state, ok bool) {
	path := s.path(number)
	info, err := s.cfg.FS.Lstat(path)
	if err == nil && info.Size() > maxSegment {
		s.setAside(path, nil)
		return nil, first, last, false
	}
	data, err := s.cfg.FS.ReadFile(path)
	if err != nil {
		s.damaged++
		s.log.Error("a file of the spool cannot be read", "err", err)
		return nil, first, last, false
	}
	g = &segment{number: number}
	rest, states := data, 0
	for len(rest) > 0 {
		r, after, err := next(rest)
		if err == nil && !g.follows(r, states) {
			err = errDamaged
		}
		if errors.Is(err, errDamaged) {
			data = data[:len(data)-len(rest)]
			s.setAside(path, data)
		}
		if err != nil {
			break
		}
		if rest = after; !r.isState {
			g.next = r.entry.Seq + 1
			continue
		}
		if last = r.state; states == 0 {
			first, g.first, g.next = last, last.next, last.next
		}
		states++
	}
	if states == 0 {
		_ = s.cfg.FS.Remove(path) // of a power cut before the first commit; if it stays, it stays empty
	}
	g.size = int64(len(data))
	return g, first, last, states > 0
}

// follows reports whether r may come next: a state first, then messages with
// consecutive numbers.
func (g *segment) follows(r record, states int) bool {
	if states == 0 {
		return r.isState
	}
	return r.isState || r.entry.Seq == g.next
}

// setAside keeps the file at path as it is under another name, and leaves the
// good part of it. Nothing is lost if that cannot be done.
func (s *Spool) setAside(path string, good []byte) {
	s.damaged++
	aside := filepath.Join(s.cfg.Dir, damagedFile)
	s.log.Error("a file of the spool is damaged", "file", path, "kept_as", aside, "good_bytes", len(good))
	if good == nil {
		if err := durable.Rename(s.cfg.FS, path, aside); err != nil {
			s.log.Warn("the damaged file cannot be set aside", "err", err)
		}
		return
	}
	whole, err := s.cfg.FS.ReadFile(path)
	if err == nil {
		err = durable.WriteFile(s.cfg.FS, aside, whole, 0o600)
	}
	if err == nil {
		err = durable.WriteFile(s.cfg.FS, path, good, 0o600)
	}
	if err != nil {
		s.log.Warn("the damaged file cannot be set aside", "err", err)
	}
}
