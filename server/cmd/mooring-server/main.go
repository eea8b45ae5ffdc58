// Command mooring-server is the platform that devices meet.
//
// It serves (mooring-server serve) and administers: the other subcommands talk
// to a running server through the admin socket in its data directory, or open
// the directory themselves while nobody serves it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"mooring/internal/problem"
)

// Exit status.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitLater  = 75 // come back later
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// streams are a command's standard streams: data on out, words on err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// command is one row of the table from which help is made.
type command struct {
	name    string // one or two words
	args    string
	summary string
	example string
	run     func(ctx context.Context, args []string, io streams) error
}

var commands []command

func init() { // in init, because help refers to the table
	commands = []command{
		{"serve", "--data DIR [--config FILE] [--dev]", "serve until SIGTERM; prints one JSON line when ready",
			"mooring-server serve --data /tmp/mooring --dev", serve},
		{"device register", "--data DIR --id ID [--otp-file FILE|-]", "let a device enrol; prints the one-time password",
			"mooring-server device register --data /tmp/mooring --id device-001 > otp", deviceRegister},
		{"device certificates", "--data DIR --id ID", "list the certificates a device has connected with",
			"mooring-server device certificates --data /tmp/mooring --id device-001", deviceCertificates},
		{"device tpm", "--data DIR --id ID [--ek-sha256 HEX | --forget]", "show what a device proved of its TPM; note which one it has to show",
			"mooring-server device tpm --data /tmp/mooring --id device-001", deviceTPM},
		{"ca create", "--data DIR", "create the tenant's certificate authority",
			"mooring-server ca create --data /tmp/mooring", caCreate},
		{"ca show", "--data DIR", "show the tenant's certificate authority as PEM",
			"mooring-server ca show --data /tmp/mooring > ca.pem", caShow},
		{"trust list", "--data DIR", "list the tenant's trusted certificates",
			"mooring-server trust list --data /tmp/mooring", trustList},
		{"trust revoke", "--data DIR SERIAL…", "revoke certificates by serial (hexadecimal), and switch the check on",
			"mooring-server trust revoke --data /tmp/mooring 198f0bf5167", trustRevoke},
		{"explain", "--data DIR CN", "say why a device was refused",
			"mooring-server explain --data /tmp/mooring device-001", explain},
		{"attestation makers", "--data DIR [--add FILE] [--delete SHA256]", "list whose TPMs the tenant takes when devices prove where their keys are",
			"mooring-server attestation makers --data /tmp/mooring --add roots.pem", attestationMakers},
		{"attestation challenge", "--secret-file FILE PROOF", "seal a new secret to the TPM that keystore attest of the agent describes",
			"mooring-server attestation challenge --secret-file secret proof.json > challenge.json", attestationChallenge},
		{"attestation verify", "[--makers FILE] [--ek-sha256 HEX] [--csr FILE] [--expired] --secret-file FILE PROOF", "judge a proof that has the secret signed along, and say of which TPM it is",
			"mooring-server attestation verify --secret-file secret --makers roots.pem proof.json", attestationVerify},
		{"tenant list", "--data DIR", "list tenants", "mooring-server tenant list --data /tmp/mooring", tenantList},
		{"tenant create", "--data DIR [--id ID] [--domain NAME] [--admin NAME] [--password-file FILE|-]", "create a tenant with its administrator; prints a password it made",
			"mooring-server tenant create --data /tmp/mooring --id t1001 > t1001.password", tenantCreate},
		{"user password", "--data DIR --user NAME [--password-file FILE|-]", "give a person a new password; prints one it made",
			"mooring-server user password --data /tmp/mooring --tenant management --user admin", userPassword},
		{"bootstrap show", "--data DIR", "show user and password by which devices fetch theirs",
			"mooring-server bootstrap show --data /tmp/mooring", bootstrapShow},
		{"bootstrap rotate", "--data DIR", "replace the password by which devices fetch theirs",
			"mooring-server bootstrap rotate --data /tmp/mooring", bootstrapRotate},
		{"version", "", "print the version", "mooring-server version", showVersion},
	}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	s := streams{stdin, stdout, stderr}
	if len(args) > 1 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		usage(stdout)
		if len(args) == 0 {
			return exitUsage
		}
		return exitDone
	}
	c, rest, ok := find(args)
	if !ok {
		fmt.Fprintf(stderr, "mooring-server: error: unknown command %q\n", strings.Join(args[:min(2, len(args))], " "))
		fmt.Fprintln(stderr, "mooring-server: hint: mooring-server help lists the commands")
		return exitUsage
	}
	return report(stderr, c, c.run(ctx, rest, s))
}

// find matches the longest command name at the start of args.
func find(args []string) (command, []string, bool) {
	for words := min(2, len(args)); words > 0; words-- {
		name := strings.Join(args[:words], " ")
		for _, c := range commands {
			if c.name == name {
				return c, args[words:], true
			}
		}
	}
	return command{}, nil, false
}

// usageError is a mistake on the command line.
type usageError struct{ error }

// hinted is an error with something for a person to do.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

func report(stderr io.Writer, c command, err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	fmt.Fprintf(stderr, "mooring-server: error: %v\n", err)
	if h, ok := errors.AsType[hinted](err); ok {
		fmt.Fprintf(stderr, "mooring-server: hint: %s\n", h.hint)
	}
	if _, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(stderr, "mooring-server: hint: for example: %s\n", c.example)
		return exitUsage
	}
	if errors.Is(err, problem.Unavailable) {
		return exitLater
	}
	return exitFailed
}

func usage(w io.Writer) {
	fmt.Fprint(w, "mooring-server is the platform that devices meet: certificate authority, EST, MQTT, REST.\n\nCommands:\n\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-22s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nFor example:\n\n")
	for _, c := range commands[:2] {
		fmt.Fprintf(w, "  %s\n", c.example)
	}
	fmt.Fprint(w, "\nmooring-server COMMAND --help shows a command's flags.\n")
}

// flags returns a flag set that prints c's usage with its example.
func flags(name string, s streams) *flag.FlagSet {
	fs := flag.NewFlagSet("mooring-server "+name, flag.ContinueOnError)
	fs.SetOutput(s.err)
	fs.Usage = func() {
		c, _, _ := find(strings.Fields(name))
		fmt.Fprintf(s.err, "%s\n\nusage: mooring-server %s %s\nfor example: %s\n\n", c.summary, c.name, c.args, c.example)
		fs.PrintDefaults()
	}
	return fs
}

// parse reads args; positional arguments may come before, between or after flags.
func parse(fs *flag.FlagSet, args []string) (positional []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usageError{err}
		}
		if fs.NArg() == 0 {
			return positional, nil
		}
		positional = append(positional, fs.Arg(0))
		args = fs.Args()[1:]
	}
}
