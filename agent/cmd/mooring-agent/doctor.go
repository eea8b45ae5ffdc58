package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"

	"mooring/agent"
	"mooring/agent/doctor"
)

var doctorCommand = command{
	name:  "doctor",
	short: "find out what keeps the device from its server",
	long: "Examines everything between configuration and device token, each layer by\n" +
		"itself, and names what is wrong: a stable code, the cause in one line, what to\n" +
		"do. It changes nothing and never disturbs a running agent. With --codes it\n" +
		"explains the codes named, or all.\n\n" +
		"Exit status: 0 nothing is wrong, 1 something is, 2 the configuration is, 75 it\n" +
		"may be gone later.",
	args:    "[CODE…]",
	example: "mooring-agent doctor --json",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		place := p.addPlace(f)
		asJSON := f.Bool("json", false, "print one JSON object, with stable names")
		codes := f.Bool("codes", false, "explain the codes")
		timeout := f.Duration("timeout", 0, "how `long` to examine (default a minute, and what a slow key takes by keystore selftest)")
		return func(args []string) error {
			if *codes {
				return p.explainCodes(args)
			}
			if len(args) > 0 {
				return usagef("doctor takes no arguments; --codes explains codes")
			}
			r := p.examine(*timeout, place)
			if *asJSON {
				if err := json.NewEncoder(p.stdout).Encode(r); err != nil {
					return err
				}
			} else {
				r.Write(p.stdout)
			}
			if status := r.ExitStatus(); status != exitDone {
				return exitStatus(status)
			}
			return nil
		}
	},
}

func (p *program) examine(timeout time.Duration, place *place) doctor.Report {
	c, err := place.load()
	if timeout == 0 {
		timeout = doctor.Limit(p.fsys, c)
	}
	ctx, cancel := context.WithTimeout(p.ctx, timeout)
	defer cancel()
	if usage, ok := errors.AsType[usageError](err); ok {
		err = usage.error
	}
	built, _ := time.Parse(time.RFC3339, buildTime) // empty in development: no floor
	return doctor.Run(ctx, doctor.Options{Config: c, ConfigErr: err, Built: built, Daemon: agent.Dial(c.State)})
}

func (p *program) explainCodes(args []string) error {
	for _, name := range args {
		if _, ok := doctor.Lookup(doctor.Code(name)); !ok {
			return usagef("there is no code %q; mooring-agent doctor --codes lists all", name)
		}
	}
	for _, e := range doctor.Codes {
		if len(args) == 0 || slices.Contains(args, string(e.Code)) {
			fmt.Fprintf(p.stdout, "%s %-13s %-7s %s\n     do: %s\n", e.Code, e.Layer, e.Level, e.Cause, e.Advice)
		}
	}
	return nil
}

var _ doctor.Daemon = (*agent.Remote)(nil)

// exitStatus ends the program with a status when everything is said.
type exitStatus int

// Error implements error.
func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }
