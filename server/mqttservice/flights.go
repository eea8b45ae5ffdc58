package mqttservice

import (
	"context"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/platform"
)

// Flights: what was written to the client at QoS 1 and 2, and what the store has
// for it.

// acknowledged takes a PUBACK.
func (s *session) acknowledged(pk *packets.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.out.flights[pk.PacketID]; f != nil && f.qos == 1 {
		s.land(pk.PacketID, f)
	}
}

// received takes a PUBREC. That the client has the message is durable before it is
// told to forget its packet ID: else it would get it again after a restart.
func (s *session) received(pk *packets.Packet) {
	id := pk.PacketID
	s.mu.Lock()
	f := s.out.flights[id]
	toStore := false
	switch {
	case f == nil || f.qos != 2:
		code := byte(codeNoPacketID)
		if s.conn.version < 5 {
			code = codeSuccess
		}
		s.answer(s.encode(releaseOf(id, code)))
	case pk.ReasonCode >= codeUnspecified: // the exchange ends here (MQTT 5 §4.3.3)
		s.land(id, f)
	case f.received || f.number == 0:
		f.received = true
		s.answer(s.encode(releaseOf(id, codeSuccess)))
	default:
		toStore = true
	}
	s.mu.Unlock()
	if !toStore {
		return
	}
	s.server.cfg.Store.ReleaseMessage(s.sub.key(), f.number, func(err error) {
		if err != nil { // the client says it again when it comes back
			s.sub.logged("release of a message not stored")(err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		f.received = true
		s.answer(s.encode(releaseOf(id, codeSuccess)))
	})
}

// completed takes a PUBCOMP.
func (s *session) completed(pk *packets.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.out.flights[pk.PacketID]; f != nil && f.qos == 2 && f.received {
		s.land(pk.PacketID, f)
	}
}

// land ends a flight. mu is held.
func (s *session) land(id uint16, f *flight) {
	delete(s.out.flights, id)
	if f.number > 0 {
		s.forget(f.number)
	}
	if s.out.messages.Len() > 0 || s.out.fetched.Len() > 0 || s.out.more {
		s.start()
	}
}

// forget removes a message from the store, together with others that are
// acknowledged while the store is at it. mu is held.
func (s *session) forget(number int64) {
	s.out.acked = append(s.out.acked, number)
	if !s.out.telling {
		s.out.telling = true
		s.tellers.Go(s.tellStore)
	}
}

// tellStore hands over what is acknowledged, until there is nothing. It does not
// hold mu while it calls.
func (s *session) tellStore() {
	for {
		s.mu.Lock()
		numbers := s.out.acked
		s.out.acked, s.out.telling = nil, len(numbers) > 0
		s.mu.Unlock()
		if len(numbers) == 0 {
			return
		}
		done := make(chan error, 1)
		s.server.cfg.Store.ForgetMessages(s.sub.key(), numbers, func(err error) { done <- err })
		if err := <-done; err != nil { // they come again when the client comes back
			s.sub.logged("acknowledged messages not forgotten")(err)
		}
	}
}

// hungry: the store may have something that could be written. mu is held.
func (s *session) hungry() bool {
	return s.out.more && s.stored && !s.gone && s.out.fetched.Len() == 0 && len(s.out.flights) < s.window
}

// nudge tells that the store has more for the client.
func (s *session) nudge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.out.more = true
		s.start()
	}
}

// fetchAgain is how long a connection waits when the store cannot be read; ours.
const fetchAgain = time.Second

// fetch takes messages from the store. mu is held, and is not when it returns.
func (s *session) fetch() {
	after, n := s.out.loaded, s.window-len(s.out.flights)
	s.out.more = false
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), s.server.limits.Write)
	list, err := s.server.cfg.Store.QueuedMessages(ctx, s.sub.key(), after, n)
	cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return
	}
	if err != nil {
		s.sub.logged("messages that wait not read")(err)
		time.AfterFunc(fetchAgain, s.nudge)
		return
	}
	s.out.more = s.out.more || len(list) == n
	for _, q := range list {
		s.out.loaded = q.Number
		s.take(q)
	}
	s.out.unsure = false
}

// take queues a message from the store, or the PUBREL that is owed for it. mu is
// held.
func (s *session) take(q platform.QueuedMessage) {
	id := packetID(q.Number)
	if q.Released {
		s.out.launch(id, &flight{number: q.Number, qos: 2, received: true})
		s.answer(s.encode(releaseOf(id, codeSuccess)))
		return
	}
	m := decodeMessage(q.Body, q.Expires)
	if m == nil {
		s.server.log.Error("stored message not readable", "tenant", s.place.tenant, "external_id", s.place.client, "number", q.Number)
		s.forget(q.Number)
		return
	}
	s.server.stats.delivered.Add(1)
	s.out.fetched.Push(queued{message: m, qos: q.QoS, retain: q.Retained, identifiers: q.Identifiers, number: q.Number,
		dup: s.out.unsure || q.Number <= s.out.before})
}
