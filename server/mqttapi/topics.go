package mqttapi

import (
	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
)

// Topics the server publishes to.
const (
	topicOperations    = "s/ds"
	topicErrors        = "s/e"
	topicToken         = "s/dat"
	topicTemplates     = "s/dt"
	topicNotifications = "devicecontrol/notifications"
	topicJSONErrors    = "error"
)

// refusedFilter is the return code of a SUBACK for a filter that is not granted.
const refusedFilter = 0x80

// subscribable says whether a filter may be subscribed at all, and whether only
// once the managed object of the device exists (mqtt.md §2.2, §2.3). Topics that
// devices publish to, wildcards other than s/dc/#, $SYS and unknown topics may not.
func subscribable(filter string) (ok, needsObject bool) {
	t, err := deviceid.ParseTopic(filter)
	if err != nil {
		return false, false
	}
	switch t.Class {
	case deviceid.JSONErrors:
		return true, false
	case deviceid.Notifications:
		return true, true
	case deviceid.SmartREST:
		return t.Direction != deviceid.Upstream, filter == topicOperations || filter == topicToken
	}
	return false, false
}

// subscribeAll answers a SUBSCRIBE. It runs in the pump, so that a publish that
// came before and creates the object has been carried out.
func (s *session) subscribeAll(it item) error {
	answer := []byte{packets.Suback << 4, byte(2 + len(it.filters)), byte(it.packetID >> 8), byte(it.packetID)}
	if len(it.filters) > 125 { // the remaining length takes a second byte
		n := 2 + len(it.filters)
		answer = []byte{packets.Suback << 4, byte(n)&0x7f | 0x80, byte(n >> 7), byte(it.packetID >> 8), byte(it.packetID)}
	}
	for _, f := range it.filters {
		code, err := s.grant(f)
		if err != nil {
			return err
		}
		answer = append(answer, code)
	}
	s.reply(answer)
	return nil
}

// grant records a filter and returns its code for the SUBACK. An error means that
// it could not be decided.
func (s *session) grant(f packets.Subscription) (byte, error) {
	ok, needsObject := subscribable(f.Filter)
	if !ok || f.Qos > 2 || s.place.bootstrap && !bootstrapFilter(f.Filter) {
		return refusedFilter, nil
	}
	if needsObject || bringsOperations(f.Filter) {
		ctx, cancel := s.call()
		defer cancel()
		id, err := s.server.cfg.Devices.Device(ctx, s.place.tenant, s.place.device)
		switch {
		case err == nil:
			s.knowObject(id)
		case problem.KindOf(err) != problem.NotFound:
			return 0, err
		case needsObject:
			return refusedFilter, nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.out.filters {
		if s.out.filters[i].filter == f.Filter {
			s.out.filters[i].qos = f.Qos
			return f.Qos, nil
		}
	}
	if len(s.out.filters) >= maxSubscriptions {
		return refusedFilter, nil
	}
	s.out.filters = append(s.out.filters, subscription{f.Filter, f.Qos})
	s.catchUp(catchUp{filter: f.Filter})
	return f.Qos, nil
}

// unsubscribeAll answers an UNSUBSCRIBE.
func (s *session) unsubscribeAll(it item) error {
	s.mu.Lock()
	for _, f := range it.filters {
		for i := range s.out.filters {
			if s.out.filters[i].filter == f.Filter {
				s.out.filters = append(s.out.filters[:i], s.out.filters[i+1:]...)
				break
			}
		}
	}
	s.mu.Unlock()
	s.reply([]byte{packets.Unsuback << 4, 2, byte(it.packetID >> 8), byte(it.packetID)})
	return nil
}
