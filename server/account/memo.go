package account

import "sync"

// memo is a bounded cache in two generations: when the young one is full it
// becomes the old one, whose entries live on if they are asked for again. That
// comes close to least recently used at the price of a map access.
type memo[K comparable, V any] struct {
	mu         sync.Mutex
	half       int // bound of one generation
	young, old map[K]V
	epoch      uint64 // counts forgettings
}

func newMemo[K comparable, V any](bound int) *memo[K, V] {
	return &memo[K, V]{half: max(bound/2, 1), young: map[K]V{}}
}

func (m *memo[K, V]) get(k K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.young[k]; ok {
		return v, true
	}
	v, ok := m.old[k]
	if ok {
		m.put(k, v)
	}
	return v, ok
}

// begin returns the epoch to hand to fill: what is read from the store after
// begin may be kept only if nothing was forgotten meanwhile.
func (m *memo[K, V]) begin() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.epoch
}

func (m *memo[K, V]) fill(epoch uint64, k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if epoch == m.epoch {
		m.put(k, v)
	}
}

func (m *memo[K, V]) forget(k K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
	delete(m.young, k)
	delete(m.old, k)
}

// forgetAll forgets every entry.
func (m *memo[K, V]) forgetAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
	m.young, m.old = map[K]V{}, nil
}

// put stores an entry; mu is held.
func (m *memo[K, V]) put(k K, v V) {
	if len(m.young) >= m.half {
		m.old, m.young = m.young, make(map[K]V, m.half)
	}
	delete(m.old, k)
	m.young[k] = v
}
