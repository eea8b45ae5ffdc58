package mqttservice

import (
	"github.com/mochi-mqtt/server/v2/packets"
)

// subscribe carries out a SUBSCRIBE and answers it. Two filters in one packet are
// refused as a whole (mqtt.md §1.9).
func (s *session) subscribe(pk *packets.Packet) bool {
	if code := pk.SubscribeValidate(); code != packets.CodeSuccess {
		return s.violation(code.Code, code.Reason)
	}
	codes := make([]byte, len(pk.Filters))
	if len(pk.Filters) > 1 {
		for i, f := range pk.Filters {
			codes[i] = codeUnspecified
			if i == 0 {
				s.problem("SUBSCRIBE", f.Filter, textTooManyFilters)
			}
		}
	} else {
		codes[0] = s.grant(&pk.Filters[0], len(pk.Properties.SubscriptionIdentifier) > 0)
	}
	if s.conn.version < 5 {
		for i, code := range codes {
			if code > 2 {
				codes[i] = refusedFilter
			}
		}
	}
	s.reply(packets.Packet{FixedHeader: header(packets.Suback), PacketID: pk.PacketID, ReasonCodes: codes})
	return true
}

// grant subscribes one filter and returns its code for the SUBACK.
func (s *session) grant(f *packets.Subscription, identified bool) byte {
	code, text := checkFilter(f.Filter)
	_, renewed := s.filters[f.Filter]
	switch {
	case code != codeSuccess:
	case identified:
		code, text = codeSubscriptionID, textSubscriptionID
	case !renewed && len(s.filters) >= s.server.limits.Subscriptions:
		code, text = codeQuota, textTooManySubs
	}
	if code != codeSuccess {
		s.problem("SUBSCRIBE", f.Filter, text)
		return code
	}
	qos := min(f.Qos, maxQoS)
	s.filters[f.Filter] = struct{}{}
	if f.Filter != topicErrors { // which is the client's own
		s.tree.add(f.Filter, s, subscription{qos: qos, noLocal: f.NoLocal})
	}
	return qos
}

// unsubscribe carries out an UNSUBSCRIBE and answers it.
func (s *session) unsubscribe(pk *packets.Packet) bool {
	if code := pk.UnsubscribeValidate(); code != packets.CodeSuccess {
		return s.violation(code.Code, code.Reason)
	}
	codes := make([]byte, len(pk.Filters))
	for i, f := range pk.Filters {
		if _, ok := s.filters[f.Filter]; !ok {
			codes[i] = codeNoSubscription
			continue
		}
		delete(s.filters, f.Filter)
		s.tree.remove(f.Filter, s)
	}
	answer := packets.Packet{FixedHeader: header(packets.Unsuback), PacketID: pk.PacketID}
	if s.conn.version == 5 {
		answer.ReasonCodes = codes
	}
	s.reply(answer)
	return true
}
