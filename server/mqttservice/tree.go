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
	subs     map[*session]subscription
}

// subscription is what a client asked for with a filter.
type subscription struct {
	qos     byte
	noLocal bool
}

// add subscribes, or replaces what was subscribed with the same filter.
func (t *tree) add(filter string, s *session, sub subscription) {
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
	if n.subs == nil {
		n.subs = map[*session]subscription{}
	}
	n.subs[s] = sub
}

// remove takes a subscription out.
func (t *tree) remove(filter string, s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.root.remove(strings.Split(filter, "/"), s)
}

// remove reports whether nothing is left of the node.
func (n *node) remove(levels []string, s *session) (empty bool) {
	if len(levels) == 0 {
		delete(n.subs, s)
	} else if child := n.children[levels[0]]; child != nil && child.remove(levels[1:], s) {
		delete(n.children, levels[0])
	}
	return len(n.children) == 0 && len(n.subs) == 0
}

// match returns who subscribed the topic, each once, with the highest QoS of its
// filters (mqtt.md §2.3: never twice).
func (t *tree) match(topic string) map[*session]subscription {
	found := map[*session]subscription{}
	t.mu.RLock()
	defer t.mu.RUnlock()
	t.root.match(strings.Split(topic, "/"), true, found)
	return found
}

func (n *node) match(levels []string, first bool, found map[*session]subscription) {
	wild := !first || !strings.HasPrefix(levels[0], "$") // MQTT-4.7.2-1
	if many := n.children["#"]; many != nil && wild {
		many.collect(found) // it stands for the level above it too (MQTT 3.1.1 §4.7.1.2)
	}
	if len(levels) == 0 {
		n.collect(found)
		return
	}
	if child := n.children[levels[0]]; child != nil {
		child.match(levels[1:], false, found)
	}
	if child := n.children["+"]; child != nil && wild {
		child.match(levels[1:], false, found)
	}
}

func (n *node) collect(found map[*session]subscription) {
	for s, sub := range n.subs {
		if before, ok := found[s]; ok {
			sub.qos = max(sub.qos, before.qos)
			sub.noLocal = sub.noLocal && before.noLocal
		}
		found[s] = sub
	}
}

func (t *tree) empty() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.root.children) == 0
}
