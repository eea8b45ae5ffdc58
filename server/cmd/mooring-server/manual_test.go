package main

import (
	"flag"
	"strings"
	"testing"

	"mooring/internal/manualtest"
)

var update = flag.Bool("update", false, "write the manual page and the completion anew")

// The manual page and the completion say what the program says of itself.
func TestManual(t *testing.T) {
	p := manualtest.Program{
		Name:    "mooring-server",
		Summary: "the platform that devices meet",
		Description: "mooring-server is the platform side of a fleet of devices, compatible with Cumulocity's public API: certificate authority and EST, trusted " +
			"certificates and revocation, registration, MQTT with SmartREST, and REST.\n\n" +
			"serve runs it. The other commands talk to a running server through the admin socket in its data directory, or open the directory themselves while nobody serves it.",
	}
	for _, c := range commands {
		p.Commands = append(p.Commands, manualtest.Command{Name: c.name, Args: c.args, Summary: c.summary, Example: c.example})
		if !strings.Contains(c.example, "mooring-server "+c.name) {
			t.Errorf("%s: the example %q shows no use of it", c.name, c.example)
		}
	}
	manualtest.Check(t, "../../..", p, *update)
}
