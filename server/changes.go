package server

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// A change reaches those who remember something in two ways: on this node
// synchronously, after the commit and before the writer's caller returns, so
// that a revocation is in force when it is answered; from other nodes (on
// PostgreSQL) by tailing the change log when they nudge, and without a nudge at
// most tailEvery late.
const tailEvery = 5 * time.Second

// tailPage is how many changes one look at the log takes.
const tailPage = 500

// applier forgets what a change made stale. It must be quick and idempotent.
type applier func(ctx context.Context, c platform.Change) error

// changeFeed hands changes to the appliers.
type changeFeed struct {
	log      *slog.Logger
	appliers atomic.Pointer[[]applier]
	loaded   int64 // newest change when the caches were loaded; set before tail
	// missed is called when changes have been removed from the log before this node
	// has read them: it was away for longer than they are kept. Set before tail.
	missed func()
}

// subscribe sets who hears of changes; before it, nobody does: nothing is
// loaded yet.
func (f *changeFeed) subscribe(appliers ...applier) { f.appliers.Store(&appliers) }

// committed is the store's OnCommit.
func (f *changeFeed) committed(changes []platform.Change) {
	f.apply(context.Background(), changes)
}

func (f *changeFeed) apply(ctx context.Context, changes []platform.Change) {
	appliers := f.appliers.Load()
	if appliers == nil {
		return
	}
	for _, c := range changes {
		for _, apply := range *appliers {
			if err := apply(ctx, c); err != nil && problem.KindOf(err) != problem.NotFound {
				f.log.Error("cannot apply a change", "number", c.Number, "kind", c.Kind, "tenant", c.Tenant, "key", c.Key, "err", err)
			}
		}
	}
}

// begin notes where the log stands. It is called before anything is loaded, so
// that what changes meanwhile is applied, at worst twice.
func (f *changeFeed) begin(ctx context.Context, log platform.Changes) (err error) {
	f.loaded, err = log.LastChange(ctx)
	return err
}

// tail applies what other nodes changed. Changes of this node come by again:
// appliers are idempotent.
func (f *changeFeed) tail(ctx context.Context, log platform.Changes) {
	after := f.loaded
	every := time.NewTicker(tailEvery)
	defer every.Stop()
	var following sync.WaitGroup
	defer following.Wait()
	nudges := f.nudges(ctx, log, &following)
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		case <-nudges:
		}
		after = f.catchUp(ctx, log, after)
	}
}

// catchUp applies the changes after a number and returns the newest.
func (f *changeFeed) catchUp(ctx context.Context, log platform.Changes, after int64) int64 {
	for {
		changes, err := log.ChangesAfter(ctx, after, tailPage)
		if err != nil {
			if ctx.Err() == nil {
				f.log.Error("cannot read the change log", "err", err)
			}
			return after
		}
		if len(changes) > 0 && changes[0].Number > after+1 { // numbers have no gaps
			f.log.Error("the change log has gone on without this node", "read", after, "next", changes[0].Number)
			if f.missed != nil {
				f.missed()
			}
		}
		f.apply(ctx, changes)
		if len(changes) > 0 {
			after = changes[len(changes)-1].Number
		}
		if len(changes) < tailPage {
			return after
		}
	}
}

// nudges returns a channel that holds one token when another node may have
// changed something; nil if the store cannot tell.
func (f *changeFeed) nudges(ctx context.Context, log platform.Changes, following *sync.WaitGroup) <-chan struct{} {
	source, ok := log.(platform.ChangeNudges)
	if !ok {
		return nil
	}
	nudges := make(chan struct{}, 1)
	following.Go(func() {
		for ctx.Err() == nil {
			err := source.FollowChanges(ctx, func() {
				select {
				case nudges <- struct{}{}:
				default: // it knows
				}
			})
			if ctx.Err() == nil {
				f.log.Warn("other nodes' changes come late: the database does not tell of them", "err", err, "at_most", tailEvery)
			}
			pause := time.NewTimer(tailEvery)
			select {
			case <-ctx.Done():
			case <-pause.C:
			}
			pause.Stop()
		}
	})
	return nudges
}
