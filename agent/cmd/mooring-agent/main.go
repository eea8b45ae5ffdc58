// Command mooring-agent ties a device to its platform by certificate: it
// enrols, keeps the device connected, renews the certificate in time, and says
// in one line what is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"mooring/agent"
	"mooring/agent/identity"
	"mooring/hsm"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/problem"
)

// The exit status.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitLater  = 75 // EX_TEMPFAIL of sysexits.h: come back later
)

// Set by the linker: -X main.version=… -X main.buildTime=RFC 3339.
var (
	version   = "development"
	buildTime = ""
)

func main() {
	// net/http tells package log what stray bytes a server sent, an issued
	// certificate among them.
	log.SetOutput(io.Discard)
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// program is one run of the command.
type program struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	// What a device is made of; see realDevice.
	fsys     durable.FS
	openKeys func(ctx context.Context, uri string) (key.Store, error)
	lock     func(state string) (release func(), err error) // identity.ErrLocked
}

// realDevice gives p the device that it runs on.
func (p *program) realDevice() {
	p.fsys, p.openKeys, p.lock = durable.OS, hsm.Open, identity.Lock
}

// command is a row of the table of subcommands.
type command struct {
	name    string
	args    string // for the usage line
	short   string
	long    string
	example string
	hidden  bool // no command for people
	// setup declares flags and returns what runs after they are parsed.
	setup func(p *program, f *flag.FlagSet) func(args []string) error
}

// commands is the one table of subcommands; help is made from it.
func commands() []command {
	return []command{enrolCommand, selfsignCommand, proveCommand, importCommand, runCommand, statusCommand, tokenCommand, renewCommand, pubCommand, doctorCommand, keystoreCommand, configCommand, versionCommand, helperCommand}
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends what does not heed the first
	p := &program{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr}
	p.realDevice()
	return p.main(args)
}

func (p *program) main(args []string) int {
	if len(args) == 0 {
		printHelp(p.stderr)
		return exitUsage
	}
	if name := args[0]; name == "help" || name == "-h" || name == "--help" {
		return p.help(args[1:])
	}
	if args[0] == "--version" {
		args = []string{versionCommand.name}
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return p.runCommand(c, args[1:])
		}
	}
	fmt.Fprintf(p.stderr, "mooring-agent: error: unknown command %q\n", args[0])
	fmt.Fprintln(p.stderr, "mooring-agent: hint: mooring-agent help lists the commands")
	return exitUsage
}

func (p *program) help(args []string) int {
	if len(args) == 0 {
		printHelp(p.stdout)
		return exitDone
	}
	for _, c := range commands() {
		if c.name == args[0] {
			f := newFlags(c, p.stdout)
			c.setup(p, f)
			f.Usage()
			return exitDone
		}
	}
	fmt.Fprintf(p.stderr, "mooring-agent: error: unknown command %q\n", args[0])
	return exitUsage
}

func printHelp(w io.Writer) {
	fmt.Fprint(w, "mooring-agent ties a device to its platform by certificate.\n\nusage: mooring-agent COMMAND [flags]\n\n")
	for _, c := range commands() {
		if !c.hidden {
			fmt.Fprintf(w, "  %-8s %s\n", c.name, c.short)
		}
	}
	fmt.Fprint(w, "\nmooring-agent help COMMAND tells more. A device's first steps:\n\n"+
		"  mooring-agent enrol --server t1000.example.com --id dev1 --otp-file otp.txt\n"+
		"  mooring-agent run\n\n"+
		"Exit status: 0 done, 1 failed, 2 usage, 75 come back later.\n")
}

func newFlags(c command, w io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet(c.name, flag.ContinueOnError)
	f.SetOutput(w)
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "usage: %s\n\n%s\n", strings.TrimSpace("mooring-agent "+c.name+" [flags] "+c.args), c.long)
		if c.example != "" {
			fmt.Fprintf(f.Output(), "\nexample: %s\n", c.example)
		}
		if hasFlags(f) {
			fmt.Fprint(f.Output(), "\nflags:\n")
			f.PrintDefaults()
		}
	}
	return f
}

func hasFlags(f *flag.FlagSet) bool {
	found := false
	f.VisitAll(func(*flag.Flag) { found = true })
	return found
}

func (p *program) runCommand(c command, args []string) int {
	f := newFlags(c, io.Discard) // the package says things its own way
	action := c.setup(p, f)
	err := f.Parse(args)
	if err != nil {
		err = flagError(c.name, err)
	} else {
		err = action(f.Args())
	}
	if errors.Is(err, flag.ErrHelp) {
		f.SetOutput(p.stderr)
		f.Usage()
		return exitDone
	}
	return p.report(err)
}

// flagError is what is wrong with the flags of a command.
func flagError(name string, err error) error {
	return agent.WithHint(usageError{err}, "mooring-agent help "+name+" lists the flags")
}

// usageError is a mistake on the command line or in the configuration.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// report prints err and gives the exit status.
func (p *program) report(err error) int {
	if err == nil {
		return exitDone
	}
	if status, ok := err.(exitStatus); ok {
		return int(status)
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(p.stderr, "mooring-agent: error: %s\n", strings.TrimRight(line, "\n"))
	}
	if hint := agent.Hint(err); hint != "" {
		fmt.Fprintf(p.stderr, "mooring-agent: hint: %s\n", hint)
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	switch problem.KindOf(err) {
	case problem.Unavailable, problem.Pending, problem.TooMany:
		return exitLater
	}
	return exitFailed
}
