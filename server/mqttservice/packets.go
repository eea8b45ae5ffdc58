package mqttservice

import (
	"encoding/json"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// talk serves a connection until it ends.
func (s *Server) talk(c *conn) error {
	sess, err := s.connect(c)
	if err != nil {
		return err
	}
	for {
		pk, err := c.read()
		if err != nil {
			s.unreadable(c, err)
			sess.waitForLast()
			return err
		}
		if !sess.handle(&pk) {
			sess.waitForLast()
			return nil
		}
	}
}

// waitForLast lets the last packet out before the connection is closed, if there
// is one.
func (s *session) waitForLast() {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if !last {
		return
	}
	select {
	case <-s.closing:
	case <-s.said:
		s.conn.linger()
	case <-time.After(lingerTime):
	}
}

// handle carries out a packet and reports whether the connection goes on.
func (s *session) handle(pk *packets.Packet) bool {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		return s.publish(pk)
	case packets.Puback:
		s.acknowledged(pk)
	case packets.Pubrec:
		s.received(pk)
	case packets.Pubcomp:
		s.completed(pk)
	case packets.Pubrel:
		return s.released(pk)
	case packets.Subscribe:
		return s.subscribe(pk)
	case packets.Unsubscribe:
		return s.unsubscribe(pk)
	case packets.Pingreq:
		s.reply(packets.Packet{FixedHeader: header(packets.Pingresp)})
	case packets.Disconnect:
		return s.disconnect(pk)
	default: // a second CONNECT (MQTT-3.1.0-2)
		return s.violation(codeProtocolError, "a packet that is not allowed here")
	}
	return true
}

// disconnect ends the connection as the client wants it. A session that was to end
// with its connection stays so (MQTT 5 §3.14.2.2.2).
func (s *session) disconnect(pk *packets.Packet) bool {
	if s.conn.version == 5 && pk.Properties.SessionExpiryIntervalFlag {
		expiry := time.Duration(pk.Properties.SessionExpiryInterval) * time.Second
		if s.expiry == 0 && expiry > 0 {
			return s.violation(codeProtocolError, "the session was to end with its connection")
		}
		s.sub.setExpiry(min(expiry, s.server.limits.SessionExpiry))
	}
	if s.conn.version < 5 || pk.ReasonCode != codeWithWill {
		s.will = nil
	}
	return false
}

// violation ends the connection for breaking the protocol.
func (s *session) violation(code byte, text string) bool {
	s.server.stats.malformed.Add(1)
	s.part(code, text)
	return false
}

// problem tells the client on its error topic what was not carried out, and why.
func (s *session) problem(what, topic, text string) {
	s.server.stats.rejected.Add(1)
	if _, listens := s.sub.filters[topicErrors]; !listens {
		return
	}
	payload, _ := json.Marshal(map[string]string{"packet": what, "topic": topic, "message": text}) // texts marshal
	s.deliver(queued{message: &message{topic: topicErrors, payload: payload}})
}
