package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"time"

	"mooring/agent"
	"mooring/agent/identity"
	"mooring/agent/spool"
	"mooring/internal/lifecycle"
	"mooring/internal/problem"
)

var statusCommand = command{
	name:    "status",
	short:   "tell how the device is",
	long:    "Tells how the device is: from the running agent, else from the state directory.",
	example: "mooring-agent status --json",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		place := p.addPlace(f)
		asJSON := f.Bool("json", false, "print one JSON object, with stable names")
		check := f.Bool("check", false, "let the exit status tell the rung: 0 on a certificate in force, 75 on the\n"+
			"way back by itself, 1 when a person is needed")
		return func(args []string) error {
			if len(args) > 0 {
				return usagef("status takes no arguments")
			}
			s, err := p.status(place)
			if err != nil {
				return err
			}
			if *asJSON {
				err = json.NewEncoder(p.stdout).Encode(s)
			} else {
				p.printStatus(s)
			}
			if *check && err == nil {
				return checkRung(s)
			}
			return err
		}
	},
}

// checkRung is nil for a device on a certificate in force.
func checkRung(s agent.Status) error {
	switch s.Rung {
	case lifecycle.OnCertificate.String():
		return nil
	case lifecycle.NewOTP.String():
		return agent.WithHint(errors.New("the device has no certificate in force, and needs a person"), s.Hint)
	}
	return problem.New(problem.Pending, "the device has no certificate in force; it tries "+s.Rung, nil)
}

// statusLimit bounds the answer of a running agent, which has it at hand.
const statusLimit = 10 * time.Second

func (p *program) status(place *place) (agent.Status, error) {
	c, err := place.load()
	if err != nil {
		return agent.Status{}, err
	}
	ctx, cancel := context.WithTimeout(p.ctx, statusLimit)
	defer cancel()
	running := agent.Dial(c.State)
	if s, err := running.Status(ctx); !agent.NotRunning(err) {
		return s, err
	}
	if err := identity.CheckDir(p.fsys, c.State); err != nil {
		return agent.Status{}, err
	}
	// Without the lock: reading needs none, because a generation never changes
	// and the pointer to it flips at once; and holding it would turn a starting
	// agent away.
	return p.newAgent(c, 0).Inspect(ctx)
}

func (p *program) printStatus(s agent.Status) {
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(p.stdout, "%-11s %s\n", name, value)
		}
	}
	row("state", s.State)
	row("rung", s.Rung)
	row("hint", s.Hint)
	row("clock", s.Clock)
	row("device", s.Device)
	row("server", s.Server)
	row("connected", map[bool]string{true: "yes, " + s.TLS, false: "no"}[s.Connected])
	if s.Generation != 0 {
		row("serial", s.Serial)
		row("issuer", s.Issuer)
		row("not after", s.NotAfter.Format(time.RFC3339))
		if s.DaysLeft != nil {
			row("days left", fmt.Sprint(*s.DaysLeft))
		}
		row("renew at", s.RenewAt.Format(time.RFC3339))
		row("fingerprint", s.Fingerprint)
		row("generation", fmt.Sprint(s.Generation))
	}
	if w := s.Spool; w != nil {
		row("waiting", fmt.Sprintf("%d messages, %d bytes on disk", w.Messages, w.Bytes))
		if s.Oldest != nil {
			row("since", s.Oldest.Format(time.RFC3339))
		}
		if d := w.Dropped; d != (spool.Dropped{}) {
			row("dropped", fmt.Sprintf("%d for want of room, %d too old, %d refused", d.Full, d.Expired, d.Refused))
		}
	}
	if s.Operations > 0 {
		row("operations", fmt.Sprintf("%d under way or waiting", s.Operations))
	}
	if e := s.LastError; e != nil {
		row("last error", fmt.Sprintf("%s: %s (%s)", e.Reason, e.Detail, e.Time.Format(time.RFC3339)))
		row("what to do", e.Hint)
	}
}
