package lifecycle

import (
	"encoding/binary"
	"time"
)

// ladder is how long to wait after the n-th failure to renew; its last rung
// repeats.
var ladder = [...]time.Duration{
	1 * time.Minute, 2 * time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 10 * time.Minute,
	20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour,
}

// otpLadder is the same while somebody waits for an enrolment: the operator
// may register the device after it starts asking.
var otpLadder = [...]time.Duration{
	2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
}

const (
	defaultSpacing = time.Hour
	// lostSpacing is the spacing for a device without certificate in force. A power
	// cut may have lost the certificate that its one-time password gave; the server
	// gives it again to the same key, but not for long.
	lostSpacing = 2 * time.Minute
	// maxRetryAfter bounds what a server may ask for.
	maxRetryAfter    = 24 * time.Hour
	maxOTPRetryAfter = 10 * time.Minute
	// maxWait is more than any wait the machine sets: a later RetryAt was
	// written under a wrong clock. A quarter covers the jitter.
	maxWait = maxRetryAfter + maxRetryAfter/4

	jitterPart  = 20  // a twentieth of the life: the width of the renewal jitter
	urgentPart  = 20  // a twentieth of the life left overrides what a server asks for
	spacingPart = 50  // spacing never exceeds a fiftieth of the life
	densestPart = 500 // towards expiry, tries come no closer than this part of the life
	urgentTries = 50  // then a server may ask for this part of the life left
	latePart    = 10  // a wait of our own never exceeds a tenth of the life that is left
)

func (l Leaf) life() time.Duration { return max(0, l.NotAfter.sub(l.NotBefore)) }

// RenewAt is when the renewal of a leaf is due: when policy's part of its life
// is left, moved by up to a fortieth of the life either way, the same for each
// certificate of one device.
func RenewAt(l Leaf, p Policy, seed uint64) Instant {
	life := l.life()
	left := life / 3
	if p.RenewLeftPermille != 0 {
		left = life / 1000 * time.Duration(min(p.RenewLeftPermille, 1000))
	}
	left = max(left, life/urgentPart)
	left = min(left, life-life/urgentPart)
	span := life / jitterPart
	return l.NotAfter.add(-left + spread(seed, 0, span) - span/2)
}

// urgentAt is when a twentieth of the life is left.
func (l Leaf) urgentAt() Instant { return l.NotAfter.add(-l.life() / urgentPart) }

// RenewAt is when the renewal of the current certificate begins: when it is due,
// or in the next maintenance window if one opens in time.
func (s State) RenewAt() Instant { return s.Policy.maintained(s.dueAt(), s.Current.Leaf, s.Seed) }

// dueAt is when the renewal of the current certificate is due: in the server's
// window if it told one, at a point that is this certificate's own, else as
// RenewAt says. A twentieth of the life left overrides what a server asks for.
func (s State) dueAt() Instant {
	l := s.Current.Leaf
	if s.Window == (Window{}) {
		return RenewAt(l, s.Policy, s.Seed)
	}
	own := binary.BigEndian.Uint64(l.Fingerprint[:8])
	at := s.Window.Start.add(spread(s.Seed^own, 0, s.Window.End.sub(s.Window.Start)))
	return min(at, l.urgentAt())
}

// sane is w, or none if w has no width or lies before all time.
func (w Window) sane() Window {
	if w.Start <= 0 || w.End <= w.Start {
		return Window{}
	}
	return w
}

// spread picks a point in [0, span) from seed and n.
func spread(seed, n uint64, span time.Duration) time.Duration {
	if span <= 0 {
		return 0
	}
	// The finaliser of SplitMix64: neighbouring seeds come out far apart.
	x := seed + (n+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return time.Duration(x % uint64(span))
}

// wait is how long to wait after one more failure.
func (m *machine) wait(retryAfter time.Duration) time.Duration {
	retryAfter = max(0, retryAfter)
	if m.HasOTP || m.Auth == SecondOTP && m.lost() {
		d := otpLadder[min(int(m.Attempt), len(otpLadder)-1)]
		return max(m.jittered(d), min(retryAfter, maxOTPRetryAfter))
	}
	d := m.jittered(ladder[min(int(m.Attempt), len(ladder)-1)])
	asked := min(retryAfter, maxRetryAfter)
	if m.Current.Number == 0 || m.expired(m.Current) || !m.TimeTrusted {
		return max(d, asked)
	}
	life, left := m.Current.Leaf.life(), m.Current.Leaf.NotAfter.sub(m.now)
	latest := max(left/latePart, min(life/densestPart, ladder[0]))
	if left <= life/urgentPart {
		asked = min(asked, left/urgentTries)
	}
	return max(min(d, latest), asked)
}

// jittered lengthens d by up to a fifth.
func (m *machine) jittered(d time.Duration) time.Duration {
	return d + spread(m.Seed, uint64(m.Attempt)+1, d/5)
}

func (m *machine) expired(g Generation) bool {
	return m.TimeTrusted && g.Certified() && m.now >= g.Leaf.NotAfter
}

// due reports whether Current is in its renewal window.
func (m *machine) due() bool {
	return m.TimeTrusted && m.Current.Certified() && m.now >= m.RenewAt()
}

func (m *machine) spacing() time.Duration {
	d := m.Policy.MinSpacing
	if d <= 0 {
		d = defaultSpacing
	}
	if m.expired(m.Current) {
		d = min(d, lostSpacing)
	}
	return min(d, m.Current.Leaf.life()/spacingPart)
}

// requestAt is when the next certificate may be asked for; false if only an
// event can tell.
func (m *machine) requestAt() (Instant, bool) {
	switch {
	case m.HasOTP, m.Refresh:
		return m.RetryAt, true
	case m.lost() && m.ways() == 0:
		return 0, false
	case m.Current.Number == 0:
		return m.RetryAt, true
	case m.Asked:
		return m.RetryAt, true
	case !m.TimeTrusted:
		return 0, false
	case m.Connecting && m.tokenFirst() && !m.expired(m.Current):
		return 0, false // a device that is seldom awake would never ask by token
	}
	due := max(m.RenewAt(), m.RetryAt)
	if m.LastIssued != 0 {
		due = max(due, m.LastIssued.add(m.spacing()))
	}
	if m.expired(m.Current) {
		return due, true
	}
	return max(due, m.Policy.maintained(max(due, m.now), m.Current.Leaf, m.Seed)), true
}

// deadline is when the machine wants the next Tick.
func (m *machine) deadline() (Instant, bool) {
	if m.Task != Idle {
		return 0, false
	}
	if m.Next.Certified() {
		if m.Proven || m.Discard || m.Current.Number == 0 {
			return m.RetryAt, true
		}
		return m.Next.Leaf.NotAfter, m.TimeTrusted
	}
	at, ok := m.requestAt()
	if m.TimeTrusted && m.Current.Certified() && !m.expired(m.Current) && (!ok || m.Current.Leaf.NotAfter < at) {
		return m.Current.Leaf.NotAfter, true // the phase changes
	}
	return at, ok
}

// clampTimes forgets instants that only a wrong clock can have written.
func (m *machine) clampTimes() {
	if m.RetryAt > m.now.add(maxWait) {
		m.RetryAt = m.now.add(maxWait)
	}
	if m.TimeTrusted && m.LastIssued > m.now {
		m.LastIssued = m.now
	}
}
