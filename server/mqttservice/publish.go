package mqttservice

import (
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// publish carries out a PUBLISH and acknowledges it.
func (s *session) publish(pk *packets.Packet) bool {
	s.server.stats.publishes.Add(1)
	switch {
	case pk.FixedHeader.Retain:
		return s.violation(codeRetain, textRetain)
	case pk.FixedHeader.Qos > maxQoS:
		return s.violation(codeQoS, textQoS2)
	case pk.Properties.TopicAliasFlag:
		return s.violation(codeTopicAlias, textAlias)
	}
	if code := pk.PublishValidate(0); code != packets.CodeSuccess {
		return s.violation(code.Code, code.Reason)
	}
	if !s.pace() {
		return false
	}
	code, text := checkTopic(pk.TopicName)
	if code != codeSuccess {
		s.problem("PUBLISH", pk.TopicName, text)
	} else {
		s.route(&message{topic: pk.TopicName, payload: pk.Payload, qos: pk.FixedHeader.Qos, properties: passedOn(&pk.Properties)})
	}
	if pk.FixedHeader.Qos > 0 {
		// Older clients get a positive answer for what was not carried out, as
		// MQTT 3.1.1 §3.3.5 has it: closing would make them send it again for ever.
		s.reply(packets.Packet{FixedHeader: header(packets.Puback), PacketID: pk.PacketID, ReasonCode: code,
			Properties: packets.Properties{ReasonString: text}})
	}
	return true
}

// route hands a message to those of the tenant who subscribed it and may hear it.
func (s *session) route(m *message) {
	for to, sub := range s.tree.match(m.topic) {
		if s.isolated && to.isolated || to == s && sub.noLocal {
			continue
		}
		to.deliver(m, sub.qos)
	}
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
