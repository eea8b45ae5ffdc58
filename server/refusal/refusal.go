// Package refusal remembers why somebody was refused, so that the question
// "why does my device not connect" has an answer (design decision 14).
//
// Record never blocks: it files the refusal in memory, where a bounded ring
// keeps the newest of each common name, and Run writes the ring to the store
// every FlushEvery. What overflows is lost and counted.
package refusal

import (
	"context"
	"log/slog"
	"sync"
	"time"
	"unicode/utf8"

	"mooring/server/platform"
)

// Bounds of what is kept (design decision 14).
const (
	// MaxNames is how many common names or addresses wait to be written.
	MaxNames = 10_000
	// PerName is how many refusals of one name are kept, in memory and in the
	// store.
	PerName = 20
	// FlushEvery is how long a refusal waits at most.
	FlushEvery = 5 * time.Second
	// flushTimeout bounds the last flush, after Run was told to end.
	flushTimeout = 5 * time.Second
	// batch is how many refusals one command of the store carries.
	batch = 500
)

// Bounds of texts, in bytes. A common name is at most 254 (mqtt.md §1.4), an
// IPv6 address with zone about 60.
const (
	maxNameBytes    = 254
	maxAddressBytes = 64
	maxDetailBytes  = 512
	maxDoorBytes    = 16
)

// maxCounters bounds the pairs (door, reason) that are counted; there are
// about ten doors and thirty reasons.
const maxCounters = 1024

// Counter is one of the pairs that Counts counts.
type Counter struct {
	Door   string
	Reason platform.Reason
}

// Config says where refusals go.
type Config struct {
	Store platform.Refusals
	Now   func() time.Time // nil: time.Now; asked for a refusal without time
	Log   *slog.Logger     // nil: discards
}

// Recorder is the service. Its methods may be called at once from anywhere.
type Recorder struct {
	cfg Config

	flushing sync.Mutex // held while the store is written, so that only one does

	mu       sync.Mutex // guards what follows; never held during I/O
	waiting  ring
	inFlight []platform.Refusal // handed to the store, newest first
	counts   map[Counter]int64
	dropped  int64
}

// New returns a Recorder that writes nothing until Run.
func New(cfg Config) *Recorder {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Recorder{cfg: cfg, waiting: newRing(MaxNames, PerName), counts: map[Counter]int64{}}
}

// Record files a refusal. It does no I/O. Without a tenant it goes to
// platform.Management, without a common name it is filed under the address;
// texts are cut to their bounds.
func (r *Recorder) Record(f platform.Refusal) {
	f = r.normal(f)
	r.mu.Lock()
	defer r.mu.Unlock()
	c := Counter{f.Door, f.Reason}
	if _, known := r.counts[c]; known || len(r.counts) < maxCounters {
		r.counts[c]++
	}
	r.dropped += int64(r.waiting.add(f))
}

func (r *Recorder) normal(f platform.Refusal) platform.Refusal {
	if f.Tenant == "" {
		f.Tenant = platform.Management
	}
	if f.At.IsZero() {
		f.At = r.cfg.Now()
	}
	f.At = platform.Millis(f.At)
	f.Address = cut(f.Address, maxAddressBytes)
	if f.CN == "" {
		f.CN = f.Address
	}
	f.CN = cut(f.CN, maxNameBytes)
	f.Door = cut(f.Door, maxDoorBytes)
	f.Detail = cut(f.Detail, maxDetailBytes)
	f.Leaf.Subject = cut(f.Leaf.Subject, maxDetailBytes)
	f.Leaf.Issuer = cut(f.Leaf.Issuer, maxDetailBytes)
	f.Leaf.NotBefore, f.Leaf.NotAfter = platform.Millis(f.Leaf.NotBefore), platform.Millis(f.Leaf.NotAfter)
	return f
}

// cut shortens s to at most limit bytes, between runes.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// Counts returns how often each reason was recorded at each door since start.
func (r *Recorder) Counts() map[Counter]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := make(map[Counter]int64, len(r.counts))
	for c, n := range r.counts {
		counts[c] = n
	}
	return counts
}

// Dropped returns how many refusals were forgotten before they were written,
// because newer ones took their place.
func (r *Recorder) Dropped() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}

// Run writes what was recorded every FlushEvery, and once more when ctx ends.
func (r *Recorder) Run(ctx context.Context) {
	ticker := time.NewTicker(FlushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			r.flush(last)
			return
		}
	}
}

// flush writes what waits. What the store does not take waits again, as far as
// there is room.
func (r *Recorder) flush(ctx context.Context) {
	r.flushing.Lock()
	defer r.flushing.Unlock()
	r.mu.Lock()
	r.inFlight = r.waiting.take()
	left := r.inFlight
	r.mu.Unlock()
	for len(left) > 0 {
		n := min(batch, len(left))
		oldest := left[len(left)-n:]
		if err := r.cfg.Store.SaveRefusals(ctx, oldest, PerName); err != nil {
			r.cfg.Log.Warn("refusals not written, will try again", "count", len(left), "err", err)
			r.putBack(left)
			return
		}
		left = left[:len(left)-n]
		r.mu.Lock()
		r.inFlight = left
		r.mu.Unlock()
	}
}

func (r *Recorder) putBack(left []platform.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped += int64(r.waiting.addOlder(left))
	r.inFlight = nil
}
