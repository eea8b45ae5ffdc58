package sqlstore

import (
	"context"
	"sync"
	"time"

	"mooring/server/platform"
)

// Bounds of a command on PostgreSQL.
const (
	commandTimeout = 30 * time.Second // for all of its statements together
	maxAttempts    = 4                // when other transactions get in its way
)

// commands carries out each command in a transaction of its own, several at a
// time.
type commands struct {
	pool     *pool
	onCommit func([]platform.Change)
	// order is held from the numbering of a command's changes until onCommit has
	// heard of them. Whoever waits for it waits for no row, and who holds it
	// takes no other lock but that of change_head.
	order sync.Mutex
}

// do implements committer. It begins anew where that is safe: if the
// connection was dead before, or if another transaction got in the way.
func (p *commands) do(ctx context.Context, run func(*session) error) error {
	for attempt := 1; ; attempt++ {
		deadBefore := false
		err := p.pool.lend(ctx, func(c conn) error {
			// The end of ctx does not count any more, so that the caller learns what
			// became of the command.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commandTimeout)
			defer cancel()
			t := transaction{session: session{ctx: ctx, c: c, d: p.pool.d}}
			err := p.once(&t, run)
			deadBefore = c.broken() && !t.begun
			return err
		})
		if err == nil || attempt == maxAttempts || !deadBefore && !p.pool.d.again(err) {
			return err
		}
	}
}

func (p *commands) once(t *transaction, run func(*session) error) error {
	if err := t.begin(); err != nil {
		return err
	}
	if err := run(&t.session); err != nil {
		t.rollback()
		return err
	}
	if len(t.changes) > 0 {
		p.order.Lock()
		defer p.order.Unlock()
	}
	changes, err := t.numberChanges()
	if err != nil {
		t.rollback()
		return err
	}
	if err := t.commit(); err != nil {
		return err
	}
	if len(changes) > 0 {
		p.onCommit(changes)
	}
	return nil
}
