package sqlstore

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestRest: commits of a busy server keep their distance, but not from those who
// are back at once and wait for their answers, and not when the store closes.
func TestRest(t *testing.T) {
	tests := []struct {
		name   string
		last   int // commands of the last commit
		back   int // commands that came at once
		took   time.Duration
		closed bool
		want   time.Duration
	}{
		{name: "nobody is back", last: 20, want: 10 * time.Millisecond},
		{name: "some are", last: 20, back: 14, want: 10 * time.Millisecond},
		{name: "most are", last: 20, back: 15, want: 2 * time.Millisecond},
		{name: "the commit took its time", last: 20, took: 7 * time.Millisecond, want: 10 * time.Millisecond},
		{name: "the commit took longer", last: 20, took: 30 * time.Millisecond, want: 32 * time.Millisecond},
		{name: "closed", last: 20, closed: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &writer{spacing: 10 * time.Millisecond, queue: newQueue(100, 1<<20)}
				begun := time.Now()
				time.Sleep(tt.took)
				for range tt.back {
					if err := w.queue.put(&command{}); err != nil {
						t.Fatal(err)
					}
				}
				if tt.closed {
					w.queue.close()
				}
				w.rest(tt.last, begun)
				if got := time.Since(begun); got != tt.want {
					t.Errorf("rested until %v, want %v", got, tt.want)
				}
			})
		})
	}
}
