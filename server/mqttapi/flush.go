package mqttapi

import "sync"

// flusher writes the acknowledgements that a commit makes ready. A commit on a
// busy server makes those of many connections ready at once; one goroutine that
// writes them one after the other costs a fraction of one for each. It never waits
// for a peer: a connection that might make it do so gets a pump.
type flusher struct {
	mu       sync.Mutex // guards the fields below; taken after session.mu
	sessions []*session
	running  bool
}

// toFlush has the flusher write what is ready, unless a pump runs, which does. It
// does not block. mu is held.
func (s *session) toFlush() {
	if s.running || s.flushing {
		return
	}
	if s.draining || !s.conn.free() {
		s.start()
		return
	}
	s.flushing = true
	f := &s.server.flusher
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sessions = append(f.sessions, s)
	if !f.running {
		f.running = true
		go f.run()
	}
}

// run flushes sessions until there are none.
func (f *flusher) run() {
	buf := make([]byte, 0, 64)
	var batch []*session
	for {
		f.mu.Lock()
		batch, f.sessions = f.sessions, batch[:0]
		f.running = len(batch) > 0
		f.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for _, s := range batch {
			buf = s.flush(buf)
		}
		clear(batch)
	}
}

// flush writes what is ready, if that needs no waiting and nobody else does.
func (s *session) flush(buf []byte) []byte {
	s.mu.Lock()
	s.flushing = false
	if s.running {
		s.mu.Unlock()
		return buf
	}
	if s.inbox.Len() > 0 || !s.conn.free() {
		s.start()
		s.mu.Unlock()
		return buf
	}
	s.running = true
	buf = s.collect(buf[:0])
	s.mu.Unlock()
	if len(buf) > 0 {
		s.write(buf)
	}
	s.pass()
	return buf
}

// pass ends the turn of who is no pump; what there is to do is left to one, and
// what there is to write to the flusher.
func (s *session) pass() {
	s.mu.Lock()
	if s.inbox.Len() > 0 || s.hasOrders() {
		s.mu.Unlock()
		go s.pump()
		return
	}
	if s.hasOutput() {
		s.running = false
		s.toFlush()
		s.mu.Unlock()
		return
	}
	s.rest()
}
