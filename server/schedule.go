package server

import (
	"context"
	"log/slog"
	"time"
)

// lookEvery is how often a node looks whether something is due; what fell due
// while it was down is done at the start.
const lookEvery = time.Hour

// chore is something that is done on a date, by one node for all: it decides
// itself whether it is due, and does nothing if it is not.
type chore struct {
	name string
	do   func(context.Context) error
}

// keepSchedule does the chores that are due, now and at each turn until ctx
// ends.
func keepSchedule(ctx context.Context, log *slog.Logger, turn time.Duration, chores []chore) {
	every := time.NewTicker(turn)
	defer every.Stop()
	for {
		for _, c := range chores {
			if err := c.do(ctx); err != nil && ctx.Err() == nil {
				log.Error("scheduled work failed and will be tried again", "work", c.name, "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}
