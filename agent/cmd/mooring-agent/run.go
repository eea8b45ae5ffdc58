package main

import (
	"errors"
	"flag"

	"mooring/agent"
	"mooring/agent/identity"
)

var runCommand = command{
	name:  "run",
	short: "keep the device connected and its certificate fresh",
	long: "Keeps the device connected and renews its certificate in time, until it\n" +
		"is told to stop by SIGTERM. A refusal or an outage never ends it. SIGHUP\n" +
		"makes it read its configuration again.",
	example: "mooring-agent run --state /var/lib/mooring",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		place := p.addPlace(f)
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
	release, err := p.lock(c.State)
	if errors.Is(err, identity.ErrLocked) {
		return agent.WithHint(err, "the agent runs already; mooring-agent status tells how it is")
	}
	if err != nil {
		return p.stateError(c.State, err)
	}
	defer release()
	defer spareMemory()()
	return newService(p, place).run(c)
}
