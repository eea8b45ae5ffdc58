package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"sync"
	"syscall"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/agent/sdnotify"
	"mooring/internal/durable"
)

// service runs the agent, one configuration after the other: on SIGHUP the
// files are read again, trust anchors among them, and if that changes anything, the agent ends and another
// begins, in the same process and with the same lock. A configuration that is
// wrong, or that the agent cannot start with, changes nothing.
type service struct {
	p       *program
	place   *place
	manager *sdnotify.Notifier
	log     *slog.Logger
	level   *slog.LevelVar
	hangUp  chan os.Signal
}

func newService(p *program, place *place) *service {
	s := &service{p: p, place: place, manager: sdnotify.FromEnvironment(), level: &slog.LevelVar{}, hangUp: make(chan os.Signal, 1)}
	s.log = p.logger(s.level)
	return s
}

// run runs the agent with c, and with what replaces it, until the program is
// told to stop.
func (s *service) run(c config.Config) error {
	signal.Notify(s.hangUp, syscall.SIGHUP)
	defer signal.Stop(s.hangUp)
	stopping := func() { _ = s.manager.Stopping() } // systemd sees the end itself
	told := context.AfterFunc(s.p.ctx, stopping)
	defer func() {
		if told() { // it ends, and nobody said so
			stopping()
		}
	}()
	var proven *config.Config // the agent has started with it before
	for {
		next, err := s.serve(c)
		switch {
		case next != nil:
			old := c
			proven, c = &old, *next
		case err != nil && proven != nil:
			s.log.Error("the agent cannot start with the new configuration and goes back to the old one", "err", err)
			c, proven = *proven, nil
		default:
			return err
		}
	}
}

// serve runs the agent with one configuration. It returns the next, or how it
// ended.
func (s *service) serve(c config.Config) (*config.Config, error) {
	s.level.Set(c.Level())
	l, err := agent.Listen(c.State)
	if err != nil {
		return nil, agent.WithHint(fmt.Errorf("socket for other commands: %w", err),
			"the state directory must be writable, and its path no longer than 90 bytes")
	}
	o := s.p.options(c, s.log)
	o.Operations = true
	a := agent.New(o)
	ctx, stop := context.WithCancel(s.p.ctx)
	defer stop()
	var beside sync.WaitGroup
	served := make(chan error, 1)
	var next *config.Config
	files, _ := readFiles(s.p.fsys, c) // if they cannot be read, Run says so
	beside.Go(func() { served <- a.Serve(ctx, l) })
	beside.Go(func() { a.Accompany(ctx, s.manager) })
	beside.Go(func() {
		if next = s.changed(ctx, c, files); next != nil {
			stop()
		}
	})
	err = a.Run(ctx)
	stop() // it may never have started
	beside.Wait()
	return next, errors.Join(err, <-served)
}

// changed waits for SIGHUP and returns the configuration that it brings; nil at
// the end of ctx. files are those that the agent began with.
func (s *service) changed(ctx context.Context, now config.Config, files [sha256.Size]byte) *config.Config {
	for {
		select {
		case <-s.hangUp:
		case <-ctx.Done():
			return nil
		}
		_ = s.manager.Reloading() // systemd times a reload out by itself
		next, err := s.place.valid()
		same := reflect.DeepEqual(next, now)
		if err == nil && same {
			var found [sha256.Size]byte
			found, err = readFiles(s.p.fsys, next)
			same = found == files
		}
		switch {
		case err != nil:
			s.log.Error("the configuration is wrong and the old one stays in force", "err", err)
		case same:
			s.log.Info("the configuration has not changed")
		default:
			s.log.Info("the configuration has changed")
			return &next
		}
		_ = s.manager.Ready() // as above
	}
}

// readFiles is the digest of the files that the agent reads once, when it starts:
// the trust anchors and the credentials of the proxy. Both must be usable.
func readFiles(fsys durable.FS, c config.Config) (sum [sha256.Size]byte, err error) {
	anchors, err := c.Anchors(fsys)
	if err == nil && anchors != nil && !x509.NewCertPool().AppendCertsFromPEM(anchors) {
		err = agent.NoAnchors(anchors, c.CA)
	}
	if err == nil {
		_, err = c.DialProxy(fsys, os.Getenv)
	}
	var credentials []byte
	if err == nil && c.Proxy.Credentials != "" {
		credentials, err = fsys.ReadFile(c.Proxy.Credentials)
	}
	of := sha256.Sum256(anchors)
	return sha256.Sum256(append(of[:], credentials...)), err
}
