package mqttservice

import (
	"encoding/binary"

	"github.com/mochi-mqtt/server/v2/packets"
)

// cursor walks over the body of a packet. Once something is missing or wrong, ok is
// false and stays so.
type cursor struct {
	b      []byte
	failed bool
}

func (c *cursor) take(n int) []byte {
	if c.failed || len(c.b) < n {
		c.failed = true
		return make([]byte, min(n, 4)) // for who reads a number
	}
	head := c.b[:n]
	c.b = c.b[n:]
	return head
}

func (c *cursor) byte() byte     { return c.take(1)[0] }
func (c *cursor) uint16() uint16 { return binary.BigEndian.Uint16(c.take(2)) }
func (c *cursor) uint32() uint32 { return binary.BigEndian.Uint32(c.take(4)) }
func (c *cursor) bytes() []byte  { return c.take(int(c.uint16())) }

func (c *cursor) text() string {
	s := string(c.bytes())
	c.must(validText(s))
	return s
}

func (c *cursor) varint() int {
	n := 0
	for shift := 0; shift < 28; shift += 7 {
		b := c.byte()
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	c.failed = true
	return 0
}

func (c *cursor) must(ok bool) {
	if !ok {
		c.failed = true
	}
}

// end: nothing may follow.
func (c *cursor) end() { c.must(len(c.b) == 0) }

// checkBody finds what mochi's decoders pass over: bytes after the end, reserved
// bits, packet ID 0, properties that come twice or have values that are not
// allowed (MQTT 3.1.1 §2.2, §3; MQTT 5 §2.1, §2.2.2, §3).
func checkBody(pk *packets.Packet, body []byte) error {
	c := &cursor{b: body}
	code := byte(codeMalformed)
	switch pk.FixedHeader.Type {
	case packets.Connect:
		code = c.connect()
	case packets.Publish:
		c.text()
		if pk.FixedHeader.Qos > 0 && c.uint16() == 0 && !c.failed {
			return malformed{codeProtocolError, "packet ID 0"}
		}
		code = c.properties(pk.ProtocolVersion)
	case packets.Puback, packets.Pubrec, packets.Pubrel, packets.Pubcomp:
		c.must(c.uint16() != 0)
		code = c.reason(pk.ProtocolVersion)
	case packets.Disconnect:
		code = c.reason(pk.ProtocolVersion)
	case packets.Subscribe, packets.Unsubscribe:
		if c.uint16() == 0 && !c.failed {
			return malformed{codeProtocolError, "packet ID 0"}
		}
		code = c.properties(pk.ProtocolVersion)
		if len(c.b) == 0 && !c.failed {
			return malformed{codeProtocolError, "no topic filter"} // MQTT-3.8.3-2, MQTT-3.10.3-2
		}
		c.filters(pk.FixedHeader.Type == packets.Subscribe, pk.ProtocolVersion)
	case packets.Pingreq:
		c.end()
	}
	if c.failed {
		return malformed{code, "malformed packet"}
	}
	return nil
}

// connect walks over a CONNECT of a protocol that is known; others are refused by
// their name and level.
func (c *cursor) connect() (code byte) {
	name, level := string(c.bytes()), c.byte()
	if !(name == "MQTT" && (level == 4 || level == 5) || name == "MQIsdp" && level == 3) {
		return codeMalformed
	}
	flags := c.byte()
	will, user, password := flags&0x04 != 0, flags&0x80 != 0, flags&0x40 != 0
	c.must(flags&1 == 0)                    // MQTT-3.1.2-3
	c.must(will || flags&0x38 == 0)         // MQTT-3.1.2-11, -13, -15
	c.must(flags&0x18 != 0x18)              // MQTT-3.1.2-14
	c.must(level == 5 || user || !password) // MQTT-3.1.2-22
	c.uint16()
	if code = c.properties(level); c.failed {
		return code
	}
	c.text()
	if will {
		if code = c.properties(level); c.failed {
			return code
		}
		c.text()
		c.bytes()
	}
	if user {
		c.text()
	}
	if password {
		c.bytes()
	}
	c.end()
	return codeMalformed
}

// reason walks over what ends most packets of MQTT 5.
func (c *cursor) reason(version byte) (code byte) {
	if version < 5 || len(c.b) == 0 {
		c.end()
		return codeMalformed
	}
	if c.byte(); len(c.b) == 0 {
		return codeMalformed
	}
	if code = c.properties(version); c.failed {
		return code
	}
	c.end()
	return codeMalformed
}

func (c *cursor) filters(options bool, version byte) {
	for len(c.b) > 0 && !c.failed {
		c.text()
		if !options {
			continue
		}
		option := c.byte()
		if version < 5 {
			c.must(option <= 2) // MQTT-3.8.3-4
		} else {
			c.must(option&0xc0 == 0 && option&3 != 3 && option&0x30 != 0x30)
		}
	}
}

// properties walks over the properties of MQTT 5 and returns the code for what is
// wrong with them, or with what follows. User properties alone may come twice.
func (c *cursor) properties(version byte) (code byte) {
	if version < 5 {
		return codeMalformed
	}
	list := cursor{b: c.take(c.varint())}
	if c.failed {
		return codeMalformed
	}
	var seen [256]bool
	for len(list.b) > 0 {
		id := list.byte()
		allowed := list.property(id)
		if list.failed {
			c.failed = true
			return codeMalformed
		}
		if !allowed || seen[id] && id != packets.PropUser {
			c.failed = true
			return codeProtocolError
		}
		seen[id] = true
	}
	return codeMalformed
}

// property walks over one and reports whether its value is allowed.
func (c *cursor) property(id byte) (allowed bool) {
	switch id {
	case packets.PropPayloadFormat, packets.PropRequestProblemInfo, packets.PropRequestResponseInfo:
		return c.byte() <= 1
	case packets.PropReceiveMaximum:
		return c.uint16() != 0
	case packets.PropMaximumPacketSize:
		return c.uint32() != 0
	case packets.PropSubscriptionIdentifier:
		return c.varint() != 0
	case packets.PropTopicAlias, packets.PropTopicAliasMaximum: // alias 0 has a code of its own
		c.take(2)
	case packets.PropMessageExpiryInterval, packets.PropSessionExpiryInterval, packets.PropWillDelayInterval:
		c.take(4)
	case packets.PropContentType, packets.PropResponseTopic, packets.PropAuthenticationMethod, packets.PropReasonString:
		c.text()
	case packets.PropCorrelationData, packets.PropAuthenticationData:
		c.bytes()
	case packets.PropUser:
		c.text()
		c.text()
	default: // of servers only, or of nobody
		c.failed = true
	}
	return true
}
