package mqttapi

// start makes sure that a pump runs. mu is held.
func (s *session) start() {
	if !s.running {
		s.running = true
		go s.pump()
	}
}

// pump does what there is to do and ends when there is nothing: it writes
// acknowledgements that are ready, then messages, then in turn passes on operations
// and carries out an item, so that neither waits for all of the other. There is at
// most one pump for a session: items are carried out in order.
func (s *session) pump() {
	var buf []byte
	itemNext := false
	for {
		s.mu.Lock()
		buf = s.collect(buf[:0])
		if len(buf) > 0 {
			s.mu.Unlock()
			s.write(buf)
			continue
		}
		if s.hasOrders() && (!itemNext || s.inbox.Len() == 0) {
			s.mu.Unlock()
			s.passOrders()
			itemNext = true
			continue
		}
		itemNext = false
		if s.inbox.Len() > 0 {
			it := s.inbox.Pop()
			s.mu.Unlock()
			s.carryOut(it)
			continue
		}
		s.rest()
		return
	}
}

// rest ends the turn of who has set running. mu is held, and given up.
func (s *session) rest() {
	s.running = false
	drained := s.draining && s.pending == 0
	s.settle()
	s.mu.Unlock()
	if drained {
		s.close()
	}
}

// hasOutput reports whether there is something to write. mu is held.
func (s *session) hasOutput() bool {
	return s.acks.Len() > 0 && s.acks.First().ready || s.out.replies.Len() > 0 || s.out.messages.Len() > 0
}

// maxWrite is how many bytes one write collects; ours, a TLS record.
const maxWrite = 16 << 10

// collect appends what can be written now. mu is held.
func (s *session) collect(buf []byte) []byte {
	for s.acks.Len() > 0 && s.acks.First().ready && len(buf) < maxWrite {
		a := s.acks.Pop()
		buf = append(buf, a.kind<<4, 2, byte(a.packetID>>8), byte(a.packetID))
	}
	return s.out.collect(buf)
}

// write writes whole packets. A peer that cannot be written to is gone.
func (s *session) write(b []byte) {
	if _, err := s.conn.Write(b); err != nil {
		s.close()
		return
	}
	s.wrote()
}

// carryOut does one item and completes it, now or when the store is done.
func (s *session) carryOut(it item) {
	complete := func(err error) { s.complete(it, err) }
	switch it.kind {
	case itemPublish:
		s.apply(inbound{topic: it.topic, payload: it.payload, packetID: it.packetID}, complete)
	case itemStage:
		s.stage(it, complete)
	case itemRelease:
		s.release(it, complete)
	case itemSubscribe:
		complete(s.subscribeAll(it))
	case itemUnsubscribe:
		complete(s.unsubscribeAll(it))
	}
}

// complete ends an item: its acknowledgement is ready, or, if err is set, never
// will be and the connection is closed. It may be called from the store's
// committer and does not block.
func (s *session) complete(it item, err error) {
	if err != nil {
		s.server.stats.commitFailures.Add(1)
		go s.fail(err) // not from here: logging and closing may wait
	}
	s.mu.Lock()
	if it.ack != nil && err == nil {
		it.ack.ready = true
		s.server.stats.acknowledged.Add(1)
		s.toFlush()
	}
	s.pending--
	if s.draining && s.pending == 0 {
		s.start()
	}
	s.settle()
	s.mu.Unlock()
	s.leave(len(it.payload))
}

// fail closes the connection because a publish could not be stored.
func (s *session) fail(err error) {
	s.server.log.Error("publish not stored, connection closed", "tenant", s.place.tenant, "external_id", s.place.device, "err", err)
	s.close()
}
