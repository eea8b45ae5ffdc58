package mqttapi

import (
	"encoding/binary"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/fifo"
	"mooring/server/platform"
)

// message is a PUBLISH that waits to be written.
type message struct {
	topic   string
	payload []byte
	qos     byte
	order   platform.ID // the operation that it brings; zero: none
}

func (m message) size() int { return len(m.topic) + len(m.payload) }

// outbox is what waits to be written to one connection, and what of it waits to
// be acknowledged. It is guarded by session.mu.
type outbox struct {
	filters  []subscription
	messages fifo.Queue[message]
	bytes    int
	replies  fifo.Queue[[]byte] // SUBACK, UNSUBACK, PUBREL
	lastID   uint16
	unacked  map[uint16]platform.ID // → operation that the message brings, or zero
	// written are operations that go out with QoS 0 in what is being written (pump
	// only), unproven those that went out: what the client sends next tells that it
	// is still there.
	written, unproven []platform.ID

	overflowed bool // the connection is being closed for it
}

// subscription is one filter that was granted.
type subscription struct {
	filter string
	qos    byte
}

// collect appends replies and messages up to maxWrite.
func (o *outbox) collect(buf []byte) []byte {
	for o.replies.Len() > 0 && len(buf) < maxWrite {
		buf = append(buf, o.replies.Pop()...)
	}
	for o.messages.Len() > 0 && len(buf) < maxWrite {
		m := o.messages.Pop()
		o.bytes -= m.size()
		buf = o.appendPublish(buf, m)
	}
	return buf
}

// appendPublish encodes a PUBLISH; retain is never set (mqtt.md §1.9).
func (o *outbox) appendPublish(buf []byte, m message) []byte {
	remaining := 2 + m.size()
	if m.qos > 0 {
		remaining += 2
	}
	buf = append(buf, packets.Publish<<4|m.qos<<1)
	buf = binary.AppendUvarint(buf, uint64(remaining))
	buf = binary.BigEndian.AppendUint16(buf, uint16(len(m.topic)))
	buf = append(buf, m.topic...)
	if m.qos > 0 {
		buf = binary.BigEndian.AppendUint16(buf, o.nextID(m.order))
	} else if m.order != 0 {
		o.written = append(o.written, m.order)
	}
	return append(buf, m.payload...)
}

// nextID finds a packet ID that the peer has acknowledged. The number of those it
// has not is bounded by room.
func (o *outbox) nextID(order platform.ID) uint16 {
	if o.unacked == nil {
		o.unacked = map[uint16]platform.ID{}
	}
	for {
		o.lastID++
		if _, taken := o.unacked[o.lastID]; o.lastID != 0 && !taken {
			o.unacked[o.lastID] = order
			return o.lastID
		}
	}
}

// room reports whether one more message of n bytes is within the limits. A
// message that is written but not acknowledged still counts as one.
func (o *outbox) room(n, messages, bytes int) bool {
	return o.messages.Len()+len(o.unacked) < messages && o.bytes+n <= bytes
}

// granted returns the QoS under which a topic is subscribed, the highest of all
// filters that match it (MQTT-3.3.5-1).
func (o *outbox) granted(topic string) (qos byte, ok bool) {
	for _, f := range o.filters {
		if f.filter == topic || f.filter == filterCustom && strings.HasPrefix(topic, topicCustom) {
			qos, ok = max(qos, f.qos), true
		}
	}
	return qos, ok
}

// deliver queues a message for the topic, if the client has subscribed it. Where
// one publish asks for more than there is room for, what waits is written first.
// If that makes no room the connection is closed: what matters is kept elsewhere
// and sent again on request. Only the pump calls it, and who carries out a will.
func (s *session) deliver(topic string, payload []byte) { s.deliverAs(topic, payload, 0) }

// deliverAs is deliver for a message of which arrived is to hear.
func (s *session) deliverAs(topic string, payload []byte, order platform.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	qos, ok := s.out.granted(topic)
	if !ok {
		return
	}
	m := message{topic: topic, payload: payload, qos: qos, order: order}
	room := func() bool {
		return s.out.room(m.size(), s.server.limits.OutboundMessages, s.server.limits.OutboundBytes)
	}
	if !room() {
		s.writeOut()
	}
	if !room() {
		if !s.out.overflowed {
			s.out.overflowed = true
			s.server.stats.overflows.Add(1)
			s.server.log.Warn("connection closed because it does not read", "tenant", s.place.tenant, "external_id", s.place.device)
			go s.close()
		}
		return
	}
	s.push(m)
}

// writeOut writes what waits. mu is held, and given up meanwhile.
func (s *session) writeOut() {
	for {
		select {
		case <-s.closing:
			return // there is no pump any more, or it will see
		default:
		}
		buf := s.collect(nil)
		if len(buf) == 0 {
			return
		}
		s.mu.Unlock()
		s.write(buf)
		s.mu.Lock()
	}
}

// push queues a message. mu is held.
func (s *session) push(m message) {
	s.out.messages.Push(m)
	s.out.bytes += m.size()
	s.server.stats.delivered.Add(1)
	s.start()
}

// reply queues an answer that is bound to no order.
func (s *session) reply(b []byte) {
	s.mu.Lock()
	s.out.replies.Push(b)
	s.start()
	s.mu.Unlock()
}

// acknowledged takes a PUBACK or PUBCOMP.
func (s *session) acknowledged(packetID uint16) {
	s.mu.Lock()
	order := s.out.unacked[packetID]
	delete(s.out.unacked, packetID)
	s.orders.full = false
	if s.hasOrders() {
		s.start() // there is room again
	}
	s.mu.Unlock()
	if order != 0 {
		s.arrived(order)
	}
}

// received answers a PUBREC: the second half of a delivery with QoS 2. A PUBREC
// for nothing that was sent gets no answer, and a peer that sends them without
// reading the answers is cut off.
func (s *session) received(packetID uint16) {
	s.mu.Lock()
	_, known := s.out.unacked[packetID]
	full := s.out.replies.Len() >= s.server.limits.OutboundMessages
	s.mu.Unlock()
	switch {
	case !known:
	case full:
		s.close()
	default:
		s.reply([]byte{packets.Pubrel<<4 | 2, 2, byte(packetID >> 8), byte(packetID)})
	}
}
