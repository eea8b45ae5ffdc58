package sqlstore

import (
	"context"
	"sync"
	"time"

	"mooring/internal/problem"
)

// Bounds of what the metered reads of one tenant take of a pool
// (platform.Metered): half of the connections, so that its slow queries leave the
// others room. Those of all tenants together leave one connection to whoever
// looks up a device.
const (
	shareWithin     = 5 * time.Second // how long a read waits for its turn
	maxShareWaiting = 200             // reads of one tenant that wait
)

// shares hands out the connections of a pool to metered reads.
type shares struct {
	each int           // connections of one tenant
	all  chan struct{} // a token for each connection that metered reads use

	mu      sync.Mutex // guards tenants
	tenants map[tenantKey]*share
}

// share is what one tenant has in use; it is forgotten when that is nothing.
type share struct {
	turns chan struct{}
	reads int // that run or wait
}

func newShares(connections int) *shares {
	return &shares{each: max(1, connections/2), all: make(chan struct{}, max(1, connections-1)), tenants: map[tenantKey]*share{}}
}

// take waits for the turn of a read of t, which ends with release.
//
// Errors: problem.Unavailable if too many of the tenant's reads wait already or if
// this one waits for too long.
func (s *shares) take(ctx context.Context, t tenantKey) (release func(), err error) {
	mine, ok := s.enter(t)
	if !ok {
		return nil, overloaded("Too many queries of this tenant wait.")
	}
	late := time.NewTimer(shareWithin)
	defer late.Stop()
	select {
	case mine.turns <- struct{}{}:
	case <-late.C:
		s.leave(t, mine)
		return nil, overloaded("The other queries of this tenant take too long.")
	case <-ctx.Done():
		s.leave(t, mine)
		return nil, ctx.Err()
	}
	select {
	case s.all <- struct{}{}:
	case <-late.C:
		err = overloaded("The server has too many queries to answer.")
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		<-mine.turns
		s.leave(t, mine)
		return nil, err
	}
	return func() {
		<-s.all
		<-mine.turns
		s.leave(t, mine)
	}, nil
}

func overloaded(why string) error {
	return &problem.Error{Kind: problem.Unavailable, Detail: why + " Try again.", RetryAfter: shareWithin}
}

func (s *shares) enter(t tenantKey) (*share, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.tenants[t]
	if mine == nil {
		mine = &share{turns: make(chan struct{}, s.each)}
		s.tenants[t] = mine
	}
	if mine.reads >= s.each+maxShareWaiting {
		return nil, false
	}
	mine.reads++
	return mine, true
}

func (s *shares) leave(t tenantKey, mine *share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if mine.reads--; mine.reads == 0 {
		delete(s.tenants, t)
	}
}
