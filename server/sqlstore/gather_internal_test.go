package sqlstore

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// TestGather: a commit waits for as many as are expected, no longer than patience,
// and not when the store closes.
func TestGather(t *testing.T) {
	const patience = 3 * time.Millisecond
	tests := []struct {
		name   string
		before int // commands that wait already
		later  int // commands that come one by one, a millisecond apart
		closed bool
		want   time.Duration
	}{
		{name: "nobody comes", want: patience},
		{name: "all are there", before: 4},
		{name: "more are there", before: 5},
		{name: "the last one comes", before: 3, later: 1, want: time.Millisecond},
		{name: "one is missing", before: 1, later: 2, want: patience},
		{name: "closed", before: 3, closed: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(100, 1<<20)
				put := func() {
					if err := q.put(&command{}); err != nil {
						t.Error(err)
					}
				}
				for range tt.before {
					put()
				}
				go func() {
					for range tt.later {
						time.Sleep(time.Millisecond)
						put()
					}
				}()
				if tt.closed {
					q.close()
				}
				begun := time.Now()
				q.gather(4, patience)
				if got := time.Since(begun); got != tt.want {
					t.Errorf("waited %v, want %v", got, tt.want)
				}
				if n := tt.before + tt.later; n > 0 {
					if batch := q.take(100, 1<<20); len(batch) != n {
						t.Errorf("then took %d, want %d", len(batch), n)
					}
				}
				if !tt.closed { // and who comes alone later is taken at once
					go func() { time.Sleep(time.Second); put() }()
					q.take(1, 1<<20)
				}
			})
		})
	}
}

// TestPatience: who sends one command after the other is not delayed;
// several who do are, and then they share commits.
func TestPatience(t *testing.T) {
	for clients, want := range map[int]time.Duration{1: 0, 2: identityPatience} {
		synctest.Test(t, func(t *testing.T) {
			w := &writer{patience: identityPatience, queue: newQueue(100, 1<<20)}
			w.stopped = make(chan struct{})
			answered := make(chan struct{}, 10)
			w.open = func(context.Context) (conn, error) { return nil, errors.New("no disk") }
			w.log = slog.New(slog.DiscardHandler)
			for range clients {
				w.submit(&command{done: func(error) { answered <- struct{}{} }})
			}
			w.start()
			for range clients {
				<-answered
			}
			begun := time.Now()
			w.submit(&command{done: func(error) { answered <- struct{}{} }})
			<-answered
			if got := time.Since(begun); got != want {
				t.Errorf("%d clients: the next command took %v, want %v", clients, got, want)
			}
			if err := w.close(); err != nil {
				t.Error(err)
			}
		})
	}
}
