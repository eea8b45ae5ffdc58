package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/agent/identity"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/pki"
	"mooring/internal/secret"
)

// maxOTP bounds the enrolment OTP; the platform's has 32 characters (contract
// rest.md §1.6).
const maxOTP = 256

var enrolCommand = command{
	name:  "enrol",
	short: "get the device's first certificate with a one-time password",
	long: "Gets the device's first certificate with the one-time password of its\n" +
		"registration, and notes server and device in the state directory, so that\n" +
		"run needs no configuration. Asks again until --timeout: the operator may\n" +
		"register the device after it starts asking.",
	example: "mooring-agent enrol --server t1000.example.com --id dev1 --otp-file otp.txt",
	setup: func(p *program, f *flag.FlagSet) func([]string) error {
		e := enrolFlags{program: p, place: p.addPlace(f)}
		e.aim.add(f)
		f.StringVar(&e.otpFile, "otp-file", "", "`file` with the one-time password; - is standard input")
		f.StringVar(&e.secondFile, "second-otp-file", "", "`file` with another one, kept for the day when nothing else works")
		f.BoolVar(&e.newOTP, "new-otp", false, "make a one-time password, and show the link by which the operator registers it")
		f.BoolVar(&e.again, "again", false, "replace the identity of a device that is enrolled")
		f.StringVar(&e.attestation, "attestation", "", "`when` to prove that a TPM holds the key: off, when-asked (default) or always")
		f.DurationVar(&e.timeout, "timeout", 10*time.Minute, "how `long` to ask")
		return e.run
	},
}

type enrolFlags struct {
	program             *program
	place               *place
	aim                 aim
	otpFile, secondFile string
	attestation         string
	newOTP, again       bool
	timeout             time.Duration
}

func (e *enrolFlags) run(args []string) error {
	if len(args) > 0 {
		return usagef("enrol takes no arguments; the one-time password is read from --otp-file")
	}
	switch {
	case e.otpFile == "" && !e.newOTP:
		return usagef("--otp-file is missing; passwords are not taken from the command line. --new-otp makes one")
	case e.newOTP && (e.otpFile != "" || e.secondFile != ""):
		return usagef("--new-otp makes the one-time password; it goes with neither --otp-file nor --second-otp-file")
	}
	c, err := e.place.load()
	if err != nil {
		return err
	}
	if err := e.aim.apply(&c); err != nil {
		return err
	}
	c.Attestation = or(e.attestation, c.Attestation)
	if err := c.Validate(); err != nil {
		return usageError{err}
	}
	otp, second, err := e.otps()
	if err != nil {
		return err
	}
	return e.enrol(c, otp, second)
}

// otps reads the files that are named.
func (e *enrolFlags) otps() (otp, second secret.String, err error) {
	if e.otpFile != "" {
		otp, err = e.program.readLine("one-time password", e.otpFile)
	}
	if e.secondFile != "" && err == nil {
		second, err = e.program.readLine("one-time password", e.secondFile)
	}
	return otp, second, err
}

func (e *enrolFlags) enrol(c config.Config, otp, second secret.String) error {
	if err := e.program.makeState(c.State); err != nil {
		return err
	}
	if !e.again {
		if err := e.program.checkFresh(c); err != nil {
			return err
		}
	}
	if e.again {
		if err := e.program.giveUpLost(c); err != nil {
			return err
		}
	}
	if e.newOTP {
		var err error
		if otp, err = e.program.newOTP(c); err != nil {
			return err
		}
		e.program.showLink(c.DeviceID, registrationLink(c, otp))
	}
	if !second.IsZero() {
		if err := c.SaveSecondOTP(e.program.fsys, second); err != nil {
			return err
		}
	}
	if !e.program.isLocked(c.State) {
		if err := c.Save(e.program.fsys); err != nil {
			return err
		}
	}
	var s agent.Status
	err := e.program.withAgent(c, e.timeout, func(ctx context.Context, a control) (err error) {
		s, err = a.Enrol(ctx, otp)
		return err
	})
	if err == nil && e.newOTP {
		err = e.program.forgetOTP(c)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(e.program.stdout, "enrolled %s\nserial   %s\nissuer   %s\nvalid to %s\n", s.Device, s.Serial, s.Issuer, s.NotAfter.Format(time.RFC3339))
	return nil
}

// checkFresh protects a working identity from a second enrolment by mistake.
func (p *program) checkFresh(c config.Config) error {
	if p.isLocked(c.State) {
		return nil
	}
	s, err := p.newAgent(c, 0).Inspect(p.ctx)
	if err != nil {
		return err
	}
	if s.Generation != 0 {
		return agent.WithHint(fmt.Errorf("%s is enrolled already, with a certificate valid to %s", s.Device, s.NotAfter.Format(time.RFC3339)),
			"run mooring-agent run; or enrol --again with a new one-time password to replace the identity")
	}
	return nil
}

// giveUpLost makes room for a new identity where the key of the present one is
// lost: nothing can be made of that any more. It does nothing while an agent runs.
func (p *program) giveUpLost(c config.Config) error {
	release, err := p.lock(c.State)
	if errors.Is(err, identity.ErrLocked) {
		return nil
	}
	if err != nil {
		return p.stateError(c.State, err)
	}
	defer release()
	ctx, cancel := context.WithTimeout(p.ctx, keystoreLimit)
	defer cancel()
	keys, ids, err := p.openIdentity(ctx, c)
	if err != nil {
		return err
	}
	defer func() { _ = keys.Close() }() // what it was opened for has been done
	found, err := ids.Find(ctx)
	if err == nil && found.Current != nil {
		err = pki.SignVerify(found.Current.Signer)
	}
	if !identity.IsLost(err) {
		return nil // what else is wrong shows soon
	}
	fmt.Fprintf(p.stderr, "mooring-agent: note: the present identity is given up: %v\n", err)
	if store, able := keys.(key.Resetter); able {
		if err := store.Reset(ctx); err != nil {
			return err
		}
	}
	return ids.Abandon(ctx)
}

func (p *program) isLocked(dir string) bool {
	release, err := p.lock(dir)
	if err != nil {
		return errors.Is(err, identity.ErrLocked)
	}
	release()
	return false
}

// makeState makes the state directory if its parent exists.
func (p *program) makeState(dir string) error {
	if err := p.fsys.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return p.stateError(dir, err)
	}
	// A parent that may not be read is somebody else's business.
	if err := durable.SyncDir(p.fsys, filepath.Dir(dir)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return identity.CheckDir(p.fsys, dir)
}

// readLine reads the first line of a file that holds nothing else.
func (p *program) readLine(what, name string) (secret.String, error) {
	text, err := p.read(name, maxOTP+2)
	if err != nil {
		return secret.String{}, fmt.Errorf("%s: %w", what, err)
	}
	otp := strings.TrimRight(string(text), "\r\n")
	switch {
	case otp == "":
		return secret.String{}, usagef("%s: %s is empty", what, name)
	case len(otp) > maxOTP || strings.ContainsAny(otp, "\r\n"):
		return secret.String{}, usagef("%s: %s holds more than one line of at most %d characters", what, name, maxOTP)
	}
	return secret.New(otp), nil
}
