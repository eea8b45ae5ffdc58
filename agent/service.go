package agent

import (
	"context"
	"fmt"
	"time"
)

// ServiceManager hears how the service is; *sdnotify.Notifier is one.
type ServiceManager interface {
	Ready() error
	Status(line string) error
	Alive() error
	// Watchdog is how often Alive is to be called, 0 for never.
	Watchdog() time.Duration
}

// Accompany tells m how the agent is until ctx ends: that it is ready once it
// has loaded what it needs, connected or not; a line whenever the state
// changes; and that it is alive, if the loop has answered just now.
func (a *Agent) Accompany(ctx context.Context, m ServiceManager) {
	told := func(err error) {
		if err != nil {
			a.log.Warn("the service manager does not listen", "err", err)
		}
	}
	select {
	case <-a.ready:
		told(m.Ready())
	case <-ctx.Done():
		return
	}
	var watchdog <-chan time.Time
	if every := m.Watchdog(); every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		watchdog = t.C
	}
	for line := ""; ; {
		v, changed := a.look()
		if now := statusLine(a.status(v)); now != line {
			line = now
			told(m.Status(line))
		}
		select {
		case <-changed:
		case <-watchdog:
			if a.alive(ctx, m.Watchdog()) {
				told(m.Alive())
			}
		case <-ctx.Done():
			return
		}
	}
}

// alive reports whether the loop answers within limit.
func (a *Agent) alive(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case a.pulse <- struct{}{}:
		return true
	case <-ctx.Done():
		a.log.Error("the loop does not answer")
		return false
	}
}

// statusLine is a status in one line.
func statusLine(s Status) string {
	line := s.State
	if s.Connected {
		line += ", connected to " + s.Server
	}
	if s.NotAfter != nil {
		line += ", certificate until " + s.NotAfter.Format(time.DateOnly)
	}
	if s.LastError != nil {
		line += fmt.Sprintf("; %s: %s", s.LastError.Reason, s.LastError.Detail)
	}
	return line
}
