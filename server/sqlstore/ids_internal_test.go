package sqlstore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/turn"
)

// slowCommitter commits nothing, an hour after it was asked.
type slowCommitter struct{}

func (slowCommitter) do(context.Context, func(*session) error) error {
	time.Sleep(time.Hour)
	return errors.New("no block")
}

// Whoever needs an ID while another waits for the next block may give up, and in
// simulated time the clock moves on.
func TestNewIDGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Store{identity: slowCommitter{}, ids: idBlock{turn: turn.New()}}
		go func() {
			if _, err := s.NewID(t.Context()); err == nil {
				t.Error("an ID without a block")
			}
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if _, err := s.NewID(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the end of its context", err)
		}
		if got := time.Since(begun); got != time.Second {
			t.Errorf("waited %v, want a second", got)
		}
		time.Sleep(time.Hour) // until the first one has its answer
		synctest.Wait()
	})
}
