package main

import (
	"flag"
	"fmt"
	"runtime"
)

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
