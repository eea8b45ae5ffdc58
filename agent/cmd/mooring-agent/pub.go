package main

import (
	"context"
	"flag"
	"time"
)

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
