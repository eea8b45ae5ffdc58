package mqttservice

import (
	"errors"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/platform"
)

// lingerTime is how long a refused peer may take to read why; ours.
const lingerTime = 500 * time.Millisecond

// refuse writes a CONNACK and waits a moment for the peer to read it: closing at
// once with bytes of the peer still unread would reset the connection and lose
// the answer. The text goes to MQTT 5 only for what the client may know: what it
// sent, never which part of a credential was wrong.
func (c *conn) refuse(code byte, text string) {
	pk := packets.Packet{FixedHeader: header(packets.Connack), ReasonCode: code}
	if c.version < 5 {
		pk.ReasonCode = connCode(code)
	}
	if code != codeBadCredentials && code != codeNotAuthorized {
		pk.Properties.ReasonString = text
	}
	c.farewell(c.encode(pk))
}

// farewell writes the last packet of a connection.
func (c *conn) farewell(b []byte) {
	if _, err := c.Write(b); err == nil {
		c.linger()
	}
}

// linger ends what is written and reads until the peer ends, for a moment.
func (c *conn) linger() {
	closer, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || closer.CloseWrite() != nil {
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(lingerTime))
	var scrap [512]byte
	for n := 0; n < 4*maxPacket; {
		k, err := c.Conn.Read(scrap[:])
		if err != nil {
			return
		}
		n += k
	}
}

// unreadable counts and explains the end of a connection whose peer broke the
// protocol. MQTT 5 has packets for it; older clients see the end (mqtt.md §1.8).
func (s *Server) unreadable(c *conn, err error) {
	code, text := byte(0), ""
	kind := byte(packets.Reserved)
	if large, ok := errors.AsType[tooLarge](err); ok {
		code, text, kind = codeTooLarge, "packets have at most 131072 bytes", large.kind
		s.stats.tooLarge.Add(1)
	} else if bad, ok := errors.AsType[malformed](err); ok {
		code, text = bad.code, bad.reason
		s.stats.malformed.Add(1)
	} else if c.accepted && isTimeout(err) {
		code, text = keepAliveRanOut, "nothing was heard for one and a half times the keep-alive"
		s.stats.keepAliveOut.Add(1)
	}
	sess := c.session.Load()
	if kind != packets.Reserved && sess != nil {
		s.cfg.Alarms.Raise(sess.place.tenant, alarmTooLarge(kind), "A client of the MQTT Service sent a packet above the limit: "+sess.place.client)
	}
	switch {
	case code == 0 || c.version < 5:
	case sess != nil:
		sess.part(code, text)
	default:
		c.refuse(code, text)
	}
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

// Alarm types of the vendor (mqtt.md §1.9; its documents name the others).
const (
	alarmConnections = "c8y_MqttService_TenantConnectionsLimitExceeded"
	alarmBacklog     = "c8y_MqttService_BacklogQuotaExceeded"
	alarmRate        = "c8y_MqttService_IncomingPublishRateLimitExceeded"
)

func alarmTooLarge(kind byte) string {
	const prefix = "c8y_MqttService_MaximumPacketSize_"
	switch kind {
	case packets.Connect:
		return prefix + "Connect"
	case packets.Subscribe:
		return prefix + "Subscribe"
	case packets.Unsubscribe:
		return prefix + "Unsubscribe"
	}
	return prefix + "Publish"
}

// tooFast leaves the reason where the tenant can find it.
func (s *session) tooFast() {
	s.server.stats.tooFast.Add(1)
	s.server.cfg.Refusals.Record(platform.Refusal{Tenant: s.place.tenant, CN: s.place.client, At: time.Now(),
		Door: s.conn.door, Address: s.conn.address, Reason: platform.ReasonTooFast, Leaf: s.verdict.Leaf})
	s.server.cfg.Alarms.Raise(s.place.tenant, alarmRate, "A client of the MQTT Service outran its rate of messages: "+s.place.client)
	s.part(codeQuota, "too many messages a second")
}
