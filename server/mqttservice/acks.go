package mqttservice

import (
	"github.com/mochi-mqtt/server/v2/packets"
)

// ack is an acknowledgement that waits for what it acknowledges to be durable, and
// for those before it (MQTT-4.6.0-2, -3).
type ack struct {
	packet []byte // empty: none is owed, since the message is not durable
	ready  bool
	qos    byte
}

// expect queues an acknowledgement. Clients before MQTT 5 know no bound of what may
// be on its way; they wait here. It reports whether the connection goes on.
func (s *session) expect(qos byte) (a *ack, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.acks.Len() >= s.server.limits.Window && !s.gone {
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		select {
		case <-room:
		case <-s.closing:
		}
		s.mu.Lock()
	}
	a = &ack{qos: qos}
	s.acks.Push(a)
	if qos == 1 {
		s.unacked++
	}
	return a, !s.gone
}

// settle gives an acknowledgement its packet and lets go what is ready.
func (s *session) settle(a *ack, packet []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.packet, a.ready = packet, true
	for s.acks.Len() > 0 && s.acks.First().ready {
		first := s.acks.Pop()
		if first.qos == 1 {
			s.unacked--
		}
		if len(first.packet) > 0 {
			s.answer(first.packet)
		}
	}
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

// acknowledgement is a PUBACK, PUBREC or PUBCOMP.
func (s *session) acknowledgement(kind byte, id uint16, code byte) []byte {
	return s.encode(packets.Packet{FixedHeader: header(kind), PacketID: id, ReasonCode: code})
}

// crowded reports whether a client of MQTT 5 has more on its way than it was told
// that it may, with one more (MQTT-3.3.4-9).
func (s *session) crowded() bool {
	if s.conn.version < 5 {
		return false
	}
	s.mu.Lock()
	n := s.unacked
	s.mu.Unlock()
	s.sub.mu.Lock()
	defer s.sub.mu.Unlock()
	return n+1+len(s.sub.received) > s.server.limits.Window
}

// exchange is a publish of QoS 2 until its PUBREL.
type exchange struct {
	durable bool
	waiting []func(error) // repetitions that came meanwhile
}

// beginExchange notes the packet ID of a QoS 2 publish and reports whether it is new. If it
// is not, done is told what becomes of the first.
func (b *subscriber) beginExchange(id uint16, done func(error)) (fresh bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.received[id]
	if e == nil {
		if b.received == nil {
			b.received = map[uint16]*exchange{}
		}
		b.received[id] = &exchange{}
		return true
	}
	if e.durable {
		done(nil)
	} else {
		e.waiting = append(e.waiting, done)
	}
	return false
}

// known: a repetition takes no more room.
func (b *subscriber) known(id uint16) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.received[id] != nil
}

// conclude says whether the message is durable. If not, its packet ID is free.
func (b *subscriber) conclude(id uint16, err error) {
	b.mu.Lock()
	e := b.received[id]
	if e == nil {
		b.mu.Unlock()
		return
	}
	if e.durable = err == nil; err != nil {
		delete(b.received, id)
	}
	waiting := e.waiting
	e.waiting = nil
	b.mu.Unlock()
	for _, done := range waiting {
		done(err)
	}
}

// over forgets a packet ID and reports whether there was one.
func (b *subscriber) over(id uint16) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, known := b.received[id]
	delete(b.received, id)
	return known
}

// released takes a PUBREL. It is answered when the packet ID is durably free: the
// client may use it for another message at once.
func (s *session) released(pk *packets.Packet) bool {
	a, ok := s.expect(0)
	id, known := pk.PacketID, s.sub.over(pk.PacketID)
	if known && s.stored {
		s.server.cfg.Store.ForgetReceived(s.sub.key(), id, func(err error) {
			if err != nil {
				s.sub.logged("release of a packet ID not stored")(err)
				s.settle(a, nil)
				return
			}
			s.settle(a, s.acknowledgement(packets.Pubcomp, id, codeSuccess))
		})
		return ok
	}
	code := byte(codeSuccess)
	if !known && s.conn.version == 5 {
		code = codeNoPacketID
	}
	s.settle(a, s.acknowledgement(packets.Pubcomp, id, code))
	return ok
}
