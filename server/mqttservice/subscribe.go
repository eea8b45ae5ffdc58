package mqttservice

import (
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/platform"
)

// Retain handling of a SUBSCRIBE (MQTT 5 §3.8.3.1).
const (
	retainedAlways = 0
	retainedIfNew  = 1
)

// subscribe carries out a SUBSCRIBE and answers it, when it is durable where the
// session outlives its connection.
func (s *session) subscribe(pk *packets.Packet) bool {
	if code := pk.SubscribeValidate(); code != packets.CodeSuccess {
		return s.violation(code.Code, code.Reason)
	}
	for _, f := range pk.Filters {
		if share, _ := splitShare(f.Filter); share != "" && f.NoLocal { // MQTT-3.8.3-4
			return s.violation(codeProtocolError, "a shared subscription without own messages")
		}
	}
	codes := make([]byte, len(pk.Filters))
	var fresh []packets.Subscription // that get what is retained
	for i := range pk.Filters {
		f := &pk.Filters[i]
		if s.restricted && len(pk.Filters) > 1 { // two in one packet are refused as a whole (mqtt.md §1.9)
			if codes[i] = codeUnspecified; i == 0 {
				s.problem("SUBSCRIBE", f.Filter, textTooManyFilters)
			}
			continue
		}
		_, renewed := s.sub.filters[f.Filter]
		codes[i] = s.grant(f)
		share, _ := splitShare(f.Filter)
		if codes[i] <= maxQoS && share == "" && (f.RetainHandling == retainedAlways || f.RetainHandling == retainedIfNew && !renewed) {
			fresh = append(fresh, *f)
		}
	}
	s.changed(s.suback(pk.PacketID, codes))
	for _, f := range fresh {
		s.sendRetained(f)
	}
	return true
}

// suback is the answer, in the words of the version.
func (s *session) suback(id uint16, codes []byte) packets.Packet {
	if s.conn.version < 5 {
		for i, code := range codes {
			if code > 2 {
				codes[i] = refusedFilter
			}
		}
	}
	return packets.Packet{FixedHeader: header(packets.Suback), PacketID: id, ReasonCodes: codes}
}

// changed answers a change of subscriptions. If the session outlives its
// connection, the change is durable first; if it cannot be, the client is cut off,
// so that it asks again.
func (s *session) changed(answer packets.Packet) {
	if s.expiry == 0 {
		s.reply(answer)
		return
	}
	a, _ := s.expect(0)
	s.sub.save(s.will, func(err error) {
		if err != nil {
			s.sub.logged("subscriptions not stored")(err)
			s.settle(a, nil)
			s.end(codeBusy)
			return
		}
		s.settle(a, s.encode(answer))
	})
}

// grant subscribes one filter and returns its code for the SUBACK.
func (s *session) grant(f *packets.Subscription) byte {
	code, text := checkFilter(f.Filter)
	share, _ := splitShare(f.Filter)
	_, renewed := s.sub.filters[f.Filter]
	switch {
	case code != codeSuccess:
	case s.restricted && share != "":
		code, text = codeShared, textSharedNot
	case s.restricted && f.Identifier > 0:
		code, text = codeSubscriptionID, textSubscriptionID
	case !renewed && len(s.sub.filters) >= s.server.limits.Subscriptions:
		code, text = codeQuota, textTooManySubs
	}
	if code != codeSuccess {
		s.problem("SUBSCRIBE", f.Filter, text)
		return code
	}
	qos := f.Qos
	if s.restricted {
		qos = min(qos, restrictedQoS)
	}
	sub := subscription{QoS: qos, NoLocal: f.NoLocal, AsRetained: f.RetainAsPublished, Identifier: f.Identifier}
	s.sub.filters[f.Filter] = sub
	if f.Filter != topicErrors { // which is the client's own
		s.sub.space.tree.add(f.Filter, s.sub, sub)
	}
	return qos
}

// sendRetained sends what is retained under the topics of a filter.
func (s *session) sendRetained(f packets.Subscription) {
	var identifiers []int
	if f.Identifier > 0 {
		identifiers = []int{f.Identifier}
	}
	t := s.sub.space
	for _, m := range t.retained.match(f.Filter, s.isolated, time.Now()) {
		q := queued{message: m, qos: min(m.qos, f.Qos), retain: true, identifiers: identifiers}
		if q.qos == 0 || !s.stored {
			s.deliver(q)
			continue
		}
		t.submit(platform.SubmitMessage{Tenant: t.tenant, Body: m.encode(), Expires: m.expires,
			To:          []platform.Recipient{{Client: s.place.client, QoS: q.qos, Retained: true, Identifiers: identifiers}},
			MaxMessages: s.server.limits.SessionMessages, MaxBytes: int64(s.server.limits.SessionBytes)},
			[]*subscriber{s.sub}, s.sub.logged("retained message not stored"))
	}
}

// unsubscribe carries out an UNSUBSCRIBE and answers it.
func (s *session) unsubscribe(pk *packets.Packet) bool {
	if code := pk.UnsubscribeValidate(); code != packets.CodeSuccess {
		return s.violation(code.Code, code.Reason)
	}
	codes := make([]byte, len(pk.Filters))
	for i, f := range pk.Filters {
		if _, ok := s.sub.filters[f.Filter]; !ok {
			codes[i] = codeNoSubscription
			continue
		}
		delete(s.sub.filters, f.Filter)
		s.sub.space.tree.remove(f.Filter, s.sub)
	}
	answer := packets.Packet{FixedHeader: header(packets.Unsuback), PacketID: pk.PacketID}
	if s.conn.version == 5 {
		answer.ReasonCodes = codes
	}
	s.changed(answer)
	return true
}
