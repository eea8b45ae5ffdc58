package mqttservice

import (
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/fifo"
)

// outbox is what waits to be written to one client, or to be acknowledged by it. It
// is guarded by session.mu.
type outbox struct {
	control  fifo.Queue[[]byte]
	messages fifo.Queue[queued] // from memory
	bytes    int                // of messages
	lastID   uint16
	flights  map[uint16]*flight
	aliases  map[string]uint16 // topics that the client has been told

	more    bool               // the store may have more
	loaded  int64              // the highest number that was taken from the store
	sent    int64              // the highest number that was written, now or on an earlier connection
	before  int64              // that of earlier connections
	unsure  bool               // before is not known: what comes first may have been written
	fetched fifo.Queue[queued] // from the store
	acked   []int64            // acknowledged, to be forgotten by the store
	telling bool               // the store is forgetting some
}

// flight is a message of QoS 1 or 2 that was written and is not acknowledged.
type flight struct {
	number   int64 // in the store; 0: it is not there
	qos      byte
	received bool // QoS 2: the PUBREC came
}

// deliver queues a message for the client. Nobody waits for a client: one that
// does not read loses messages of QoS 0, and its connection when it wants more.
func (s *session) deliver(q queued) {
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
		s.overflow()
		return
	}
	s.out.messages.Push(q)
	s.out.bytes += n
	s.server.queued.Add(int64(n))
	s.server.stats.delivered.Add(1)
	s.start()
}

// overflow closes the connection of a client that does not read. mu is held.
func (s *session) overflow() {
	s.server.stats.overflows.Add(1)
	s.server.log.Warn("connection closed because it does not read", "tenant", s.place.tenant, "external_id", s.place.client)
	s.gone = true
	s.dropMessages()
	go s.close()
}

// dropMessages forgets what waits in memory. mu is held.
func (s *session) dropMessages() {
	s.server.queued.Add(-int64(s.out.bytes))
	s.out.messages, s.out.bytes, s.out.fetched = fifo.Queue[queued]{}, 0, fifo.Queue[queued]{}
}

// reply queues a packet that answers one. A client that asks and does not read is
// closed.
func (s *session) reply(pk packets.Packet) {
	b := s.encode(pk)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer(b)
}

// answer queues bytes. mu is held.
func (s *session) answer(b []byte) {
	if s.gone {
		return
	}
	if s.out.control.Len() >= maxReplies {
		s.overflow()
		return
	}
	s.out.control.Push(b)
	s.start()
}

// maxReplies bounds the answers that wait; ours: each is for a packet that came.
const maxReplies = 4096

// encode leaves reasons out for who does not want them (MQTT-3.1.2-29).
func (s *session) encode(pk packets.Packet) []byte {
	if s.quiet && pk.FixedHeader.Type != packets.Publish {
		pk.Properties.ReasonString, pk.Properties.User = "", nil
	}
	return s.conn.encode(pk)
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
			if s.hungry() {
				s.fetch() // unlocks
				continue
			}
			s.running = false
			last, parting := s.last, s.parting
			s.mu.Unlock()
			switch {
			case last && parting:
				close(s.said) // nothing starts a pump any more
			case last:
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
		if q.qos > 0 && len(o.flights) >= s.window {
			break
		}
		o.messages.Pop()
		o.bytes -= q.size()
		s.server.queued.Add(-int64(q.size()))
		buf = s.appendMessage(buf, q)
	}
	for o.fetched.Len() > 0 && len(buf) < maxWrite && len(o.flights) < s.window {
		buf = s.appendMessage(buf, o.fetched.Pop())
	}
	return buf
}

// appendMessage encodes a PUBLISH. One that is too old is left out, as is one that
// is larger than the client takes (MQTT-3.1.2-25). mu is held.
func (s *session) appendMessage(buf []byte, q queued) []byte {
	o := &s.out
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: q.qos, Retain: q.retain, Dup: q.dup},
		TopicName: q.topic, Payload: q.payload, Properties: q.properties}
	pk.Properties.SubscriptionIdentifier = q.identifiers
	if !q.expires.IsZero() {
		left := time.Until(q.expires)
		if left <= 0 {
			s.passOver(q)
			return buf
		}
		pk.Properties.MessageExpiryInterval = max(uint32(left/time.Second), 1)
	}
	switch {
	case q.number > 0:
		pk.PacketID = packetID(q.number)
	case q.qos > 0:
		pk.PacketID = o.nextID()
	}
	alias, told := o.aliases[q.topic]
	if !told && len(o.aliases) < int(s.maxAlias) {
		alias = uint16(len(o.aliases) + 1)
	}
	if pk.Properties.TopicAlias, pk.Properties.TopicAliasFlag = alias, alias > 0; told {
		pk.TopicName = ""
	}
	b := s.conn.encode(pk)
	if len(b) > s.maxPacket {
		s.server.stats.dropped.Add(1)
		s.passOver(q)
		return buf
	}
	if alias > 0 && !told {
		if o.aliases == nil {
			o.aliases = map[string]uint16{}
		}
		o.aliases[q.topic] = alias
	}
	if q.qos > 0 {
		o.launch(pk.PacketID, &flight{number: q.number, qos: q.qos})
	}
	if q.number > 0 {
		o.sent = max(o.sent, q.number)
	}
	return append(buf, b...)
}

// passOver: the store need not keep what is never written. mu is held.
func (s *session) passOver(q queued) {
	if q.number > 0 {
		s.forget(q.number)
	}
}

// packetID is that of a message in the store: numbers of one session are closer
// together than there are packet IDs (platform.MaxMessageSpan).
func packetID(number int64) uint16 { return uint16((number-1)%65535) + 1 }

func (o *outbox) launch(id uint16, f *flight) {
	if o.flights == nil {
		o.flights = map[uint16]*flight{}
	}
	o.flights[id] = f
}

// nextID finds a packet ID that is free; those that are not are fewer than the
// window.
func (o *outbox) nextID() uint16 {
	for {
		o.lastID++
		if _, taken := o.flights[o.lastID]; o.lastID != 0 && !taken {
			return o.lastID
		}
	}
}

// releaseOf is the PUBREL of a packet.
func releaseOf(id uint16, code byte) packets.Packet {
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrel, Qos: 1}, PacketID: id, ReasonCode: code}
}
