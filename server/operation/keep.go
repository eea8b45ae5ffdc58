package operation

import (
	"context"
	"time"

	"mooring/server/platform"
)

// How often is looked for what is due; ours. Who waits for something else is
// woken by it.
const (
	lookRarely = time.Hour   // Config.LookEvery, if nobody gave it
	lookOften  = time.Minute // some tenant lets operations time out
	lookSoon   = 20 * time.Millisecond
)

// maxOpen is how many open bulk operations are looked at in one turn.
const maxOpen = 100

// Keep does what falls due, until ctx ends: bulk operations and timeouts.
func (s *Service) Keep(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		timer.Reset(s.duty(ctx))
	}
}

// Wake makes Keep look now. It does not block.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Apply hears of changes: an option may let operations time out.
func (s *Service) Apply(_ context.Context, c platform.Change) error {
	for _, t := range timeouts {
		if c.Kind == platform.ChangeOption && c.Key == t.option.Category+"/"+t.option.Key {
			s.Wake()
		}
	}
	return nil
}

// duty does what is due and returns how long there is nothing to do.
func (s *Service) duty(ctx context.Context) time.Duration {
	wait := s.LookEvery
	timing, err := s.FailOverdue(ctx)
	if err != nil && ctx.Err() == nil {
		s.Log.Error("operations that took too long are not failed yet", "err", err)
	}
	if timing || err != nil {
		wait = lookOften
	}
	open, err := s.Store.OpenBulkOperations(ctx, maxOpen)
	if err != nil {
		return min(wait, lookOften)
	}
	now, failed := s.Now(), false
	for _, b := range open {
		if b.Next.After(now) {
			wait = min(wait, b.Next.Sub(now))
			break
		}
		wait = lookSoon
		if err := s.stepBulk(ctx, b.Tenant, b.ID); err != nil && ctx.Err() == nil {
			s.Log.Error("bulk operation does not go on, it is tried again", "tenant", b.Tenant, "bulk_operation", b.ID, "err", err)
			failed = true
		}
	}
	if failed {
		return lookOften
	}
	return wait
}
