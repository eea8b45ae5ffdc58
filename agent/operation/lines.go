package operation

import (
	"encoding/json"
	"time"

	"mooring/internal/smartrest"
)

const (
	// holdLines is how long a line waits for the same operation in JSON, which
	// has an ID. A server that speaks JSON sends both at once.
	holdLines = 3 * time.Second
	// sameLine is for how long an equal line is taken for a repetition. What is
	// none stays pending at the server and comes again with the next connection.
	sameLine = time.Minute
	// maxHeld bounds the lines that wait.
	maxHeld = 64
)

// lines are the operations that come without ID. The receiving goroutine owns
// them.
type lines struct {
	json bool // the server sends JSON, so lines are of no use
	held []heldLine
	seen []seenLine
}

type heldLine struct {
	entry *entry
	raw   string
	until time.Time
}

type seenLine struct {
	raw string
	at  time.Time
}

// hasJSON drops the lines: what they ask for came, or comes, in JSON.
func (l *lines) hasJSON() { l.json, l.held = true, nil }

// takeLines holds back the operations of a message on s/ds.
func (m *Manager) takeLines(payload []byte) {
	if m.lines.json {
		return
	}
	parsed, err := smartrest.Parse(payload)
	if err != nil {
		m.log.Warn("not SmartREST", "bytes", len(payload), "err", err)
		return
	}
	for _, l := range parsed {
		fragment := smartrest.OrderFragment(l.TemplateID)
		if l.Err != nil || fragment == "" {
			continue
		}
		if len(m.lines.held) == maxHeld {
			m.log.Warn("the operation stays pending", "operation", fragment, "err", errNoRoom)
			m.stayedPending()
			continue
		}
		body, err := json.Marshal(bodyOf(l))
		if err != nil {
			m.log.Warn("not an operation", "template", l.TemplateID, "err", err)
			continue
		}
		e := &entry{Target: smartrest.OrderTarget(l), Fragment: fragment, Body: body}
		if e.Target == "" {
			e.Target = m.cfg.DeviceID
		}
		m.lines.held = append(m.lines.held, heldLine{e, l.Raw, time.Now().Add(holdLines)})
	}
}

// release accepts the lines that waited long enough, and returns when the next
// one is due; zero if there is none.
func (m *Manager) release() time.Duration {
	l := &m.lines
	now := time.Now()
	for len(l.held) > 0 && !now.Before(l.held[0].until) {
		h := l.held[0]
		l.held = l.held[1:]
		if !l.repeated(h.raw, now) {
			m.accept(h.entry)
		}
	}
	if len(l.held) == 0 {
		return 0
	}
	return l.held[0].until.Sub(now)
}

// repeated notes a line and reports whether it was there a moment ago.
func (l *lines) repeated(raw string, now time.Time) bool {
	kept, found := l.seen[:0], false
	for _, s := range l.seen {
		if now.Sub(s.at) < sameLine {
			kept = append(kept, s)
			found = found || s.raw == raw
		}
	}
	l.seen = kept
	if !found {
		l.seen = append(l.seen, seenLine{raw, now})
	}
	return found
}
