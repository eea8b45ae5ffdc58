package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestKeyWatch: a store that goes away and comes back is told, with the time, and
// looked at as often as its state asks for.
func TestKeyWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		var away atomic.Bool
		w := newKeyWatch(slog.New(slog.DiscardHandler))
		w.add("keys.encryption", "FILE:/x", func(context.Context) error { t.Error("a file was asked"); return nil })
		w.add("keys.authority", "pkcs11:token=x", func(context.Context) error {
			asked.Add(1)
			if away.Load() {
				w.wake() // as a recovery does that fails
				return errors.New("no token is there")
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); w.run(ctx) }()
		defer func() { cancel(); <-ended }()
		looks := func(want int32) {
			t.Helper()
			if synctest.Wait(); asked.Swap(0) != want {
				t.Errorf("another number of looks than %d", want)
			}
		}
		looks(1)
		time.Sleep(10*watchEvery + time.Second)
		looks(10)
		time.Sleep(watchAway)
		if lines := w.degraded(); lines != nil {
			t.Errorf("serves: %v", lines)
		}
		looks(1) // somebody asked, and the last look was a while ago
		away.Store(true)
		gone := time.Now().UTC()
		w.wake() // as a request does that failed
		looks(1)
		time.Sleep(10*watchAway + time.Second)
		looks(10)
		lines := w.degraded()
		if len(lines) != 1 || !strings.Contains(lines[0], "keys.authority is away since "+gone.Format(time.RFC3339)+": no token is there") {
			t.Errorf("away: %v", lines)
		}
		if got := samples(t, w); got != 2 {
			t.Errorf("%d metrics of a store that is away, want 2", got)
		}
		away.Store(false)
		time.Sleep(watchAway)
		if lines := w.degraded(); lines != nil {
			t.Errorf("back: %v", lines)
		}
		if got := samples(t, w); got != 1 {
			t.Errorf("%d metrics of a store that is back, want 1", got)
		}
	})
}

func samples(t *testing.T, c prometheus.Collector) (n int) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		n += len(f.Metric)
	}
	return n
}
