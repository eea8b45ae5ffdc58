package main

import (
	"flag"
	"fmt"
)

var configCommand = command{
	name:    "config",
	args:    "check",
	short:   "check the configuration and print it",
	long:    "Checks the configuration and prints it with all defaults, secrets left out.",
	example: "mooring-agent config check --config agent.toml",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		place := p.addPlace(f)
		return func(args []string) error {
			if len(args) == 0 || args[0] != "check" {
				return usagef("the one thing to do with the configuration is: config check")
			}
			if err := f.Parse(args[1:]); err != nil {
				return flagError("config", err)
			}
			if f.NArg() > 0 {
				return usagef("config check takes no arguments")
			}
			c, err := place.load()
			if err != nil {
				return err
			}
			if err := valid(c); err != nil {
				return err
			}
			fmt.Fprint(p.stdout, c.String())
			return nil
		}
	},
}
