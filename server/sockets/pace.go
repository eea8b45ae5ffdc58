package sockets

import "time"

const (
	// paceWindow is how long is counted before pace decides; ours.
	paceWindow = 20 * time.Millisecond
	// busyPeers is how many peers must have spoken in it; ours. It is 500 a second.
	busyPeers = 10
	// atOnce is the time within which a peer that speaks again has waited for an
	// answer; ours, twice what it may have been made to wait.
	atOnce = 2 * Quantum
)

// pace decides whether to look every Quantum only: when many peers say something
// and few of them have just done so. Who comes back at once has waited for an
// answer, and would be slowed down.
type pace struct {
	begun         int64 // the window that is counted, in the Poller's time
	seldom, often int   // packets in it, by who sent them
	restful       bool  // what the last window told
}

// note counts a packet of a peer that was heard so long ago, in nanoseconds.
func (p *pace) note(ago int64) {
	if ago < int64(atOnce) {
		p.often++
	} else {
		p.seldom++
	}
}

// slow decides.
func (p *pace) slow(now int64) bool {
	if now-p.begun >= int64(paceWindow) {
		p.restful = p.seldom >= busyPeers && p.often*4 <= p.seldom
		p.begun, p.seldom, p.often = now, 0, 0
	}
	return p.restful
}
