package mqttapi

import (
	"sync"
	"time"
)

// budget bounds the bytes of all payloads that are on their way to the store.
type budget struct {
	mu    sync.Mutex // guards the fields below
	left  int
	freed chan struct{} // closed at the next release; nil while nobody waits
}

func newBudget(bytes int) *budget { return &budget{left: bytes} }

// take takes n bytes, waiting until the timer fires or stop is closed. A payload
// larger than the whole budget never gets through; limits keep that from happening.
func (b *budget) take(n int, timeout <-chan time.Time, stop <-chan struct{}) bool {
	for {
		b.mu.Lock()
		if b.left >= n {
			b.left -= n
			b.mu.Unlock()
			return true
		}
		if b.freed == nil {
			b.freed = make(chan struct{})
		}
		freed := b.freed
		b.mu.Unlock()
		select {
		case <-freed:
		case <-timeout:
			return false
		case <-stop:
			return false
		}
	}
}

// tryTake is take without waiting.
func (b *budget) tryTake(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left < n {
		return false
	}
	b.left -= n
	return true
}

func (b *budget) give(n int) {
	b.mu.Lock()
	b.left += n
	freed := b.freed
	b.freed = nil
	b.mu.Unlock()
	if freed != nil {
		close(freed)
	}
}
