package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mooring/agent"
	"mooring/agent/identity"
)

// daemonLimit bounds the answers of a running agent, which has them at hand.
const daemonLimit = 10 * time.Second

// daemon finds out whether an agent runs.
func (e *exam) daemon(ctx context.Context) {
	if e.o.Daemon != nil {
		ctx, cancel := context.WithTimeout(ctx, daemonLimit)
		defer cancel()
		s, err := e.o.Daemon.Status(ctx)
		if err == nil {
			e.running, e.busy = &s, true
			return
		}
		if !agent.NotRunning(err) {
			e.busy = true
			e.fail("agent", "M180", err)
			return
		}
	}
	release, err := e.o.Lock(e.cfg.State)
	if errors.Is(err, identity.ErrLocked) {
		e.busy = true
		e.skip("agent", "another command of mooring-agent is at work on the state directory")
		return
	}
	if err == nil {
		release()
	}
}

// judgeDaemon compares how the running agent is with what was found.
func (e *exam) judgeDaemon() {
	switch s := e.running; {
	case s != nil && s.Connected:
		e.ok("agent", "runs and is connected by %s", s.TLS)
	case s != nil && s.Generation == 0:
		e.ok("agent", "runs, and waits for its first certificate")
	case s != nil:
		last := "it has not said why"
		code := Code("M182")
		if s.LastError != nil {
			last = fmt.Sprintf("%s: %s (%s)", s.LastError.Reason, s.LastError.Detail, s.LastError.Time.UTC().Format(time.RFC3339))
			if c, known := reasons[s.LastError.Reason]; known && !e.has(c) {
				e.find("agent", c, s.LastError.Detail)
			}
		}
		if !e.hasErrors() {
			code = "M181"
		}
		e.find("agent", code, last)
	case e.id != nil && !e.busy:
		e.find("agent", "M183", "")
	}
}

func (e *exam) hasErrors() bool {
	for _, f := range e.findings {
		if f.Level == Error {
			return true
		}
	}
	return false
}
