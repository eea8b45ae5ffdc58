package account

import (
	"net/netip"
	"sync"
	"time"

	"mooring/server/platform"
)

// FailureLimits bounds how often passwords of people may be wrong. They count
// against the address they come from: nobody can lock a person out.
type FailureLimits struct {
	// UserBurst is how many wrong passwords an address block may send for one
	// person at once; zero: 10. One more is allowed every UserRefill; zero: 6 s.
	UserBurst  int
	UserRefill time.Duration
	// BlockBurst and BlockRefill are the same for all people together; zero: 50
	// and 1 s. So many hashes one block can have waiting: at 30 ms each that is
	// shorter than DefaultMaxWait, and others get their turn.
	BlockBurst  int
	BlockRefill time.Duration
}

// maxFailures bounds the buckets that are remembered; full ones are dropped
// first, then any.
const maxFailures = 65_536

// Bits of an address that make a block: what one customer of a network usually
// has.
const (
	blockBits4 = 24
	blockBits6 = 64
)

// failureKey names a bucket; without a user it is that of the whole block.
type failureKey struct {
	block string
	user  userKey
}

// failures counts wrong passwords. A try is charged before its hash, and
// given back if the password was right.
type failures struct {
	limits FailureLimits
	mu     sync.Mutex               // guards full
	full   map[failureKey]time.Time // when the bucket is full again
}

func newFailures(l FailureLimits) *failures {
	if l.UserBurst == 0 {
		l.UserBurst = 10
	}
	if l.UserRefill == 0 {
		l.UserRefill = 6 * time.Second
	}
	if l.BlockBurst == 0 {
		l.BlockBurst = 50
	}
	if l.BlockRefill == 0 {
		l.BlockRefill = time.Second
	}
	return &failures{limits: l, full: map[failureKey]time.Time{}}
}

// take charges one try of k, or says how long to wait for it.
func (f *failures) take(k failureKey, now time.Time) (wait time.Duration) {
	burst, refill := f.of(k)
	f.mu.Lock()
	defer f.mu.Unlock()
	full := f.full[k]
	if full.Before(now) {
		full = now
	}
	if wait = full.Sub(now) - time.Duration(burst-1)*refill; wait > 0 {
		return wait
	}
	if len(f.full) >= maxFailures {
		f.shrink(now)
	}
	f.full[k] = full.Add(refill)
	return 0
}

// giveBack undoes a take.
func (f *failures) giveBack(k failureKey) {
	_, refill := f.of(k)
	f.mu.Lock()
	defer f.mu.Unlock()
	if full, ok := f.full[k]; ok {
		f.full[k] = full.Add(-refill)
	}
}

func (f *failures) of(k failureKey) (int, time.Duration) {
	if k.user == (userKey{}) {
		return f.limits.BlockBurst, f.limits.BlockRefill
	}
	return f.limits.UserBurst, f.limits.UserRefill
}

// shrink drops the buckets that are full, and if that is not enough a quarter
// of the rest.
func (f *failures) shrink(now time.Time) {
	for k, full := range f.full {
		if !full.After(now) {
			delete(f.full, k)
		}
	}
	for k := range f.full {
		if len(f.full) <= maxFailures*3/4 {
			return
		}
		delete(f.full, k)
	}
}

// keysOf are the buckets of a try: of the person, and of the block.
func keysOf(tenant platform.TenantID, user, address string) (person, block failureKey) {
	b := blockOf(address)
	return failureKey{b, userKey{tenant, user}}, failureKey{block: b}
}

// blockOf returns the block that address, a host without port, belongs to. One
// that is no IP address is a block of its own.
func blockOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	bits := blockBits4
	if ip = ip.Unmap(); ip.Is6() {
		bits = blockBits6
	}
	block, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return address
	}
	return block.String()
}
