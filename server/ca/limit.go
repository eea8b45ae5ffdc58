package ca

import (
	"net/netip"
	"sync"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Rate is a token bucket: Burst at once, then one more each Every.
type Rate struct {
	Burst int
	Every time.Duration
}

// Limits say how often somebody may try. They slow addresses, never a device:
// nobody can lock a device out by guessing its password (design decision 9).
// What succeeds is not counted.
type Limits struct {
	// Guess bounds refused enrolments for one device from one address. Clients
	// poll every 5 s before their device is registered (rest.md §1.5); the
	// default lets them poll every 2 s for ever, and 20 times at once.
	Guess Rate
	// Block bounds refused enrolments from one block of addresses: the /24 of an
	// IPv4 address, the /48 of an IPv6 address. The default lets 2,500 devices
	// behind one address poll every 5 s, and 5,000 at once.
	Block Rate
	// ReEnrol bounds the leaves one authenticated device gets. The default is 60
	// at once and one a minute.
	ReEnrol Rate
	// MaxTracked bounds the buckets of each kind in memory, about 150 bytes each.
	// When there are more, the ones not used longest are forgotten. Zero: 65,536.
	MaxTracked int
}

func (l Limits) withDefaults() Limits {
	l.Guess = l.Guess.or(Rate{Burst: 20, Every: 2 * time.Second})
	l.Block = l.Block.or(Rate{Burst: 5000, Every: 2 * time.Millisecond})
	l.ReEnrol = l.ReEnrol.or(Rate{Burst: 60, Every: time.Minute})
	if l.MaxTracked <= 0 {
		l.MaxTracked = 1 << 16
	}
	return l
}

func (r Rate) or(preset Rate) Rate {
	if r.Burst <= 0 || r.Every <= 0 {
		return preset
	}
	return r
}

// bucketKey names a bucket; what is unused is zero.
type bucketKey struct {
	addresses netip.Prefix
	tenant    platform.TenantID
	device    string
}

// buckets is a bounded set of token buckets of one rate. It forgets by
// generations: when the young half is full it becomes the old half, and what
// was old and not used since is dropped.
type buckets struct {
	rate Rate
	half int

	mu         sync.Mutex // guards young and old
	young, old map[bucketKey]time.Time
}

func newBuckets(r Rate, maxTracked int) *buckets {
	return &buckets{rate: r, half: max(maxTracked/2, 1), young: map[bucketKey]time.Time{}}
}

// take takes a token, or tells how long to wait for one.
//
// A bucket is the time at which it will be full again: that one time holds
// both the level and its age.
func (b *buckets) take(k bucketKey, now time.Time) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	full := b.find(k)
	if full.Before(now) {
		full = now
	}
	full = full.Add(b.rate.Every)
	if wait := full.Sub(now) - time.Duration(b.rate.Burst)*b.rate.Every; wait > 0 {
		return wait, false
	}
	b.keep(k, full)
	return 0, true
}

// giveBack returns a token that was taken.
func (b *buckets) giveBack(k bucketKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if full := b.find(k); !full.IsZero() {
		b.keep(k, full.Add(-b.rate.Every))
	}
}

func (b *buckets) find(k bucketKey) time.Time {
	if full, ok := b.young[k]; ok {
		return full
	}
	return b.old[k]
}

func (b *buckets) keep(k bucketKey, full time.Time) {
	if _, ok := b.young[k]; !ok && len(b.young) >= b.half {
		b.old, b.young = b.young, make(map[bucketKey]time.Time, b.half)
	}
	b.young[k] = full
}

// size counts the buckets in memory.
func (b *buckets) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.young) + len(b.old)
}

// doorkeeper slows those who guess.
type doorkeeper struct{ perDevice, perBlock *buckets }

func newDoorkeeper(l Limits) *doorkeeper {
	return &doorkeeper{perDevice: newBuckets(l.Guess, l.MaxTracked), perBlock: newBuckets(l.Block, l.MaxTracked)}
}

// admit takes a token for a try. The caller calls giveBack if it was no guess.
func (d *doorkeeper) admit(tenant platform.TenantID, device, address string, now time.Time) (giveBack func(), err error) {
	host, block := addressKeys(address)
	one := bucketKey{addresses: host, tenant: tenant, device: device}
	all := bucketKey{addresses: block}
	if wait, ok := d.perBlock.take(all, now); !ok {
		return nil, tooMany(wait)
	}
	if wait, ok := d.perDevice.take(one, now); !ok {
		d.perBlock.giveBack(all)
		return nil, tooMany(wait)
	}
	return func() {
		d.perDevice.giveBack(one)
		d.perBlock.giveBack(all)
	}, nil
}

// addressKeys returns what counts as one address, an IPv4 address or an IPv6
// /64, and the block around it. Text that is no address is one address.
func addressKeys(address string) (host, block netip.Prefix) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}, netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	hostBits, blockBits := 32, 24
	if a.Is6() {
		hostBits, blockBits = 64, 48
	}
	host, _ = a.Prefix(hostBits)
	block, _ = a.Prefix(blockBits)
	return host, block
}

func tooMany(wait time.Duration) error {
	p := problem.New(problem.TooMany, "Too many attempts, try again later.", nil)
	p.RetryAfter = wait
	return p
}
