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
	case <-time.After(lingerTime):
	}
}

// handle carries out a packet and reports whether the connection goes on.
func (s *session) handle(pk *packets.Packet) bool {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		return s.publish(pk)
	case packets.Puback:
		s.acknowledged(pk.PacketID)
	case packets.Subscribe:
		return s.subscribe(pk)
	case packets.Unsubscribe:
		return s.unsubscribe(pk)
	case packets.Pingreq:
		s.reply(packets.Packet{FixedHeader: header(packets.Pingresp)})
	case packets.Disconnect:
		if s.conn.version < 5 || pk.ReasonCode != codeWithWill {
			s.will = nil
		}
		return false
	default: // a second CONNECT (MQTT-3.1.0-2)
		return s.violation(codeProtocolError, "a packet that is not allowed here")
	}
	return true
}

// violation ends the connection for breaking the protocol.
func (s *session) violation(code byte, text string) bool {
	s.server.stats.malformed.Add(1)
	s.say(code, text)
	return false
}

// problem tells the client on its error topic what was not carried out, and why.
func (s *session) problem(what, topic, text string) {
	s.server.stats.rejected.Add(1)
	if _, listens := s.filters[topicErrors]; !listens {
		return
	}
	payload, _ := json.Marshal(map[string]string{"packet": what, "topic": topic, "message": text}) // texts marshal
	s.deliver(&message{topic: topicErrors, payload: payload}, 0)
}
