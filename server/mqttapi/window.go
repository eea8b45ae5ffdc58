package mqttapi

import (
	"bytes"
	"strconv"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/platform"
)

// itemKind is what the pump does with an item.
type itemKind byte

const (
	itemPublish     itemKind = iota // QoS 0 and 1: carry out
	itemStage                       // QoS 2 PUBLISH: keep until its PUBREL
	itemRelease                     // PUBREL: carry out what is kept
	itemSubscribe                   // SUBSCRIBE
	itemUnsubscribe                 // UNSUBSCRIBE
)

// item is a packet that waits for the pump.
type item struct {
	kind     itemKind
	packetID uint16
	topic    string
	payload  []byte // the item's own
	filters  packets.Subscriptions
	ack      *ack // nil: nothing is to be acknowledged in order
}

// ack is an acknowledgement that is written after all before it.
type ack struct {
	kind     byte // packets.Puback, Pubrec, Pubcomp
	packetID uint16
	ready    bool // guarded by session.mu
}

// publish queues a PUBLISH. A retain flag is not looked at: it is accepted and
// means nothing (mqtt.md §1.9).
func (s *session) publish(pk packets.Packet) bool {
	s.server.stats.publishes.Add(1)
	it := item{kind: itemPublish, packetID: pk.PacketID, topic: pk.TopicName, payload: pk.Payload}
	if pk.FixedHeader.Qos == 2 {
		it.kind = itemStage
	}
	return s.pace() && s.enqueue(it)
}

func (s *session) subscribe(pk packets.Packet) bool {
	return len(pk.Filters) <= maxFilters && s.enqueue(item{kind: itemSubscribe, packetID: pk.PacketID, filters: pk.Filters})
}

func (s *session) unsubscribe(pk packets.Packet) bool {
	return len(pk.Filters) <= maxFilters && s.enqueue(item{kind: itemUnsubscribe, packetID: pk.PacketID, filters: pk.Filters})
}

// ackOf makes the acknowledgement that an item owes in order. SUBACK and UNSUBACK
// are bound to no order and are written when they are due.
func ackOf(it item) *ack {
	switch {
	case it.kind == itemPublish && it.packetID != 0:
		return &ack{kind: packets.Puback, packetID: it.packetID}
	case it.kind == itemStage:
		return &ack{kind: packets.Pubrec, packetID: it.packetID}
	case it.kind == itemRelease:
		return &ack{kind: packets.Pubcomp, packetID: it.packetID}
	}
	return nil
}

// enqueue hands an item to the pump, waiting while the window or the budget is
// full. It returns false when the connection is to be closed. Only the reader
// calls it.
func (s *session) enqueue(it item) bool {
	if !s.enter(len(it.payload)) {
		return false
	}
	it.ack = ackOf(it)
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		s.leave(len(it.payload))
		<-s.closing
		return false
	}
	if it.ack != nil {
		s.acks.Push(it.ack)
	}
	s.pending++
	if !s.running && s.inbox.Len() == 0 && s.isQuick(it) {
		s.running = true
		s.mu.Unlock()
		s.carryOut(it)
		s.pass()
		return true
	}
	s.inbox.Push(it)
	s.start()
	s.mu.Unlock()
	return true
}

// isQuick reports whether an item is carried out without waiting for anybody: the
// reader does so itself, and reads on as soon as it would have otherwise. That is
// so of measurements and alarms for an object that is known.
func (s *session) isQuick(it item) bool {
	if it.kind != itemPublish || len(it.topic) != len("s/us") || it.topic[1:] != "/us" || s.object.Load() == 0 {
		return false
	}
	for line := range bytes.Lines(it.payload) {
		if line[0] != '2' && line[0] != '3' {
			return false
		}
	}
	return true
}

// enter takes a place in the window and n bytes of the budget.
func (s *session) enter(n int) bool {
	select {
	case s.window <- struct{}{}:
		if s.server.budget.tryTake(n) {
			return true
		}
		<-s.window
	default:
	}
	timer := time.NewTimer(s.server.limits.WindowWait)
	defer timer.Stop()
	select {
	case s.window <- struct{}{}:
	case <-timer.C:
		return s.stalled("window")
	case <-s.closing:
		return false
	}
	if s.server.budget.take(n, timer.C, s.closing) {
		return true
	}
	<-s.window
	return s.stalled("bytes in flight")
}

// leave gives back what enter took.
func (s *session) leave(n int) {
	s.server.budget.give(n)
	<-s.window
}

func (s *session) stalled(what string) bool {
	s.server.stats.stalled.Add(1)
	s.server.log.Warn("connection closed because it stood still", "tenant", s.place.tenant, "external_id", s.place.device, "full", what)
	return false
}

// tooFast ends the connection of a device that outran its rate, and leaves the
// reason where its owner can find it.
func (s *session) tooFast() bool {
	s.server.stats.tooFast.Add(1)
	s.server.cfg.Refusals.Record(platform.Refusal{
		Tenant: s.place.tenant, CN: s.place.device, At: time.Now(), Door: s.conn.door, Address: s.conn.address,
		Reason: platform.ReasonTooFast, Detail: strconv.Itoa(s.rate) + " messages a second, " + strconv.Itoa(s.burst) + " at once",
		Leaf: s.verdict.Leaf,
	})
	return s.stalled("rate")
}

// pace delays a device that sends faster than its rate: after Burst publishes at
// once, one every 1/Rate. It waits at most WindowWait. Only the reader calls it.
func (s *session) pace() bool {
	now := time.Now()
	interval := time.Second / time.Duration(s.rate)
	if s.due.Before(now) {
		s.due = now
	}
	s.due = s.due.Add(interval)
	wait := s.due.Sub(now) - interval*time.Duration(s.burst)
	if wait <= 0 {
		return true
	}
	if wait > s.server.limits.WindowWait {
		return s.tooFast()
	}
	s.server.stats.delayed.Add(1)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.closing:
		return false
	}
}
