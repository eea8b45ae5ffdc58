package mqttapi

import (
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// stagedIDs are the packet IDs of QoS 2 publishes that this connection has staged
// and not released. Only the pump uses it.
type stagedIDs struct {
	ids     map[uint16]struct{}
	dropped bool // what an earlier connection staged has been dropped
}

func (s *session) stagedKey(packetID uint16) platform.StagedKey {
	return platform.StagedKey{Tenant: s.place.tenant, Device: s.place.device, PacketID: packetID}
}

// stage keeps a QoS 2 PUBLISH until its PUBREL. The store keeps the first of equal
// keys, so that a repeated PUBLISH is staged once; what an earlier connection left
// under the same packet ID must go first, for it may be another message:
//
//	clean session 1: the client has forgotten all of it; so do we, once
//	clean session 0: only the key goes; a PUBREL may still come for the others
func (s *session) stage(it item, complete func(error)) {
	if s.place.bootstrap { // keeps nothing: to ask twice does no harm
		s.apply(inbound{topic: it.topic, payload: it.payload, packetID: it.packetID}, complete)
		return
	}
	fresh, err := s.makeWay(it)
	if err != nil {
		complete(err)
		return
	}
	ids, err := s.reserve(it.topic, it.payload)
	if err != nil {
		complete(err)
		return
	}
	key := s.stagedKey(it.packetID)
	if s.staged.ids == nil {
		s.staged.ids = map[uint16]struct{}{}
	}
	s.staged.ids[it.packetID] = struct{}{}
	if fresh {
		s.server.cfg.Telemetry.Submit(platform.Batch{Tenant: s.place.tenant, Release: &key}, func(error) {})
	}
	s.server.cfg.Telemetry.Stage(platform.StagedPublish{StagedKey: key, Topic: withReserved(it.topic, ids), Payload: it.payload, At: time.Now()}, complete)
}

// makeWay drops what is left of earlier connections, and reports whether the key
// itself is still to be released.
func (s *session) makeWay(it item) (release bool, err error) {
	if _, mine := s.staged.ids[it.packetID]; mine {
		return false, nil
	}
	if !s.clean {
		return true, nil
	}
	if s.staged.dropped {
		return false, nil
	}
	ctx, cancel := s.call()
	defer cancel()
	if err := s.server.cfg.Telemetry.DropStaged(ctx, s.place.tenant, s.place.device); err != nil {
		return false, err
	}
	s.staged.dropped = true
	return false, nil
}

// release carries out a staged publish, forgetting it in the same transaction. A
// PUBREL for nothing is answered like any other (MQTT-4.3.3-2): the client sends
// it again when the answer was lost.
func (s *session) release(it item, complete func(error)) {
	if s.place.bootstrap {
		complete(nil)
		return
	}
	ctx, cancel := s.call()
	defer cancel()
	key := s.stagedKey(it.packetID)
	p, err := s.server.cfg.Telemetry.Staged(ctx, key)
	delete(s.staged.ids, it.packetID)
	switch {
	case problem.KindOf(err) == problem.NotFound:
		complete(nil)
	case err != nil:
		complete(err)
	default:
		topic, ids := reservedOf(p.Topic)
		s.apply(inbound{topic: topic, payload: p.Payload, packetID: it.packetID, release: &key, ids: ids}, complete)
	}
}
