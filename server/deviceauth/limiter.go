package deviceauth

import (
	"net/netip"
	"time"
)

// Limits bounds how often passwords may be wrong. Only failures count, so that
// many devices behind one address can reconnect at once, and they count
// against the address they come from: nobody can lock a device out.
type Limits struct {
	// UserBurst is how many wrong passwords an address block may send for one
	// user at once; zero: 10. One more is allowed every UserRefill; zero: 6 s.
	UserBurst  int
	UserRefill time.Duration
	// BlockBurst and BlockRefill are the same for all users together; zero: 100
	// and 1 s.
	BlockBurst  int
	BlockRefill time.Duration
}

// maxBuckets bounds the pairs of address block and user that are remembered.
const maxBuckets = 65_536

// Bits of an address that make a block: what one customer of a network usually
// has.
const (
	blockBits4 = 24
	blockBits6 = 64
)

func (l Limits) withDefaults() Limits {
	if l.UserBurst == 0 {
		l.UserBurst = 10
	}
	if l.UserRefill == 0 {
		l.UserRefill = 6 * time.Second
	}
	if l.BlockBurst == 0 {
		l.BlockBurst = 100
	}
	if l.BlockRefill == 0 {
		l.BlockRefill = time.Second
	}
	return l
}

// bucketKey names a bucket; without a user it is that of the whole block.
type bucketKey struct {
	block string
	user  userKey
}

// limiter counts failures in token buckets.
type limiter struct {
	limits  Limits
	buckets *cache[bucketKey, bucket]
}

// bucket stores when it will be full again: it holds burst minus the refills
// still to come until then.
type bucket struct{ full time.Time }

func newLimiter(limits Limits) *limiter {
	return &limiter{limits: limits.withDefaults(), buckets: newCache[bucketKey, bucket](maxBuckets)}
}

// wait is how long to wait before the next try; zero: none.
func (l *limiter) wait(block string, u userKey, now time.Time) time.Duration {
	ofUser := l.empty(bucketKey{block, u}, l.limits.UserBurst, l.limits.UserRefill, now)
	ofBlock := l.empty(bucketKey{block: block}, l.limits.BlockBurst, l.limits.BlockRefill, now)
	return max(ofUser, ofBlock)
}

func (l *limiter) empty(k bucketKey, burst int, refill time.Duration, now time.Time) time.Duration {
	b, _, _ := l.buckets.get(k)
	if !b.full.After(now) {
		return 0
	}
	// A token is there as long as at most burst-1 refills are outstanding.
	return max(b.full.Sub(now)-time.Duration(burst-1)*refill, 0)
}

// fail charges one failure.
func (l *limiter) fail(block string, u userKey, now time.Time) {
	l.take(bucketKey{block, u}, l.limits.UserRefill, now)
	l.take(bucketKey{block: block}, l.limits.BlockRefill, now)
}

func (l *limiter) take(k bucketKey, refill time.Duration, now time.Time) {
	l.buckets.update(k, func(b bucket, _ bool) bucket {
		if b.full.Before(now) {
			b.full = now
		}
		b.full = b.full.Add(refill)
		return b
	})
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
