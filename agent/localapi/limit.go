package localapi

import (
	"sync"
	"time"
)

// maxUsers bounds how many users are remembered; beyond it, all begin anew.
const maxUsers = 1024

// limiter lets each user call rate times a second, twice that at once.
type limiter struct {
	every time.Duration // between two calls
	mu    sync.Mutex
	free  map[uint32]time.Time // when the user's calls so far are paid for
}

func newLimiter(rate int) limiter {
	return limiter{every: time.Second / time.Duration(max(1, rate)), free: make(map[uint32]time.Time)}
}

// take returns 0 for a call that may go ahead, else how long to wait.
func (l *limiter) take(uid uint32, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	burst := 2 * time.Second
	free := l.free[uid]
	if free.Before(now) {
		free = now
	}
	if wait := free.Add(l.every).Sub(now) - burst; wait > 0 {
		return wait
	}
	if _, known := l.free[uid]; !known && len(l.free) >= maxUsers {
		clear(l.free)
	}
	l.free[uid] = free.Add(l.every)
	return 0
}
