package mqttapi

import (
	"context"

	"github.com/mochi-mqtt/server/v2/packets"
)

// will is what a client wants to be said when its connection ends without a
// DISCONNECT. It is kept here and not by mochi, which drops it when a connection
// is closed between two packets, and refuses an empty one. QoS and the retain flag
// of a will mean nothing: it is carried out once, like a publish.
type will struct {
	topic   string
	payload []byte // empty: there is no will, or an empty one, which says nothing
}

func willOf(pk *packets.Packet) will {
	if !pk.Connect.WillFlag {
		return will{}
	}
	return will{topic: pk.Connect.WillTopic, payload: pk.Connect.WillPayload}
}

// dropWill: the client has said DISCONNECT (MQTT-3.14.4-3).
func (s *session) dropWill() {
	s.mu.Lock()
	s.will = will{}
	s.mu.Unlock()
}

// runWill carries out the will and waits until it is durable.
func (s *session) runWill(ctx context.Context) {
	s.mu.Lock()
	w := s.will
	s.mu.Unlock()
	if len(w.payload) == 0 {
		return
	}
	done := make(chan error, 1)
	s.apply(inbound{topic: w.topic, payload: w.payload}, func(err error) { done <- err })
	select {
	case err := <-done:
		if err != nil {
			s.server.log.Error("will not stored", "tenant", s.place.tenant, "external_id", s.place.device, "err", err)
		}
	case <-ctx.Done():
		s.server.log.Error("will not stored in time", "tenant", s.place.tenant, "external_id", s.place.device)
	}
}
