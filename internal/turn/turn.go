// Package turn is a lock for those who wait for something slow while they hold it,
// such as a commit: whoever stands behind them may give up, which nobody can who
// waits for a mutex.
package turn

import "context"

// Turn is held by one at a time; New makes one.
type Turn chan struct{}

// New returns a turn that nobody holds.
func New() Turn { return make(Turn, 1) }

// Take waits for the turn. The error is that of ctx, if it ends before.
func (t Turn) Take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Give lets the next one have what Take took.
func (t Turn) Give() { <-t }
