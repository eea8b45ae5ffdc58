package restapi

import (
	"sync"
	"sync/atomic"
)

// metrics counts answers by call and status. Both are of small, fixed sets, so
// that no client can make it grow.
type metrics struct {
	mu     sync.RWMutex // guards the map, not the counters
	counts map[metric]*atomic.Uint64
}

type metric struct {
	route  string // "GET /inventory/managedObjects/{id}"; "" for an unknown path
	status int
}

func (m *metrics) count(route string, status int) {
	key := metric{route, status}
	m.mu.RLock()
	n := m.counts[key]
	m.mu.RUnlock()
	if n == nil {
		m.mu.Lock()
		if n = m.counts[key]; n == nil {
			n = new(atomic.Uint64)
			m.counts[key] = n
		}
		m.mu.Unlock()
	}
	n.Add(1)
}

// Collect calls f with each counter: how many answers of a status a call has
// given. The call is "METHOD path pattern", empty for unknown paths.
func (a *API) Collect(f func(route string, status int, answers uint64)) {
	a.metrics.mu.RLock()
	defer a.metrics.mu.RUnlock()
	for key, n := range a.metrics.counts {
		f(key.route, key.status, n.Load())
	}
}
