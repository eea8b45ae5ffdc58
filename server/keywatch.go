package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mooring/hsm/key"
)

const (
	// watchEvery is how often a key store is looked at that serves, and watchAway
	// one that is away.
	watchEvery = time.Minute
	watchAway  = 10 * time.Second
	// watchLimit bounds one look. A store that mends itself takes some seconds.
	watchLimit = 30 * time.Second
)

// keyWatch knows which tokens and TPMs with keys of the server are away. What is
// in force goes on without them; what needs such a key is put off.
type keyWatch struct {
	log    *slog.Logger
	now    func() time.Time
	stores []*watchedStore
	nudge  chan struct{} // something has failed, or somebody asks

	mu sync.Mutex // guards what follows
	at time.Time  // of the last look; zero: there was none
}

// watchedStore is one of them.
type watchedStore struct {
	use string // as in the configuration
	ask func(context.Context) error

	// Guarded by keyWatch.mu.
	since time.Time // it is away; zero: it serves
	err   error
}

func newKeyWatch(log *slog.Logger) *keyWatch {
	return &keyWatch{log: log, now: time.Now, nudge: make(chan struct{}, 1)}
}

// add watches a store that can go away. Files cannot, or the server is gone too.
func (w *keyWatch) add(use, uri string, ask func(context.Context) error) {
	if scheme, _, _ := strings.Cut(uri, ":"); !strings.EqualFold(scheme, "file") {
		w.stores = append(w.stores, &watchedStore{use: use, ask: ask})
	}
}

// canSeal asks a sealer for all that the server wants of it.
func canSeal(s key.Sealer) func(context.Context) error {
	return func(ctx context.Context) error {
		want := []byte("is the key there?")
		sealed, err := s.Seal(ctx, want, nil)
		if err != nil {
			return err
		}
		got, err := s.Unseal(ctx, sealed, nil)
		if err == nil && !bytes.Equal(got, want) {
			err = errors.New("it unseals something else than it sealed")
		}
		return err
	}
}

func canList(s key.Store) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.List(ctx)
		return err
	}
}

// wake has the stores looked at soon. It never blocks.
func (w *keyWatch) wake() {
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// run looks until ctx ends.
func (w *keyWatch) run(ctx context.Context) {
	if len(w.stores) == 0 {
		return
	}
	for {
		every, nudge := watchEvery, w.nudge
		if w.look(ctx) {
			every, nudge = watchAway, nil // what fails meanwhile is no news
		}
		w.drain()
		select {
		case <-time.After(every):
		case <-nudge:
		case <-ctx.Done():
			return
		}
	}
}

// drain forgets the nudge that a look itself has caused.
func (w *keyWatch) drain() {
	select {
	case <-w.nudge:
	default:
	}
}

// look asks each store and reports whether one is away.
func (w *keyWatch) look(ctx context.Context) (away bool) {
	for _, s := range w.stores {
		bounded, cancel := context.WithTimeout(ctx, watchLimit)
		err := s.ask(bounded)
		cancel()
		if ctx.Err() != nil {
			return away
		}
		away = away || err != nil
		w.note(s, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.now()
	return away
}

func (w *keyWatch) note(s *watchedStore, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil && s.since.IsZero():
		s.since = w.now()
		w.log.Error("a key store is away: what needs its keys is put off", "use", s.use, "err", err)
	case err == nil && !s.since.IsZero():
		w.log.Info("a key store is back", "use", s.use, "away", w.now().Sub(s.since).Round(time.Second))
		s.since = time.Time{}
	}
	s.err = err
}

// degraded tells, a line each, which stores are away. Who asks has them looked at
// again if that was a while ago.
func (w *keyWatch) degraded() (lines []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now().Sub(w.at) > watchAway {
		w.wake()
	}
	for _, s := range w.stores {
		if !s.since.IsZero() {
			lines = append(lines, fmt.Sprintf("degraded: %s is away since %s: %v", s.use, s.since.UTC().Format(time.RFC3339), s.err))
		}
	}
	return lines
}

var (
	descKeyStore = describe("key_store_up", "whether the token or TPM with keys of the server serves, by its use in the configuration", "use")
	descKeyAway  = describe("key_store_away_since_seconds", "since when it does not, in seconds since 1970", "use")
)

// Describe implements prometheus.Collector.
func (w *keyWatch) Describe(ch chan<- *prometheus.Desc) {
	ch <- descKeyStore
	ch <- descKeyAway
}

// Collect implements prometheus.Collector.
func (w *keyWatch) Collect(ch chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.stores {
		up := 1.0
		if !s.since.IsZero() {
			up = 0
			ch <- prometheus.MustNewConstMetric(descKeyAway, prometheus.GaugeValue, float64(s.since.Unix()), s.use)
		}
		ch <- prometheus.MustNewConstMetric(descKeyStore, prometheus.GaugeValue, up, s.use)
	}
}
