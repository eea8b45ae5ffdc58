package ca

import (
	"sync"

	"mooring/server/platform"
)

// maxCachedTenants bounds the tenants whose issuer and list stay in memory:
// about 4 KiB each without the list.
const maxCachedTenants = 1000

// cache holds one value for each tenant. It is invalidated by ChangeTrust,
// ChangeTenant and, for lists, ChangeRevocation; until another node's change
// arrives it is stale, at most 5 s (design §3a).
type cache[T any] struct {
	limit int

	mu     sync.Mutex // guards the rest
	values map[platform.TenantID]T
	era    uint64 // counts forget, so that a load begun before it is not kept
}

func newCache[T any](limit int) *cache[T] {
	return &cache[T]{limit: limit, values: map[platform.TenantID]T{}}
}

func (c *cache[T]) get(tenant platform.TenantID) (value T, era uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok = c.values[tenant]
	return value, c.era, ok
}

// put keeps value, loaded since get returned era.
func (c *cache[T]) put(tenant platform.TenantID, value T, era uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if era != c.era {
		return
	}
	for victim := range c.values {
		if len(c.values) < c.limit {
			break
		}
		delete(c.values, victim)
	}
	c.values[tenant] = value
}

func (c *cache[T]) forget(tenant platform.TenantID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.values, tenant)
	c.era++
}
