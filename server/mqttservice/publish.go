package mqttservice

import (
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/platform"
)

// publish carries out a PUBLISH and acknowledges it.
func (s *session) publish(pk *packets.Packet) bool {
	s.server.stats.publishes.Add(1)
	if code, text := s.resolve(pk); code != codeSuccess {
		return s.violation(code, text)
	}
	if !s.pace() {
		return false
	}
	qos, id := pk.FixedHeader.Qos, pk.PacketID
	if qos == 0 {
		s.carryOut(pk, 0, s.sub.logged("retained message not stored"))
		return true
	}
	if s.crowded() && !s.sub.known(id) {
		return s.violation(codeReceiveMaximum, "more messages are on their way than the receive maximum")
	}
	a, ok := s.expect(qos)
	if !ok {
		return false
	}
	if qos == 1 {
		s.answerLater(a, packets.Puback, pk, 0)
		return true
	}
	received := uint16(0)
	if s.stored {
		received = id
	}
	if s.sub.beginExchange(id, s.settlement(a, packets.Pubrec, id)) { // else it is a repetition (MQTT-4.3.3-10)
		s.answerLater(a, packets.Pubrec, pk, received)
	}
	return true
}

// settlement answers when it is known whether a message is durable. If it is not,
// nothing is answered: the client sends it again.
func (s *session) settlement(a *ack, kind byte, id uint16) func(error) {
	return func(err error) {
		if err != nil {
			s.server.stats.unstored.Add(1)
			s.settle(a, nil)
			return
		}
		s.settle(a, s.acknowledgement(kind, id, codeSuccess))
	}
}

// answerLater carries out a publish of QoS 1 or 2. Older clients get a positive
// answer for what was refused, as MQTT 3.1.1 §3.3.5 has it: closing would make them
// send it again for ever.
func (s *session) answerLater(a *ack, kind byte, pk *packets.Packet, received uint16) {
	id, settled := pk.PacketID, s.settlement(a, kind, pk.PacketID)
	code, _ := s.carryOut(pk, received, func(err error) {
		if kind == packets.Pubrec {
			s.sub.conclude(id, err)
		}
		settled(err)
	})
	if code == codeSuccess {
		return
	}
	if kind == packets.Pubrec {
		if s.sub.conclude(id, nil); s.conn.version == 5 {
			s.sub.over(id)
		}
	}
	s.settle(a, s.acknowledgement(kind, id, code)) // the reason is on the error topic: not every client reads it here
}

// resolve checks what breaks the protocol and puts the topic in where the client
// sent its alias.
func (s *session) resolve(pk *packets.Packet) (code byte, text string) {
	switch p := &pk.Properties; {
	case s.restricted && pk.FixedHeader.Retain:
		return codeRetain, textRetain
	case s.restricted && pk.FixedHeader.Qos > restrictedQoS:
		return codeQoS, textQoS2
	case s.restricted && p.TopicAliasFlag, p.TopicAliasFlag && (p.TopicAlias == 0 || p.TopicAlias > maxAliases):
		return codeTopicAlias, textAlias
	case p.ResponseTopic != "" && strings.ContainsAny(p.ResponseTopic, "+#"):
		return codeProtocolError, "a response topic has no wildcards" // MQTT-3.3.2-14
	case p.TopicAliasFlag && pk.TopicName == "":
		topic, known := s.aliases[p.TopicAlias]
		if !known {
			return codeTopicAlias, textAlias
		}
		pk.TopicName = topic
	case p.TopicAliasFlag:
		if s.aliases == nil {
			s.aliases = map[uint16]string{}
		}
		s.aliases[p.TopicAlias] = pk.TopicName
	}
	v := pk.PublishValidate(maxAliases)
	if v.Code >= codeUnspecified {
		return v.Code, v.Reason
	}
	return codeSuccess, ""
}

// carryOut hands a message on. done is called when it is durable where it has to
// be, unless the code says that it was refused.
func (s *session) carryOut(pk *packets.Packet, received uint16, done func(error)) (code byte, text string) {
	code, text = checkTopic(pk.TopicName)
	m := messageOf(pk, time.Now())
	m.lane = s.lane()
	if code == codeSuccess && m.retain && !s.sub.space.mayRetain(m) {
		code, text = codeQuota, textTooManyRetained
	}
	if code != codeSuccess {
		s.problem("PUBLISH", pk.TopicName, text)
		return code, text
	}
	s.sub.space.route(m, s.sub, received, done)
	return codeSuccess, ""
}

// route hands a message to those of the tenant who subscribed it and may hear it,
// and keeps it if it is to be retained. received is the packet ID to be noted with
// it, if it is not 0. done is called when what has to be durable is.
func (t *space) route(m *message, from *subscriber, received uint16, done func(error)) {
	may := func(b *subscriber) bool { return m.lane == laneApplications || !b.isIsolated() }
	command := platform.SubmitMessage{Tenant: t.tenant, Expires: m.expires, Received: received, Sender: from.place.client,
		MaxMessages: t.server.limits.SessionMessages, MaxBytes: int64(t.server.limits.SessionBytes)}
	var keep []*subscriber
	give := func(b *subscriber, h hit) {
		q := queued{message: m, qos: min(m.qos, h.QoS), retain: m.retain && h.AsRetained, identifiers: h.identifiers}
		if q.qos > 0 && b.inStore() {
			command.To = append(command.To, platform.Recipient{Client: b.place.client, QoS: q.qos, Retained: q.retain, Identifiers: q.identifiers})
			keep = append(keep, b)
		} else if live := b.live.Load(); live != nil {
			live.deliver(q)
		}
	}
	found := t.tree.match(m.topic, from)
	for b, h := range found.subs {
		if may(b) {
			give(b, h)
		}
	}
	keeps := func(b *subscriber) bool { return m.qos > 0 && b.inStore() }
	for _, g := range found.groups {
		if to, ok := g.pick(may, (*subscriber).isConnected, keeps); ok {
			h := hit{subscription: to.subscription}
			if to.Identifier > 0 {
				h.identifiers = []int{to.Identifier}
			}
			give(to.subscriber, h)
		}
	}
	if m.retain {
		command.Retain, command.Topic, command.Lane = true, m.topic, m.lane
		for _, lane := range t.retained.put(m) { // what it stands for now
			t.server.cfg.Store.SubmitMessage(platform.SubmitMessage{Tenant: t.tenant, Retain: true, Topic: m.topic, Lane: lane}, func(_ []string, err error) {
				from.logged("retained message not removed")(err)
			})
		}
	}
	if len(keep) == 0 && !command.Retain && received == 0 {
		done(nil)
		return
	}
	if len(keep) > 0 || len(m.payload) > 0 {
		command.Body = m.encode()
	}
	t.submit(command, keep, done)
}

// submit carries a command out and tells those whom a message waits for now.
func (t *space) submit(command platform.SubmitMessage, keep []*subscriber, done func(error)) {
	t.server.cfg.Store.SubmitMessage(command, func(full []string, err error) {
		for _, b := range keep {
			if live := b.live.Load(); live != nil && err == nil {
				live.nudge()
			}
		}
		if len(full) > 0 {
			t.server.stats.dropped.Add(int64(len(full)))
			t.server.cfg.Alarms.Raise(t.tenant, alarmBacklog, "A session of the MQTT Service has as many messages waiting as it may: "+full[0])
		}
		done(err)
	})
}

// pace delays a client that sends faster than its rate: after burst publishes at
// once, one every 1/rate. It waits at most Wait and closes then. Only the reader
// calls it.
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
	if wait > s.server.limits.Wait {
		s.tooFast()
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.closing:
		return false
	}
}
