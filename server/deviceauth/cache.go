package deviceauth

import (
	"hash/maphash"
	"sync"
)

// cacheShards is how many locks a cache spreads over.
const cacheShards = 64

// cache is a bounded map for many readers. Each shard has two maps: when the
// newer one is full it becomes the older one, and what was in that is
// forgotten, so that what is used survives.
type cache[K comparable, V any] struct {
	seed   maphash.Seed
	half   int // entries of one map
	shards [cacheShards]cacheShard[K, V]
}

type cacheShard[K comparable, V any] struct {
	mu       sync.Mutex // guards what follows
	new, old map[K]V
	epoch    uint64 // counts removals
}

func newCache[K comparable, V any](limit int) *cache[K, V] {
	return &cache[K, V]{seed: maphash.MakeSeed(), half: max(limit/(2*cacheShards), 1)}
}

func (c *cache[K, V]) shard(k K) *cacheShard[K, V] {
	return &c.shards[maphash.Comparable(c.seed, k)%cacheShards]
}

// get returns the value of k and the epoch to give to put if it is missing.
func (c *cache[K, V]) get(k K) (v V, epoch uint64, ok bool) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok = s.new[k]; ok {
		return v, s.epoch, true
	}
	if v, ok = s.old[k]; ok {
		s.set(k, v, c.half)
	}
	return v, s.epoch, ok
}

// put stores what was read since epoch, unless something has been removed in
// the meantime: it may be out of date.
func (c *cache[K, V]) put(k K, v V, epoch uint64) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch == epoch {
		s.set(k, v, c.half)
	}
}

// update replaces the value of k by f of it. It works on a value that is
// missing, too: then f gets the zero value and ok is false.
func (c *cache[K, V]) update(k K, f func(v V, ok bool) V) V {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.new[k]
	if !ok {
		v, ok = s.old[k]
	}
	v = f(v, ok)
	s.set(k, v, c.half)
	return v
}

// remove forgets k and what is being read about it.
func (c *cache[K, V]) remove(k K) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	delete(s.new, k)
	delete(s.old, k)
}

func (s *cacheShard[K, V]) set(k K, v V, half int) {
	if s.new == nil {
		s.new = map[K]V{}
	}
	if _, there := s.new[k]; !there && len(s.new) >= half {
		s.old, s.new = s.new, map[K]V{}
	}
	s.new[k] = v
}
