// Package backoff says how long to wait before the next try. It is pure: the
// caller counts the attempts, brings the random numbers and does the waiting.
package backoff

import (
	"hash/fnv"
	"math"
	"time"
)

// Policy is exponential back-off. The zero value never waits.
type Policy struct {
	Min    time.Duration // the first wait
	Max    time.Duration // no wait is longer; zero means Min
	Factor float64       // from one wait to the next; below 1 counts as 2
	// Jitter is the part of a wait that is random, 0 to 1: a wait w becomes
	// one between w·(1−Jitter) and w. Without it a fleet returns in step.
	Jitter float64
}

// Delay returns the wait before try attempt+1, attempt counting from 0. r
// returns random numbers in [0, 1); nil means no jitter.
func (p Policy) Delay(attempt int, r func() float64) time.Duration {
	factor := p.Factor
	if factor < 1 {
		factor = 2
	}
	longest := max(p.Max, p.Min)
	wait := float64(p.Min) * math.Pow(factor, float64(max(attempt, 0)))
	return jitter(limit(wait, longest), p.Jitter, r)
}

// limit turns a wait, which may have grown to infinity, into at most longest.
func limit(wait float64, longest time.Duration) time.Duration {
	if !(wait < float64(longest)) {
		return longest
	}
	return time.Duration(wait)
}

func jitter(wait time.Duration, part float64, r func() float64) time.Duration {
	if r == nil || wait <= 0 {
		return wait
	}
	part = min(max(part, 0), 1)
	return wait - time.Duration(float64(wait)*part*r())
}

// Ladder is back-off by a list: each attempt takes the next rung, and the last
// one is kept. The empty ladder never waits.
type Ladder []time.Duration

// Delay returns the wait before try attempt+1, attempt counting from 0.
func (l Ladder) Delay(attempt int) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[min(max(attempt, 0), len(l)-1)]
}

// Jitter returns a share of span, 0 ≤ Jitter < span, that is always the same
// for one seed and spread evenly over many: a fleet renews over the whole span,
// and each device at its own time.
func Jitter(seed string, span time.Duration) time.Duration {
	if span <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(seed))
	return time.Duration(mix(h.Sum64()) % uint64(span))
}

// mix is the finalizer of splitmix64: similar seeds, as serial numbers are,
// differ in all bits afterwards.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
