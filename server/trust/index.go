package trust

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
)

// key names an entry of an index: a SHA-256 cut to 128 bits, so that nobody
// can make two entries fall on each other.
type key [16]byte

// keyOf hashes parts, each with its length in front, under a one-letter label
// that keeps the uses apart.
func keyOf(label byte, parts ...[]byte) key {
	buf := make([]byte, 0, 512)
	buf = append(buf, label)
	for _, p := range parts {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(p)))
		buf = append(buf, p...)
	}
	sum := sha256.Sum256(buf)
	return key(sum[:16])
}

// shardCount is how many maps an index is split into: a change copies one of
// them, which with 100,000 entries holds a hundred.
const shardCount = 1024

// index is an immutable map, split so that a changed copy is cheap.
type index[V any] struct{ shards [shardCount]map[key]V }

func shardOf(k key) int { return int(binary.BigEndian.Uint16(k[:2])) % shardCount }

func (ix *index[V]) get(k key) (V, bool) {
	v, ok := ix.shards[shardOf(k)][k]
	return v, ok
}

// edit is a copy of an index under change. It clones a shard when it first
// writes to it; after seal it must not be used.
type edit[V any] struct {
	next  *index[V]
	owned [shardCount]bool
}

func (ix *index[V]) edit() *edit[V] {
	next := *ix
	return &edit[V]{next: &next}
}

func (e *edit[V]) get(k key) (V, bool) { return e.next.get(k) }

func (e *edit[V]) own(k key) map[key]V {
	i := shardOf(k)
	if !e.owned[i] {
		e.owned[i] = true
		e.next.shards[i] = maps.Clone(e.next.shards[i])
		if e.next.shards[i] == nil {
			e.next.shards[i] = map[key]V{}
		}
	}
	return e.next.shards[i]
}

func (e *edit[V]) set(k key, v V) { e.own(k)[k] = v }

func (e *edit[V]) remove(k key) {
	if _, ok := e.get(k); ok {
		delete(e.own(k), k)
	}
}

func (e *edit[V]) seal() *index[V] { return e.next }
