package main

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/agent/identity"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/jwt"
	"mooring/internal/secret"
)

// place are the flags that every command on a device has.
type place struct {
	fsys        durable.FS
	state, file string
}

func (p *program) addPlace(f *flag.FlagSet) *place {
	at := &place{fsys: p.fsys}
	f.StringVar(&at.state, "state", or(os.Getenv("MOORING_STATE"), config.DefaultState), "`directory` of identity, keys and socket")
	f.StringVar(&at.file, "config", os.Getenv("MOORING_CONFIG"), "configuration `file` (default "+config.DefaultFile+")")
	return at
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// load reads the configuration without judging it.
func (p *place) load() (config.Config, error) {
	file, explicit := config.DefaultFile, false
	if p.file != "" {
		file, explicit = p.file, true
	}
	c, err := config.Load(p.fsys, p.state, file, explicit)
	if e, ok := errors.AsType[*fs.PathError](err); ok && strings.HasPrefix(e.Path, p.state) {
		if fault := identity.CheckDir(p.fsys, p.state); fault != nil {
			return c, fault
		}
		if fault := identity.Denied(p.fsys, p.state, err); fault != nil {
			return c, fault
		}
	}
	if err != nil {
		return c, usageError{err}
	}
	return c, nil
}

// valid reads the configuration of a device that is to be used.
func (p *place) valid() (config.Config, error) {
	c, err := p.load()
	if err != nil {
		return c, err
	}
	if c.Server == "" || c.DeviceID == "" {
		if identity.Exists(durable.OS, c.State) {
			err := usageError{errors.New("server and device_id are not set, though the device has an identity: what enrol noted in " + c.State + "/settings.toml is lost")}
			return c, agent.WithHint(err, "restore that file, or set server and device_id in the configuration, which mooring-agent.toml(5) explains")
		}
		return c, agent.NotEnrolled()
	}
	return c, valid(c)
}

// valid says what is wrong with a configuration, and where to mend it.
func valid(c config.Config) error {
	err := c.Validate()
	if err == nil {
		return nil
	}
	return agent.WithHint(usageError{err}, "correct the configuration, which mooring-agent.toml(5) explains; enrol notes server and device_id by itself")
}

// control is what can be asked of an agent, in this process or another.
type control interface {
	Status(ctx context.Context) (agent.Status, error)
	Token(ctx context.Context) (secret.String, jwt.Claims, error)
	Renew(ctx context.Context) (agent.Status, error)
	Publish(ctx context.Context, lines []string) error
	Queue(ctx context.Context, lines []string) error
	Enrol(ctx context.Context, otp secret.String) (agent.Status, error)
}

var (
	_ control = (*agent.Agent)(nil)
	_ control = (*agent.Remote)(nil)
)

// lockWait is between two looks at a state directory that another command uses.
const lockWait = 50 * time.Millisecond

// withAgent lends an agent to do: the one that runs on the state directory,
// else one that lives as long as do. While another such command has the
// directory, do is tried again, until the time is up.
func (p *program) withAgent(c config.Config, timeout time.Duration, do func(ctx context.Context, a control) error) error {
	ctx, cancel := context.WithTimeout(p.ctx, timeout)
	defer cancel()
	release, err := p.lock(c.State)
	for errors.Is(err, identity.ErrLocked) {
		// Who cannot be reached has not heard of it: it does not happen twice.
		busy := do(ctx, agent.Dial(c.State))
		if !agent.NotRunning(busy) {
			return busy
		}
		select {
		case <-time.After(lockWait):
		case <-ctx.Done():
			return busy
		}
		release, err = p.lock(c.State)
	}
	if err != nil {
		return p.stateError(c.State, err)
	}
	defer release()
	a := p.newAgent(c, max(slog.LevelWarn, c.Level()))
	return runWhile(ctx, a, func() error { return do(ctx, a) })
}

// withControl declares --timeout and lends an agent to do.
func (p *program) withControl(f *flag.FlagSet, limit time.Duration, do func(context.Context, control, []string) error) func([]string) error {
	place := p.addPlace(f)
	timeout := f.Duration("timeout", limit, "how `long` to try")
	return func(args []string) error {
		c, err := place.valid()
		if err != nil {
			return err
		}
		return p.withAgent(c, *timeout, func(ctx context.Context, a control) error { return do(ctx, a, args) })
	}
}

// runWhile runs a until do returns.
func runWhile(ctx context.Context, a *agent.Agent, do func() error) error {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	did := make(chan error, 1)
	go func() { did <- do() }()
	select {
	case err := <-ended: // it could not start
		cancel(nil)
		return err
	case err := <-did:
		cancel(nil)
		return errors.Join(err, <-ended)
	}
}

func (p *program) newAgent(c config.Config, level slog.Level) *agent.Agent {
	return agent.New(p.options(c, p.logger(level)))
}

func (p *program) logger(level slog.Leveler) *slog.Logger {
	return slog.New(newDampened(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level})))
}

func (p *program) options(c config.Config, log *slog.Logger) agent.Options {
	at, _ := time.Parse(time.RFC3339, buildTime)
	return agent.Options{Config: c, FS: p.fsys, OpenKeys: p.openKeys, Log: log, Built: at}
}

// stateError explains why the state directory cannot be locked.
func (p *program) stateError(dir string, err error) error {
	if checked := identity.CheckDir(p.fsys, dir); checked != nil {
		return checked
	}
	if fault := identity.Denied(p.fsys, dir, err); fault != nil {
		return fault
	}
	return agent.WithHint(err, "the state directory is at fault: move what is in the way of that file, and look whether its disk is writable")
}

// openIdentity opens the key store, which the caller closes, and what is on disk of
// the identity, for a command that does without an agent.
func (p *program) openIdentity(ctx context.Context, c config.Config) (key.Store, *identity.Store, error) {
	keys, err := p.openKeys(ctx, c.KeyURI())
	if err != nil {
		return nil, nil, err
	}
	agent.PrepareKeys(p.fsys, c, keys)
	ids, err := identity.Open(p.fsys, c.State, keys)
	if err != nil {
		return nil, nil, errors.Join(err, keys.Close())
	}
	return keys, ids, nil
}
