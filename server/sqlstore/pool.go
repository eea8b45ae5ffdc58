package sqlstore

import "context"

// pool lends connections. It opens them when they are first needed and again
// after one broke.
type pool struct {
	d     *dialect
	open  func(context.Context) (conn, error)
	slots chan conn // nil: a slot whose connection is not open
	done  chan struct{}
	// shares bound what one tenant has of the slots at once.
	shares *shares
}

func newPool(d *dialect, size int, open func(context.Context) (conn, error)) *pool {
	p := &pool{d: d, open: open, slots: make(chan conn, size), done: make(chan struct{}), shares: newShares(size)}
	for range size {
		p.slots <- nil
	}
	return p
}

// lend calls f with a connection. A cancelled ctx ends the wait for one.
func (p *pool) lend(ctx context.Context, f func(conn) error) error {
	select {
	case <-p.done:
		return unavailable(errClosed)
	default:
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var c conn
	select {
	case c = <-p.slots:
	case <-ctx.Done():
		return ctx.Err()
	case <-p.done:
		return unavailable(errClosed)
	}
	if c == nil {
		var err error
		if c, err = p.open(ctx); err != nil {
			p.slots <- nil
			return unavailable(err)
		}
	}
	defer func() {
		if c.broken() {
			_ = c.close()
			c = nil
			p.closeIdle()
		}
		p.slots <- c
	}()
	return f(c)
}

// closeIdle drops the connections that nobody uses: when one broke, the others
// are probably dead too.
func (p *pool) closeIdle() {
	for range cap(p.slots) {
		select {
		case c := <-p.slots:
			if c != nil {
				_ = c.close()
			}
			p.slots <- nil
		default:
			return
		}
	}
}

// read runs queries outside of a transaction: each statement sees the last
// commit. A connection that turns out to be dead before it gave a row is
// replaced; f may be called again.
func (p *pool) read(ctx context.Context, f func(*session) error) error {
	for attempt := 1; ; attempt++ {
		again := false
		err := p.lend(ctx, func(c conn) error {
			s := &session{ctx: ctx, c: c, d: p.d}
			err := f(s)
			again = err != nil && !s.gotRow && c.broken() && ctx.Err() == nil
			return err
		})
		if !again || attempt == maxAttempts {
			return err
		}
	}
}

// close waits for the connections that are out.
func (p *pool) close() error {
	close(p.done)
	var closers []func() error
	for range cap(p.slots) {
		if c := <-p.slots; c != nil {
			closers = append(closers, c.close)
		}
	}
	return closeAll(closers...)
}

// read1 runs one query for one value.
func read1[T any](ctx context.Context, p *pool, f func(*session) (T, error)) (T, error) {
	var v T
	err := p.read(ctx, func(s *session) (err error) {
		v, err = f(s)
		return err
	})
	return v, err
}
