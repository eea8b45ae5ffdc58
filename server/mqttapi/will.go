package mqttapi

import (
	"context"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/platform"
)

// will is what a client wants to be said when its connection ends without a
// DISCONNECT. It is kept here and not by mochi, which drops it when a connection
// is closed between two packets, and refuses an empty one. QoS and the retain flag
// of a will mean nothing: it is carried out once, like a publish.
type will struct {
	topic   string
	payload []byte // empty: there is no will, or an empty one, which says nothing
	kept    bool   // it is in the store too
}

func willOf(pk *packets.Packet) will {
	if !pk.Connect.WillFlag {
		return will{}
	}
	return will{topic: pk.Connect.WillTopic, payload: pk.Connect.WillPayload}
}

// dropWill: the client has said DISCONNECT (MQTT-3.14.4-3). A new session of the
// device may keep its own will meanwhile: commands of a device are carried out in
// order.
func (s *session) dropWill() {
	s.mu.Lock()
	kept := s.will.kept
	s.will = will{}
	if s.will.kept = kept && !s.server.cfg.Alone; s.will.kept { // finish sees whose the row is
		kept = false
	}
	s.mu.Unlock()
	if kept {
		s.server.cfg.Telemetry.Submit(platform.Batch{Tenant: s.place.tenant, Release: s.willKey()}, func(error) {})
	}
}

func (s *session) willKey() *platform.StagedKey {
	key := s.stagedKey(platform.WillPacketID)
	return &key
}

// runWill carries out the will and waits until it is durable.
func (s *session) runWill(ctx context.Context) {
	s.mu.Lock()
	w := s.will
	s.mu.Unlock()
	if w.kept && !s.stillMine(ctx) {
		s.moved.Store(true)
		return
	}
	if len(w.payload) == 0 {
		if w.kept {
			s.server.cfg.Telemetry.Submit(platform.Batch{Tenant: s.place.tenant, Release: s.willKey()}, func(error) {})
		}
		return
	}
	s.server.stats.wills.Add(1)
	done := make(chan error, 1)
	in := inbound{topic: w.topic, payload: w.payload}
	if w.kept {
		in.release = s.willKey()
	}
	s.apply(in, func(err error) { done <- err })
	select {
	case err := <-done:
		if err != nil {
			s.server.log.Error("will not stored", "tenant", s.place.tenant, "external_id", s.place.device, "err", err)
		}
	case <-ctx.Done():
		s.server.log.Error("will not stored in time", "tenant", s.place.tenant, "external_id", s.place.device)
	}
}
