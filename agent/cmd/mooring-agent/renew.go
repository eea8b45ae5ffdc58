package main

import (
	"context"
	"flag"
	"fmt"
	"time"
)

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
