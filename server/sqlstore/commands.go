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

// do implements committer.
func (p *commands) do(ctx context.Context, run func(*session) error) error {
	for attempt := 1; ; attempt++ {
		err := p.once(ctx, run)
		if err == nil || attempt == maxAttempts || !p.pool.d.again(err) {
			return err
		}
	}
}

// once ignores the end of ctx as soon as the command has begun, so that the
// caller learns what became of it.
func (p *commands) once(ctx context.Context, run func(*session) error) error {
	return p.pool.lend(ctx, func(c conn) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commandTimeout)
		defer cancel()
		t := transaction{session{ctx: ctx, c: c, d: p.pool.d}}
		if err := t.run(t.d.begin); err != nil {
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
	})
}
