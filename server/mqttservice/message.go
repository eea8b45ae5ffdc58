package mqttservice

import (
	"bytes"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// message is what somebody published. It is shared by all who hear it and not
// changed.
type message struct {
	topic      string
	payload    []byte
	qos        byte
	retain     bool
	lane       byte
	expires    time.Time          // zero: never
	properties packets.Properties // that are passed on
}

// Lanes: what a device publishes no other device hears, so that what a topic
// retains of devices is kept beside what it retains of applications.
const (
	laneApplications byte = iota
	laneDevices
	lanes
)

// messageOf takes a message out of a PUBLISH.
func messageOf(pk *packets.Packet, now time.Time) *message {
	return newMessage(pk.TopicName, pk.Payload, pk.FixedHeader.Qos, pk.FixedHeader.Retain, &pk.Properties, now)
}

func newMessage(topic string, payload []byte, qos byte, retain bool, p *packets.Properties, now time.Time) *message {
	m := &message{topic: topic, payload: payload, qos: qos, retain: retain, properties: passedOn(p)}
	if p.MessageExpiryInterval > 0 {
		m.expires = now.Add(time.Duration(p.MessageExpiryInterval) * time.Second)
	}
	return m
}

// passedOn are the properties that reach a subscriber of MQTT 5: those of the
// message, none of its way here.
func passedOn(p *packets.Properties) packets.Properties {
	return packets.Properties{
		PayloadFormat: p.PayloadFormat, PayloadFormatFlag: p.PayloadFormatFlag, ContentType: p.ContentType,
		ResponseTopic: p.ResponseTopic, CorrelationData: p.CorrelationData, User: p.User,
	}
}

func (m *message) expired(now time.Time) bool { return !m.expires.IsZero() && !now.Before(m.expires) }

func (m *message) size() int { return len(m.topic) + len(m.payload) + messageOverhead }

// messageOverhead is what a message holds besides its texts, roughly.
const messageOverhead = 128

// encode gives a message the form in which it is stored: a PUBLISH of MQTT 5 with
// its QoS and retain flag. The packet ID means nothing.
func (m *message) encode() []byte {
	pk := packets.Packet{ProtocolVersion: 5, FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: m.qos, Retain: m.retain}, PacketID: 1,
		TopicName: m.topic, Payload: m.payload, Properties: m.properties}
	pk.Mods.AllowResponseInfo = true
	var b bytes.Buffer
	_ = pk.PublishEncode(&b) // fails only without packet ID
	return b.Bytes()
}

// decodeMessage reads what encode wrote; nil if it is nothing of the kind.
func decodeMessage(b []byte, expires time.Time) *message {
	c := cursor{b: b}
	first, n := c.byte(), c.varint()
	pk := packets.Packet{ProtocolVersion: 5}
	if c.failed || len(c.b) != n || pk.FixedHeader.Decode(first) != nil || pk.FixedHeader.Type != packets.Publish {
		return nil
	}
	if pk.FixedHeader.Remaining = n; decode(&pk, c.b) != nil {
		return nil
	}
	m := messageOf(&pk, time.Time{})
	m.expires = expires
	return m
}

// queued is a message on its way to one client.
type queued struct {
	*message
	qos         byte
	retain      bool
	dup         bool
	identifiers []int
	number      int64 // in the store; 0: it is not there
}
