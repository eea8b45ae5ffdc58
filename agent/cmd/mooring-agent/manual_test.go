package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"mooring/agent/config"
	"mooring/internal/manualtest"
)

var update = flag.Bool("update", false, "write the manual page and the completion anew")

// The manual page and the completion say what the program says of itself.
func TestManual(t *testing.T) {
	for _, name := range []string{"MOORING_STATE", "MOORING_CONFIG"} {
		t.Setenv(name, "")
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	p := manualtest.Program{
		Name:    "mooring-agent",
		Summary: "ties a device to its platform by certificate",
		Description: "mooring-agent keeps the private key of a device in a TPM, a PKCS#11 token or a file, enrols over EST with a one-time password, keeps the device " +
			"connected over MQTT with its certificate, renews the certificate in time, and says in one line what is wrong.\n\n" +
			"A device's first steps are enrol and run; doctor names what keeps it from its server.",
		Files: []manualtest.Entry{
			{Term: config.DefaultFile, Meaning: "the configuration, mooring-agent.toml(5)"},
			{Term: config.DefaultState, Meaning: "identity, key files, spool and the socket of a running agent"},
		},
		See: "mooring-agent.toml(5), systemd.service(5)",
	}
	for _, c := range commands() {
		if c.hidden {
			continue
		}
		f := newFlags(c, os.Stderr)
		c.setup(&program{}, f)
		p.Commands = append(p.Commands, manualtest.Command{Name: c.name, Args: c.args, Summary: c.short, Long: c.long, Example: c.example, Flags: flagsOf(f)})
		if c.example == "" || !strings.Contains(c.example, "mooring-agent "+c.name) {
			t.Errorf("%s: the example %q shows no use of it", c.name, c.example)
		}
	}
	manualtest.Check(t, "../../..", p, *update)
}

// flagsOf lists the flags of a command.
func flagsOf(f *flag.FlagSet) (flags []manualtest.Entry) {
	f.VisitAll(func(one *flag.Flag) {
		value, usage := flag.UnquoteUsage(one)
		term := one.Name
		if value != "" {
			term += " " + strings.ToUpper(value)
		}
		if d := one.DefValue; d != "" && d != "false" && d != "0" && d != "0s" {
			usage += " (default " + d + ")"
		}
		flags = append(flags, manualtest.Entry{Term: term, Meaning: usage})
	})
	return flags
}
