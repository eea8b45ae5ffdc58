package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"time"

	"mooring/agent"
	"mooring/agent/identity"
	"mooring/agent/spool"
	"mooring/internal/durable"
	"mooring/internal/lifecycle"
	"mooring/internal/problem"
)

var statusCommand = command{
	name:    "status",
	short:   "tell how the device is",
	long:    "Tells how the device is: from the running agent, else from the state directory.",
	example: "mooring-agent status --json",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		place := addPlace(f)
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
	if err := identity.CheckDir(durable.OS, c.State); err != nil {
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
	}
}

var tokenCommand = command{
	name:    "token",
	short:   "print a device token for REST calls",
	long:    "Prints a device token (JWT), for the header \"Authorization: Bearer\".",
	example: `curl -H "Authorization: Bearer $(mooring-agent token)" https://t1000.example.com/inventory/managedObjects`,
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		return p.withControl(f, time.Minute, func(ctx context.Context, a control, args []string) error {
			if len(args) > 0 {
				return usagef("token takes no arguments")
			}
			token, _, err := a.Token(ctx)
			if err != nil {
				return err
			}
			fmt.Fprintln(p.stdout, token.Reveal())
			return nil
		})
	},
}

var renewCommand = command{
	name:    "renew",
	short:   "get a new certificate now",
	long:    "Gets a new certificate now and returns when it has connected. The old one\nstays until the server has confirmed the new.",
	example: "mooring-agent renew",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		return p.withControl(f, 5*time.Minute, func(ctx context.Context, a control, args []string) error {
			if len(args) > 0 {
				return usagef("renew takes no arguments")
			}
			s, err := a.Renew(ctx)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.stdout, "renewed  %s\nserial   %s\nissuer   %s\nvalid to %s\n", s.Device, s.Serial, s.Issuer, s.NotAfter.Format(time.RFC3339))
			return nil
		})
	},
}

var pubCommand = command{
	name:  "pub",
	args:  "LINE…",
	short: "send SmartREST lines and wait until the server has them",
	long: "Sends SmartREST lines on s/us and returns when the server has acknowledged\n" +
		"them. From the beginning they are on the disk: if the server cannot be reached\n" +
		"in time, or the power goes, the agent sends them later, in order. So exit\n" +
		"status 75 says that they wait, not that they should be sent again, unless the\n" +
		"spool is full (spool.drop = \"newest\") or the state directory stayed in use.",
	example: "mooring-agent pub 200,c8y_Temperature,T,21.5,C",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		queue := f.Bool("queue", false, "return when the lines are on the disk")
		send := p.withControl(f, time.Minute, func(ctx context.Context, a control, args []string) error {
			if *queue {
				return a.Queue(ctx, args)
			}
			return a.Publish(ctx, args)
		})
		return func(args []string) error {
			if len(args) == 0 {
				return usagef("pub needs at least one line, as 200,c8y_Temperature,T,21.5,C is")
			}
			for _, line := range args {
				if line != "" && line[0] == '-' {
					return usagef("no line of SmartREST begins as %q does; flags stand before the lines", line)
				}
			}
			return send(args)
		}
	},
}

// withControl declares --timeout and lends an agent to do.
func (p *program) withControl(f *flag.FlagSet, limit time.Duration, do func(context.Context, control, []string) error) func([]string) error {
	place := addPlace(f)
	timeout := f.Duration("timeout", limit, "how `long` to try")
	return func(args []string) error {
		c, err := place.valid()
		if err != nil {
			return err
		}
		return p.withAgent(c, *timeout, func(ctx context.Context, a control) error { return do(ctx, a, args) })
	}
}

var configCommand = command{
	name:    "config",
	args:    "check",
	short:   "check the configuration and print it",
	long:    "Checks the configuration and prints it with all defaults, secrets left out.",
	example: "mooring-agent config check --config agent.toml",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		place := addPlace(f)
		return func(args []string) error {
			if len(args) == 0 || args[0] != "check" {
				return usagef("the one thing to do with the configuration is: config check")
			}
			if err := f.Parse(args[1:]); err != nil {
				return usageError{err}
			}
			if f.NArg() > 0 {
				return usagef("config check takes no arguments")
			}
			c, err := place.load()
			if err != nil {
				return err
			}
			if err := c.Validate(); err != nil {
				return usageError{err}
			}
			fmt.Fprint(p.stdout, c.String())
			return nil
		}
	},
}

var versionCommand = command{
	name:    "version",
	short:   "print the version",
	long:    "Prints the version of the agent.",
	example: "mooring-agent version",
	setup: func(p *program, _ *flag.FlagSet) func([]string) error {
		return func([]string) error {
			fmt.Fprintf(p.stdout, "mooring-agent %s %s/%s %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
			return nil
		}
	},
}
