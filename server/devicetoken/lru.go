package devicetoken

import (
	"container/list"
	"sync"
	"time"

	"mooring/server/platform"
)

// place is what a token is for.
type place struct {
	tenant platform.TenantID
	device string
	host   string
	origin string // of the certificate it is given for
}

// held is a token that was issued.
type held struct {
	token    string
	keyID    string
	lifespan time.Duration
	at       time.Time
}

// fresh reports whether less than half of the token's life has passed.
func (h held) fresh(now time.Time) bool {
	return !now.Before(h.at) && now.Sub(h.at) < h.lifespan/2
}

// lru remembers the tokens used last. Key: place. Nothing invalidates it: a
// token is as good as whoever asks, who has been authenticated just now, and
// Issue compares key and lifespan with those in force.
type lru struct {
	limit int

	mu      sync.Mutex // guards the rest
	byPlace map[place]*list.Element
	recent  *list.List // of entry, used last first
}

type entry struct {
	at    place
	token held
}

func newLRU(limit int) *lru {
	return &lru{limit: limit, byPlace: map[place]*list.Element{}, recent: list.New()}
}

func (l *lru) get(at place) (held, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byPlace[at]
	if !ok {
		return held{}, false
	}
	l.recent.MoveToFront(e)
	return e.Value.(entry).token, true
}

func (l *lru) put(at place, token held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byPlace[at]; ok {
		e.Value = entry{at, token}
		l.recent.MoveToFront(e)
		return
	}
	for len(l.byPlace) >= l.limit {
		oldest := l.recent.Back()
		delete(l.byPlace, oldest.Value.(entry).at)
		l.recent.Remove(oldest)
	}
	l.byPlace[at] = l.recent.PushFront(entry{at, token})
}
