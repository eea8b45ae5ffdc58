// Package refusal remembers why somebody was refused, so that the question
// "why does my device not connect" has an answer (design decision 14).
//
// Record never blocks: it files the refusal in memory, where a bounded ring
// keeps the newest of each common name, and Run writes the ring to the store
// every FlushEvery. What overflows is lost and counted.
package refusal

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"mooring/internal/problem"
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

// maxTenantBytes is longer than any tenant ID; a claimed one may be anything.
const maxTenantBytes = 64

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

	due chan struct{} // holds one token while something waits to be written
}

// New returns a Recorder that writes nothing until Run.
func New(cfg Config) *Recorder {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Recorder{cfg: cfg, waiting: newRing(MaxNames, PerName), counts: map[Counter]int64{}, due: make(chan struct{}, 1)}
}

// Record files a refusal. It does no I/O. Without a known tenant it goes to
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
	r.wake()
}

// wake tells Run that something waits.
func (r *Recorder) wake() {
	select {
	case r.due <- struct{}{}:
	default: // it knows
	}
}

func (r *Recorder) normal(f platform.Refusal) platform.Refusal {
	if f.Tenant == "" || len(f.Tenant) > maxTenantBytes {
		f.Tenant = platform.Management
	}
	if f.At.IsZero() {
		f.At = r.cfg.Now()
	}
	f.At = platform.Millis(f.At)
	f.Address = cut(f.Address, maxAddressBytes)
	if f.CN = cut(f.CN, maxNameBytes); f.CN == "" {
		f.CN = f.Address
	}
	f.Door = cut(f.Door, maxDoorBytes)
	f.Detail = cut(f.Detail, maxDetailBytes)
	f.Leaf.Subject = cut(f.Leaf.Subject, maxDetailBytes)
	f.Leaf.Issuer = cut(f.Leaf.Issuer, maxDetailBytes)
	f.Leaf.NotBefore, f.Leaf.NotAfter = platform.Millis(f.Leaf.NotBefore), platform.Millis(f.Leaf.NotAfter)
	return f
}

// cut makes s fit for logs and tables: valid UTF-8 without control characters,
// at most limit bytes, cut between runes.
func cut(s string, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == utf8.RuneError {
			return -1
		}
		return c
	}, s)
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

// Run writes what was recorded, at most once in FlushEvery, and once more when
// ctx ends. While nobody is refused it sleeps.
func (r *Recorder) Run(ctx context.Context) {
	for {
		select {
		case <-r.due:
		case <-ctx.Done():
		}
		pause := time.NewTimer(FlushEvery)
		select {
		case <-pause.C:
			r.flush(ctx)
		case <-ctx.Done():
			pause.Stop()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			r.flush(last)
			return
		}
	}
}

// flush writes what waits. While the store is unavailable it waits on, as far
// as there is room.
func (r *Recorder) flush(ctx context.Context) {
	r.flushing.Lock()
	defer r.flushing.Unlock()
	r.mu.Lock()
	r.inFlight = r.waiting.take()
	left := r.inFlight
	r.mu.Unlock()
	for len(left) > 0 {
		n := min(batch, len(left))
		if err := r.save(ctx, left[len(left)-n:]); err != nil {
			r.cfg.Log.Warn("refusals not written, will try again", "count", len(left), "err", err)
			r.putBack(left)
			r.wake()
			return
		}
		left = left[:len(left)-n]
		r.mu.Lock()
		r.inFlight = left
		r.mu.Unlock()
	}
}

// save writes a batch. If the store does not want it, its refusals are written
// one by one, so that one bad one does not hold up the others; a tenant that
// does not exist is none that could ask, so management gets what was meant for
// it. An error means: try again later.
func (r *Recorder) save(ctx context.Context, refusals []platform.Refusal) error {
	err := r.cfg.Store.SaveRefusals(ctx, refusals, PerName)
	if err == nil || isTemporary(err) {
		return err
	}
	for _, f := range refusals {
		err := r.cfg.Store.SaveRefusals(ctx, []platform.Refusal{f}, PerName)
		if errors.Is(err, problem.NotFound) && f.Tenant != platform.Management {
			f.Tenant = platform.Management
			err = r.cfg.Store.SaveRefusals(ctx, []platform.Refusal{f}, PerName)
		}
		if err != nil {
			r.cfg.Log.Error("refusal not written", "tenant", f.Tenant, "door", f.Door, "reason", f.Reason, "err", err)
			r.mu.Lock()
			r.dropped++
			r.mu.Unlock()
		}
	}
	return nil
}

// isTemporary reports whether the store may take later what it refuses now.
func isTemporary(err error) bool {
	return errors.Is(err, problem.Unavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func (r *Recorder) putBack(left []platform.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped += int64(r.waiting.addOlder(left))
	r.inFlight = nil
}
