package main

import (
	"errors"
	"flag"
	"fmt"

	"mooring/agent"
	"mooring/agent/identity"
)

var runCommand = command{
	name:  "run",
	short: "keep the device connected and its certificate fresh",
	long: "Keeps the device connected and renews its certificate in time, until it\n" +
		"is told to stop by SIGTERM. A refusal or an outage never ends it.",
	example: "mooring-agent run --state /var/lib/mooring",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		place := addPlace(f)
		return func(args []string) error {
			if len(args) > 0 {
				return usagef("run takes no arguments")
			}
			return p.run(place)
		}
	},
}

func (p *program) run(place *place) error {
	c, err := place.valid()
	if err != nil {
		return err
	}
	release, err := identity.Lock(c.State)
	if errors.Is(err, identity.ErrLocked) {
		return agent.WithHint(err, "the agent runs already; mooring-agent status tells how it is")
	}
	if err != nil {
		return stateError(c.State, err)
	}
	defer release()
	l, err := agent.Listen(c.State)
	if err != nil {
		return fmt.Errorf("socket for other commands: %w", err)
	}
	a := p.newAgent(c, c.Level())
	served := make(chan error, 1)
	go func() { served <- a.Serve(p.ctx, l) }()
	err = a.Run(p.ctx)
	if p.ctx.Err() == nil { // it never started, so nobody stops the socket
		_ = l.Close()
		<-served
		return err
	}
	return errors.Join(err, <-served)
}
