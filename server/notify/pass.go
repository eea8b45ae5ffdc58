package notify

import (
	"context"
	"encoding/json"
	"slices"

	"mooring/server/platform"
)

// maxFamily bounds how many ancestors of an object hear of it.
const maxFamily = 256

// target is where a message goes.
type target struct {
	sub *subscription
	as  Channel
}

// pass hands a notice to those who listen; what has to be stored for a topic is
// added to queues. What a remote node tells is for those only who are connected to
// this one.
func (s *Service) pass(n *platform.Notice, remote bool, queues map[platform.TenantID]*platform.AppendNotifications) {
	ways := s.ways(n)
	listeners, targets := s.match(n, ways)
	if len(listeners)+len(targets) == 0 {
		return
	}
	data := s.encode(*n)
	s.stats.heard.Add(int64(len(listeners)))
	for _, l := range listeners {
		l.listener.Hear(l.channel, *n, data)
	}
	for _, t := range targets {
		payload := data
		if len(t.sub.Fragments) > 0 && n.Action != platform.NoticeDelete {
			payload = onlyFragments(data, t.sub.Fragments)
		}
		m := platform.QueuedNotification{API: t.as.API, Source: t.as.Source, Action: n.Action, At: platform.Millis(s.Now()), Payload: payload}
		if t.sub.Topic.NonPersistent {
			s.offer(n.Tenant, t.sub.Topic, m)
			continue
		}
		if remote {
			continue
		}
		q := queues[n.Tenant]
		if q == nil {
			q = &platform.AppendNotifications{Tenant: n.Tenant, MaxBytes: s.Limits.TopicBytes}
			queues[n.Tenant] = q
		}
		q.Messages = append(q.Messages, platform.TopicNotification{Topic: t.sub.Topic.Name, QueuedNotification: m})
	}
}

// ways lists how a notice is heard.
func (s *Service) ways(n *platform.Notice) []Channel {
	list := []Channel{{n.API, n.Source}}
	family := platform.NoticeAlarmsWithChildren
	switch n.API {
	case platform.NoticeOperations:
		if o, ok := n.Object.(platform.Operation); ok && n.Action == platform.NoticeCreate {
			list = append(list, Channel{AgentOperations, o.Agent})
		}
		return list
	case platform.NoticeAlarms:
	case platform.NoticeEvents:
		family = platform.NoticeEventsWithChildren
	default:
		return list
	}
	s.mu.RLock()
	t := s.tenants[n.Tenant]
	wanted := t != nil && t.family > 0
	s.mu.RUnlock()
	if !wanted {
		return list
	}
	for _, id := range s.ancestors(n.Tenant, n.Source) {
		list = append(list, Channel{family, id})
	}
	return list
}

// ancestors returns an object and all above it, at most maxFamily.
func (s *Service) ancestors(tenant platform.TenantID, id platform.ID) []platform.ID {
	ctx, cancel := context.WithTimeout(context.Background(), familyWithin)
	defer cancel()
	found := []platform.ID{id}
	for i := 0; i < len(found); i++ {
		for _, kind := range []platform.ChildKind{platform.ChildDevices, platform.ChildAssets, platform.ChildAdditions} {
			parents, err := s.Objects.Parents(ctx, tenant, found[i], kind)
			if err != nil {
				continue // it is gone, and so is its place
			}
			for _, p := range parents {
				if len(found) < maxFamily && !slices.Contains(found, p.ID) {
					found = append(found, p.ID)
				}
			}
		}
	}
	return found
}

type ear struct {
	listener Listener
	channel  Channel
}

// match finds who hears a notice.
func (s *Service) match(n *platform.Notice, ways []Channel) (listeners []ear, targets []target) {
	if n.Action == platform.NoticeDelete { // which takes what is leaving
		s.mu.Lock()
		defer s.mu.Unlock()
	} else {
		s.mu.RLock()
		defer s.mu.RUnlock()
	}
	t := s.tenants[n.Tenant]
	if t == nil {
		return nil, nil
	}
	told := map[platform.NoticeAPI]bool{} // the listeners to all objects are told once
	for _, w := range ways {
		channels := []Channel{w}
		if !told[w.API] {
			told[w.API] = true
			channels = append(channels, Channel{API: w.API})
		}
		for _, c := range channels {
			for l := range t.listeners[c] {
				listeners = append(listeners, ear{l, c})
			}
		}
		for _, sub := range t.bySource[w.Source] {
			targets = t.target(targets, sub, w, n)
		}
	}
	for _, sub := range t.left(n) {
		targets = t.target(targets, sub, ways[0], n)
	}
	for _, sub := range t.tenantWide {
		targets = t.target(targets, sub, ways[0], n)
	}
	return listeners, targets
}

// target adds a subscription that wants n and has somebody who reads it.
func (t *tenant) target(list []target, sub *subscription, as Channel, n *platform.Notice) []target {
	topic := t.topics[sub.Topic]
	if topic == nil || !sub.wants(as.API, n) {
		return list
	}
	return append(list, target{sub, as})
}

// kept are the members of an object that are no fragments.
var kept = []string{"id", "self", "type", "time", "creationTime", "lastUpdated", "source", "text", "severity", "status", "count",
	"firstOccurrenceTime", "name", "owner", "deviceId", "deviceName", "failureReason", "bulkOperationId"}

// onlyFragments leaves of a JSON object what is no fragment, and the fragments
// named.
func onlyFragments(data []byte, names []string) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return data
	}
	for name := range members {
		if !slices.Contains(kept, name) && !slices.Contains(names, name) {
			delete(members, name)
		}
	}
	out, err := json.Marshal(members)
	if err != nil {
		return data
	}
	return out
}
