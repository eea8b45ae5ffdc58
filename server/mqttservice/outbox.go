package mqttservice

import (
	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/fifo"
)

// message is what somebody published. It is shared by all who hear it and not
// changed.
type message struct {
	topic      string
	payload    []byte
	qos        byte
	properties packets.Properties // that are passed on
}

// passedOn are the properties that reach a subscriber of MQTT 5: those of the
// message, none of its way here. The expiry is not looked at (vendor's documents).
func passedOn(p *packets.Properties) packets.Properties {
	return packets.Properties{
		PayloadFormat: p.PayloadFormat, PayloadFormatFlag: p.PayloadFormatFlag, ContentType: p.ContentType,
		ResponseTopic: p.ResponseTopic, CorrelationData: p.CorrelationData, User: p.User,
	}
}

// queued is a message on its way to one client.
type queued struct {
	*message
	qos byte
}

func (q queued) size() int { return len(q.topic) + len(q.payload) + messageOverhead }

// messageOverhead is what a message holds besides its texts, roughly.
const messageOverhead = 128

// outbox is what waits to be written to one client. It is guarded by session.mu.
type outbox struct {
	control  fifo.Queue[[]byte]
	messages fifo.Queue[queued]
	bytes    int
	lastID   uint16
	unacked  map[uint16]struct{}
}

// deliver queues a message for the client. Nobody waits for a client: one that
// does not read loses messages of QoS 0, and its connection when it wants QoS 1.
func (s *session) deliver(m *message, qos byte) {
	q := queued{m, min(m.qos, qos)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return
	}
	l, n := s.server.limits, q.size()
	if s.out.messages.Len() >= l.OutboundMessages || s.out.bytes+n > max(l.OutboundBytes, n) && s.out.bytes > 0 ||
		s.server.queued.Load()+int64(n) > int64(l.QueuedBytes) {
		if q.qos == 0 {
			s.server.stats.dropped.Add(1)
			return
		}
		s.server.stats.overflows.Add(1)
		s.server.log.Warn("connection closed because it does not read", "tenant", s.place.tenant, "external_id", s.place.client)
		s.gone = true
		s.dropMessages()
		go s.close()
		return
	}
	s.out.messages.Push(q)
	s.out.bytes += n
	s.server.queued.Add(int64(n))
	s.server.stats.delivered.Add(1)
	s.start()
}

// dropMessages forgets what waits. mu is held.
func (s *session) dropMessages() {
	s.server.queued.Add(-int64(s.out.bytes))
	s.out.messages, s.out.bytes = fifo.Queue[queued]{}, 0
}

// reply queues a packet that answers one. A client that asks and does not read is
// closed.
func (s *session) reply(pk packets.Packet) {
	b := s.conn.encode(pk)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return
	}
	if s.out.control.Len() >= maxReplies {
		s.server.stats.overflows.Add(1)
		s.gone = true
		go s.close()
		return
	}
	s.out.control.Push(b)
	s.start()
}

// maxReplies bounds the answers that wait; ours: each is for a packet that came.
const maxReplies = 4096

// acknowledged takes a PUBACK.
func (s *session) acknowledged(packetID uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.out.unacked, packetID)
	if s.out.messages.Len() > 0 {
		s.start()
	}
}

// start makes sure that a pump runs. mu is held.
func (s *session) start() {
	if !s.running {
		s.running = true
		go s.pump()
	}
}

// maxWrite is how many bytes one write collects; ours, a TLS record.
const maxWrite = 16 << 10

// pump writes what there is and ends when there is nothing.
func (s *session) pump() {
	var buf []byte
	for {
		s.mu.Lock()
		buf = s.collect(buf[:0])
		if len(buf) == 0 {
			s.running = false
			last := s.last
			s.mu.Unlock()
			if last {
				s.close()
			}
			return
		}
		s.mu.Unlock()
		if _, err := s.conn.Write(buf); err != nil {
			s.close()
		}
		if cap(buf) > 4*maxWrite {
			buf = nil
		}
	}
}

// collect appends what can be written now. mu is held.
func (s *session) collect(buf []byte) []byte {
	o := &s.out
	for o.control.Len() > 0 && len(buf) < maxWrite {
		buf = append(buf, o.control.Pop()...)
	}
	for o.messages.Len() > 0 && len(buf) < maxWrite {
		q := o.messages.First()
		if q.qos > 0 && len(o.unacked) >= s.window {
			break
		}
		o.messages.Pop()
		o.bytes -= q.size()
		s.server.queued.Add(-int64(q.size()))
		buf = s.appendMessage(buf, q)
	}
	return buf
}

// appendMessage encodes a PUBLISH; retain is never set (mqtt.md §1.9). One that is
// larger than the client takes is left out (MQTT-3.1.2-25).
func (s *session) appendMessage(buf []byte, q queued) []byte {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: q.qos},
		TopicName: q.topic, Payload: q.payload, Properties: q.properties}
	if q.qos > 0 {
		pk.PacketID = s.out.nextID()
	}
	b := s.conn.encode(pk)
	if len(b) > s.maxPacket {
		delete(s.out.unacked, pk.PacketID)
		s.server.stats.dropped.Add(1)
		return buf
	}
	return append(buf, b...)
}

// nextID finds a packet ID that the peer has acknowledged; those it has not are
// fewer than the window.
func (o *outbox) nextID() uint16 {
	if o.unacked == nil {
		o.unacked = map[uint16]struct{}{}
	}
	for {
		o.lastID++
		if _, taken := o.unacked[o.lastID]; o.lastID != 0 && !taken {
			o.unacked[o.lastID] = struct{}{}
			return o.lastID
		}
	}
}
