package mqttservice

import (
	"strings"
	"sync"
)

// tree is one tenant's subscriptions, level by level. It holds only what is
// subscribed now: a level without subscription below it is taken out.
type tree struct {
	mu   sync.RWMutex // guards the nodes
	root node
}

type node struct {
	children map[string]*node
	subs     map[*subscriber]subscription
	groups   map[string]*group // by share name
}

// subscription is what a client asked for with a filter.
type subscription struct {
	QoS        byte `json:"q,omitempty"`
	NoLocal    bool `json:"n,omitempty"`
	AsRetained bool `json:"r,omitempty"` // retain as published
	Identifier int  `json:"i,omitempty"`
}

// group is a shared subscription. Each message goes to one of its members.
type group struct {
	members []member
	next    int // whose turn it is; guarded by a lock of its own, see pick
	mu      sync.Mutex
}

type member struct {
	*subscriber
	subscription
}

// hit is what one client gets of a message.
type hit struct {
	subscription // QoS the highest, the flags of all
	identifiers  []int
}

// hits are who subscribed a topic.
type hits struct {
	subs   map[*subscriber]hit
	groups []*group
}

// splitShare takes a filter apart (MQTT 5 §4.8.2).
func splitShare(filter string) (share, rest string) {
	if after, ok := strings.CutPrefix(filter, sharePrefix); ok {
		if share, rest, ok = strings.Cut(after, "/"); ok {
			return share, rest
		}
	}
	return "", filter
}

const sharePrefix = "$share/"

// add subscribes, or replaces what was subscribed with the same filter.
func (t *tree) add(filter string, s *subscriber, sub subscription) {
	share, filter := splitShare(filter)
	t.mu.Lock()
	defer t.mu.Unlock()
	n := &t.root
	for level := range strings.SplitSeq(filter, "/") {
		child := n.children[level]
		if child == nil {
			if n.children == nil {
				n.children = map[string]*node{}
			}
			child = &node{}
			n.children[level] = child
		}
		n = child
	}
	if share != "" {
		n.join(share, member{s, sub})
		return
	}
	if n.subs == nil {
		n.subs = map[*subscriber]subscription{}
	}
	n.subs[s] = sub
}

// join replaces the group, which others may be reading.
func (n *node) join(share string, m member) {
	old := n.groups[share]
	g := &group{}
	if old != nil {
		g.members = without(old.members, m.subscriber)
	}
	g.members = append(g.members, m)
	if n.groups == nil {
		n.groups = map[string]*group{}
	}
	n.groups[share] = g
}

func without(members []member, s *subscriber) []member {
	var rest []member
	for _, m := range members {
		if m.subscriber != s {
			rest = append(rest, m)
		}
	}
	return rest
}

// remove takes a subscription out.
func (t *tree) remove(filter string, s *subscriber) {
	share, filter := splitShare(filter)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.root.remove(strings.Split(filter, "/"), share, s)
}

// remove reports whether nothing is left of the node.
func (n *node) remove(levels []string, share string, s *subscriber) (empty bool) {
	switch {
	case len(levels) > 0:
		if child := n.children[levels[0]]; child != nil && child.remove(levels[1:], share, s) {
			delete(n.children, levels[0])
		}
	case share == "":
		delete(n.subs, s)
	case n.groups[share] != nil:
		if rest := without(n.groups[share].members, s); len(rest) > 0 {
			n.groups[share] = &group{members: rest}
		} else {
			delete(n.groups, share)
		}
	}
	return len(n.children) == 0 && len(n.subs) == 0 && len(n.groups) == 0
}

// match returns who subscribed the topic, each once (mqtt.md §2.3: never twice),
// and the groups that share it. What from subscribed without hearing itself does
// not count.
func (t *tree) match(topic string, from *subscriber) hits {
	found := hits{subs: map[*subscriber]hit{}}
	t.mu.RLock()
	defer t.mu.RUnlock()
	t.root.match(strings.Split(topic, "/"), true, from, &found)
	return found
}

func (n *node) match(levels []string, first bool, from *subscriber, found *hits) {
	wild := !first || !strings.HasPrefix(levels[0], "$") // MQTT-4.7.2-1
	if many := n.children["#"]; many != nil && wild {
		many.collect(from, found) // it stands for the level above it too (MQTT 3.1.1 §4.7.1.2)
	}
	if len(levels) == 0 {
		n.collect(from, found)
		return
	}
	if child := n.children[levels[0]]; child != nil {
		child.match(levels[1:], false, from, found)
	}
	if child := n.children["+"]; child != nil && wild {
		child.match(levels[1:], false, from, found)
	}
}

func (n *node) collect(from *subscriber, found *hits) {
	for s, sub := range n.subs {
		if sub.NoLocal && s == from {
			continue
		}
		h := found.subs[s]
		h.QoS, h.AsRetained = max(h.QoS, sub.QoS), h.AsRetained || sub.AsRetained
		if sub.Identifier > 0 {
			h.identifiers = append(h.identifiers, sub.Identifier)
		}
		found.subs[s] = h
	}
	for _, g := range n.groups {
		found.groups = append(found.groups, g)
	}
}

// pick chooses the member whose turn it is: of those who may hear the message one
// that is connected, else one whose session keeps it.
func (g *group) pick(may, connected, keeps func(*subscriber) bool) (member, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, able := range []func(*subscriber) bool{connected, keeps} {
		for i := range g.members {
			k := (g.next + i) % len(g.members)
			if m := g.members[k]; may(m.subscriber) && able(m.subscriber) {
				g.next = k + 1
				return m, true
			}
		}
	}
	return member{}, false
}

// matches reports whether a filter without share name matches a topic.
func matches(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && (filter[0] == '+' || filter[0] == '#') {
		return false
	}
	for {
		level, rest, more := strings.Cut(filter, "/")
		if level == "#" {
			return true
		}
		name, below, deeper := strings.Cut(topic, "/")
		switch {
		case level != "+" && level != name:
			return false
		case !deeper:
			return !more || rest == "#"
		case !more:
			return false
		}
		filter, topic = rest, below
	}
}

func (t *tree) empty() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.root.children) == 0
}
