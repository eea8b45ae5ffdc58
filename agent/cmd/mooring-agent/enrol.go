package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/agent/identity"
	"mooring/internal/durable"
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
		e := enrolFlags{program: p, place: addPlace(f)}
		f.StringVar(&e.server, "server", "", "`HOST[:PORT]` of the tenant's HTTPS")
		f.StringVar(&e.id, "id", "", "external `ID` of the device, as registered")
		f.StringVar(&e.otpFile, "otp-file", "", "`file` with the one-time password; - is standard input")
		f.StringVar(&e.key, "key", "", "`URI` of the key store (default file: in the state directory)")
		f.StringVar(&e.ca, "ca", "", "PEM `file` with the trust anchors of the server's certificate (default the system's)")
		f.IntVar(&e.mtls, "mtls-port", -1, "`port` of HTTPS with client certificate; 0 if there is none (default 8443)")
		f.IntVar(&e.mqtts, "mqtts-port", 0, "`port` of MQTT over TLS (default 8883)")
		f.BoolVar(&e.again, "again", false, "replace the identity of a device that is enrolled")
		f.DurationVar(&e.timeout, "timeout", 10*time.Minute, "how `long` to ask")
		return e.run
	},
}

type enrolFlags struct {
	program                      *program
	place                        *place
	server, id, otpFile, key, ca string
	mtls, mqtts                  int
	again                        bool
	timeout                      time.Duration
}

func (e *enrolFlags) run(args []string) error {
	if len(args) > 0 {
		return usagef("enrol takes no arguments; the one-time password is read from --otp-file")
	}
	if e.otpFile == "" {
		return usagef("--otp-file is missing; passwords are not taken from the command line")
	}
	c, err := e.place.load()
	if err != nil {
		return err
	}
	if err := e.apply(&c); err != nil {
		return err
	}
	if err := c.Validate(); err != nil {
		return usageError{err}
	}
	otp, err := readOTP(e.program.stdin, e.otpFile)
	if err != nil {
		return err
	}
	return e.enrol(c, otp)
}

// apply puts the flags over the configuration.
func (e *enrolFlags) apply(c *config.Config) error {
	if e.server != "" {
		host, port, err := splitServer(e.server)
		if err != nil {
			return err
		}
		c.Server = host
		if port != 0 {
			c.HTTPSPort = port
		}
	}
	c.DeviceID, c.Key, c.CA = or(e.id, c.DeviceID), or(e.key, c.Key), or(e.ca, c.CA)
	if e.mtls >= 0 {
		c.MTLSPort = e.mtls
	}
	if e.mqtts != 0 {
		c.MQTTSPort = e.mqtts
	}
	return nil
}

// splitServer reads HOST, HOST:PORT, [IPv6]:PORT or a bare IPv6 address.
func splitServer(s string) (host string, port int, err error) {
	if strings.Contains(s, "/") {
		return "", 0, usagef("--server is HOST[:PORT], without https:// and path")
	}
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return strings.Trim(s, "[]"), 0, nil
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, usagef("--server: %q is no port", text)
	}
	return host, port, nil
}

func (e *enrolFlags) enrol(c config.Config, otp secret.String) error {
	if err := makeState(c.State); err != nil {
		return err
	}
	if err := e.checkFresh(c); err != nil {
		return err
	}
	if !isLocked(c.State) {
		if err := c.Save(durable.OS); err != nil {
			return err
		}
	}
	var s agent.Status
	err := e.program.withAgent(c, e.timeout, func(ctx context.Context, a control) (err error) {
		s, err = a.Enrol(ctx, otp)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(e.program.stdout, "enrolled %s\nserial   %s\nissuer   %s\nvalid to %s\n", s.Device, s.Serial, s.Issuer, s.NotAfter.Format(time.RFC3339))
	return nil
}

// checkFresh protects a working identity from a second enrolment by mistake.
func (e *enrolFlags) checkFresh(c config.Config) error {
	if e.again || isLocked(c.State) {
		return nil
	}
	s, err := e.program.newAgent(c, 0).Inspect(e.program.ctx)
	if err != nil {
		return err
	}
	if s.Generation != 0 {
		return agent.WithHint(fmt.Errorf("%s is enrolled already, with a certificate valid to %s", s.Device, s.NotAfter.Format(time.RFC3339)),
			"run mooring-agent run; or enrol --again with a new one-time password to replace the identity")
	}
	return nil
}

func isLocked(dir string) bool {
	release, err := identity.Lock(dir)
	if err != nil {
		return errors.Is(err, identity.ErrLocked)
	}
	release()
	return false
}

// makeState makes the state directory if its parent exists.
func makeState(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return stateError(dir, err)
	}
	return identity.CheckDir(durable.OS, dir)
}

func readOTP(stdin io.Reader, name string) (secret.String, error) {
	return readLine("one-time password", stdin, name)
}

// readLine reads the first line of a file that holds nothing else.
func readLine(what string, stdin io.Reader, name string) (secret.String, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return secret.String{}, fmt.Errorf("%s: %w", what, err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxOTP+2))
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
