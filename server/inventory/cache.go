package inventory

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"mooring/server/platform"
)

// versions counts the changes of objects in a table of fixed size. Two objects
// that share a counter are forgotten together, which costs a look-up and
// nothing else. An entry of a cache notes the counter it was read under and
// holds while that is unchanged, so nothing needs to know which entries speak
// of an object.
type versions struct {
	seed     maphash.Seed
	counters []atomic.Uint32
	total    *atomic.Uint64
}

// versionCounters is 256 KiB of counters.
const versionCounters = 1 << 16

func newVersions() versions {
	return versions{seed: maphash.MakeSeed(), counters: make([]atomic.Uint32, versionCounters), total: new(atomic.Uint64)}
}

func (v versions) counter(tenant platform.TenantID, id platform.ID) *atomic.Uint32 {
	return &v.counters[maphash.Comparable(v.seed, objectKey{tenant, id})%versionCounters]
}

func (v versions) of(tenant platform.TenantID, id platform.ID) uint32 {
	return v.counter(tenant, id).Load()
}

// epoch changes with every object.
func (v versions) epoch() uint64 { return v.total.Load() }

func (v versions) changed(tenant platform.TenantID, id platform.ID) {
	v.counter(tenant, id).Add(1)
	v.total.Add(1)
}

func (v versions) allChanged() {
	for i := range v.counters {
		v.counters[i].Add(1)
	}
	v.total.Add(1)
}

// memo is a bounded cache in two generations: when the young one is full it
// becomes the old one, whose entries live on if they are asked for again. That
// comes close to least recently used at the price of a map access.
type memo[K comparable, V any] struct {
	mu         sync.Mutex
	half       int // bound of one generation
	young, old map[K]V
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
		m.keep(k, v)
	}
	return v, ok
}

func (m *memo[K, V]) put(k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(k, v)
}

// keep stores an entry; mu is held.
func (m *memo[K, V]) keep(k K, v V) {
	if _, ok := m.young[k]; !ok && len(m.young) >= m.half {
		m.old, m.young = m.young, map[K]V{}
	}
	delete(m.old, k)
	m.young[k] = v
}
