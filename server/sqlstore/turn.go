package sqlstore

import "context"

// turn is a lock for those who wait for a commit while they hold it: whoever
// stands behind them may give up, which nobody can who waits for a mutex.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the turn, until ctx ends.
func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() { <-t }
