package spool

import (
	"errors"
	"syscall"

	"mooring/internal/durable"
)

// commit sees to it that the queue and the state get written. The caller holds
// s.mu.
func (s *Spool) commit() {
	if !s.busy {
		s.busy = true
		go s.run()
	}
}

// run commits until there is nothing left to write: what came while one commit
// waited for the disk is the next.
func (s *Spool) run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ok := true; len(s.queue) > 0 || ok && s.due(); {
		ok = s.commitOnce()
	}
	s.busy = false
	s.notify()
}

// due reports whether the state has to be written for its own sake. What was
// dropped is written with the next state, because a full spool must not cost a
// write for each message that it refuses.
func (s *Spool) due() bool { return s.state.done != s.written.done }

// commitOnce writes the head of the queue. The caller holds s.mu, which is free
// while the disk works.
func (s *Spool) commitOnce() bool {
	batch := s.takeBatch()
	if len(batch) == 0 && !s.due() {
		return true
	}
	err := s.write(batch)
	if errors.Is(err, syscall.ENOSPC) && !s.cfg.KeepOldest && s.dropOldest() {
		err = s.write(batch)
	}
	for _, p := range batch {
		p.err = err
		close(p.done)
	}
	if err != nil && len(batch) == 0 { // else who put hears of it
		s.log.Error("the spool cannot be written", "err", err)
	}
	s.notify()
	return err == nil
}

// takeBatch takes what fits off the queue, and makes room for it.
func (s *Spool) takeBatch() (batch []*put) {
	for bytes := int64(stateBytes); len(s.queue) > 0 && bytes < commitBytes; {
		p := s.queue[0]
		s.queue = s.queue[1:]
		bytes += int64(recordHeader + maxBody - MaxMessage + len(p.entry.Topic) + len(p.entry.Payload))
		if !s.makeRoom(bytes) {
			s.state.dropped.Full++
			p.err = ErrFull
			close(p.done)
			continue
		}
		batch = append(batch, p)
	}
	return batch
}

// makeRoom frees what is dealt with, and drops the oldest messages if it may.
func (s *Spool) makeRoom(bytes int64) bool {
	for s.total+bytes > s.cfg.MaxBytes-reserve {
		switch {
		case s.dealtWithSegments(s.state.done) > 0:
			if err := s.write(nil); err != nil {
				return false
			}
		case s.cfg.KeepOldest || !s.dropOldest():
			return false
		}
	}
	return true
}

// write puts the state and a batch into the tail, or into a new one.
func (s *Spool) write(batch []*put) error {
	st, tail := s.state, s.tail
	sync := s.dealtWithSegments(st.done) > 0 || st.done >= s.synced+syncEvery
	var data []byte
	if tail == nil || tail.size >= segmentBytes {
		if tail != nil {
			_ = s.open.Close() // all that was promised is synced
			s.leaveTail()
		}
		s.newest++
		tail, sync = &segment{number: s.newest, first: st.next, next: st.next}, true
	}
	fresh := tail != s.tail
	if fresh || st.done != s.written.done || st.dropped != s.written.dropped {
		data = appendState(data, st)
	}
	for _, p := range batch {
		p.entry.Seq = st.next
		data = appendMessage(data, p.entry)
		sync = sync || p.entry.QoS > 0
		st.next++
	}
	s.mu.Unlock()
	err := s.toDisk(tail.number, fresh, data, sync)
	s.mu.Lock()
	if err != nil {
		s.leaveTail()
		return err
	}
	if s.tail = tail; fresh {
		s.segments = append(s.segments, tail)
	}
	tail.data, tail.size, tail.next = append(tail.data, data...), tail.size+int64(len(data)), st.next
	s.total += int64(len(data))
	s.state.next, s.written = st.next, st
	if sync {
		s.synced = st.done
		for range s.dealtWithSegments(st.done) {
			s.forget()
		}
	}
	return nil
}

// leaveTail makes the next commit begin a segment.
func (s *Spool) leaveTail() {
	if s.tail != nil && s.reading.segment != s.tail {
		s.tail.data = nil
	}
	s.tail = nil
}

// toDisk writes data to the file of a segment. After an error the file is left
// alone: what is in it beyond the last commit has numbers that the next segment
// uses again, and a start ignores it.
func (s *Spool) toDisk(number uint64, fresh bool, data []byte, sync bool) (err error) {
	if fresh {
		if s.open, err = s.cfg.FS.Create(s.path(number), 0o600); err != nil {
			return err
		}
	}
	if _, err = s.open.Write(data); err == nil && sync {
		err = s.open.Sync()
	}
	if err == nil && fresh {
		err = durable.SyncDir(s.cfg.FS, s.cfg.Dir)
	}
	if err != nil {
		_ = s.open.Close() // the first error is the one to tell
		if fresh {
			_ = s.cfg.FS.Remove(s.path(number)) // nothing of it was reported
		}
	}
	return err
}
