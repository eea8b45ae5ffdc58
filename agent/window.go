package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"mooring/agent/renew"
	"mooring/internal/lifecycle"
	"mooring/internal/problem"
)

// How often the server is asked when to renew. It says itself when to ask
// again; a fleet that comes back after an outage asks spread over an hour.
const (
	minAskWindow   = time.Hour
	maxAskWindow   = 14 * 24 * time.Hour
	windowNotTold  = 7 * 24 * time.Hour // by a server that has no such answer
	windowFailed   = 6 * time.Hour
	windowSpread   = time.Hour
	windowAskLimit = 30 * time.Second // for one question
)

// windowAsk is when the server's renewal window is asked for. The loop owns it.
type windowAsk struct {
	generation uint32 // whose window; another one is asked for anew
	at         lifecycle.Instant
	asking     bool
}

// askWindow asks when it is time: while connected with a proven certificate.
func (a *Agent) askWindow(ctx context.Context, beside *sync.WaitGroup) {
	s, now := &a.state, a.clock.Now()
	current := s.Current
	if a.window.asking || !s.Online || !current.Proven || !s.TimeTrusted {
		return
	}
	if a.window.generation != current.Number {
		a.window = windowAsk{generation: current.Number, at: lifecycle.At(now.Add(time.Duration(s.Seed % uint64(windowSpread))))}
	}
	if now.Before(a.window.at.Time()) {
		return
	}
	a.window.asking = true
	beside.Go(func() { a.send(ctx, a.windowOf(ctx, current.Number)) })
}

// windowOf asks for the window of a generation. RetryAfter of the event is when
// to ask again.
func (a *Agent) windowOf(ctx context.Context, number uint32) lifecycle.Event {
	ctx, cancel := context.WithTimeout(ctx, windowAskLimit)
	defer cancel()
	event := lifecycle.Event{Kind: lifecycle.WindowTold, RetryAfter: windowFailed}
	id, err := a.ids.Load(ctx, number)
	if err != nil {
		return event
	}
	a.lookForChain(ctx, id, number)
	w, err := renew.AskWindow(ctx, a.endpoint, id.TLS())
	if err != nil {
		a.log.Debug("the server does not say when to renew", "err", err)
		if errors.Is(err, problem.NotFound) {
			event.Generation, event.RetryAfter = number, windowNotTold // it has no wish
		}
		event.RetryAfter = max(event.RetryAfter, min(w.AskAgain, maxAskWindow))
		return event
	}
	event.Generation, event.Window = number, lifecycle.Window{Start: lifecycle.At(w.Start), End: lifecycle.At(w.End)}
	event.RetryAfter = min(max(w.AskAgain, minAskWindow), maxAskWindow)
	return event
}

// windowTold notes when to ask again.
func (a *Agent) windowTold(e lifecycle.Event) {
	a.window.asking = false
	a.window.at = lifecycle.At(a.clock.Now().Add(e.RetryAfter))
	if e.Window != (lifecycle.Window{}) && e.Window != a.state.Window {
		a.log.Info("the server says when to renew", "generation", e.Generation, "start", e.Window.Start.Time(), "end", e.Window.End.Time())
	}
}

// untilWindow is how long until the server is to be asked.
func (a *Agent) untilWindow(limit time.Duration) time.Duration {
	if a.window.at == 0 || a.window.asking || !a.state.Online {
		return limit
	}
	return min(limit, max(time.Second, a.window.at.Time().Sub(a.clock.Now())))
}
