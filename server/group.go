package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"mooring/internal/problem"
)

// group is everything that runs while a server serves. When one part fails all
// stop; stopping asks every part to finish, for a bounded time.
type group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	log    *slog.Logger

	parts sync.WaitGroup // serving loops
	tasks sync.WaitGroup // background tasks: stopped after the parts

	mu        sync.Mutex // guards shutdowns
	shutdowns []func(context.Context) error

	tasksCtx  context.Context
	tasksStop context.CancelFunc
}

func newGroup(ctx context.Context, log *slog.Logger) *group {
	g := &group{log: log}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	g.tasksCtx, g.tasksStop = context.WithCancel(context.WithoutCancel(ctx))
	return g
}

func (g *group) stop() { g.cancel(nil) }

// onStop adds what is called, once, when everything stops.
func (g *group) onStop(shutdown func(context.Context) error) {
	g.mu.Lock()
	g.shutdowns = append(g.shutdowns, shutdown)
	g.mu.Unlock()
}

// serve runs loop until shutdown makes it return; nil: something else does. A
// loop that returns before stops everything.
func (g *group) serve(name string, loop func() error, shutdown func(context.Context) error) {
	if shutdown != nil {
		g.onStop(shutdown)
	}
	g.parts.Go(func() {
		err := loop()
		if g.ctx.Err() == nil {
			g.log.Error("listener failed", "listener", name, "err", err)
			g.cancel(problem.New(problem.Internal, "listener "+name+" failed", err))
		}
	})
}

// background runs task until the parts have stopped.
func (g *group) background(task func(context.Context)) {
	g.tasks.Go(func() { task(g.tasksCtx) })
}

// wait stops every part, all at once, then the background tasks.
func (g *group) wait(within time.Duration) error {
	cause := context.Cause(g.ctx)
	g.cancel(nil)
	ctx, done := context.WithTimeout(context.WithoutCancel(g.ctx), within)
	defer done()
	g.mu.Lock()
	shutdowns := g.shutdowns
	g.mu.Unlock()
	errs := make([]error, len(shutdowns)+1)
	var stopping sync.WaitGroup
	for i, shutdown := range shutdowns {
		stopping.Go(func() { errs[i] = shutdown(ctx) })
	}
	stopping.Wait()
	g.parts.Wait()
	g.tasksStop()
	g.tasks.Wait()
	if _, failed := errors.AsType[*problem.Error](cause); failed {
		errs[len(shutdowns)] = cause
	}
	return errors.Join(errs...)
}
