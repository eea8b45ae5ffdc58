package main

import (
	"context"
	"flag"
	"fmt"
	"time"
)

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
