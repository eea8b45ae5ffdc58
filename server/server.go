// Package server puts the platform together: New wires the store, the services
// and the front ends; Run opens the listeners and serves until it is told to
// stop.
//
// Everything flows one way: listener → who is this → front end → service →
// store. What others must hear comes back from the store as changes (changes.go).
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"mooring/internal/problem"
	"mooring/server/account"
	"mooring/server/config"
	"mooring/server/platform"
	"mooring/server/sqlstore"
)

// Options are what a program or a test gives besides the configuration.
type Options struct {
	Log *slog.Logger // nil discards
	// AdminPassword is the first administrators', on a new store. Empty:
	// a random one, written to DATA/admin.password.
	AdminPassword string
	// Existing refuses a data directory without a store, and takes its development
	// stamp as it is: for administration of what is there.
	Existing bool
	// Listen opens a listener by its name; nil: a TCP socket, or for the admin
	// socket a UNIX socket.
	Listen func(name, addr string) (net.Listener, error)
	// LookEvery is how often a server looks whether something has fallen due: what
	// is too old, dates of authorities, ticket keys. Zero: each hour; a test that
	// lives years has no need of that.
	LookEvery time.Duration
	// PasswordCost is what hashing a person's password costs; zero: account.Usual.
	PasswordCost account.Cost
	// Middleware, if set, stands before the HTTP front ends: tests inject faults.
	Middleware func(http.Handler) http.Handler
}

// Server is a wired platform. Run serves it once.
type Server struct {
	cfg      config.Config
	opts     Options
	log      *slog.Logger
	lock     *dirLock
	store    platform.Store
	services *services
	tls      listenerTLS
}

// metaDev is the stamp of a development store (design decision 20).
const metaDev = "dev"

// New opens the data directory and wires the server. Close or Run releases it.
func New(ctx context.Context, cfg config.Config, opts Options) (_ *Server, err error) {
	if cfg.Data, err = filepath.Abs(cfg.Data); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	s := &Server{cfg: cfg, opts: opts, log: opts.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.opts.Listen == nil {
		s.opts.Listen = listen
	}
	s.opts.LookEvery = cmp.Or(opts.LookEvery, lookEvery)
	if opts.Existing && !storeExists(cfg) {
		return nil, problem.New(problem.NotFound, "there is no server's data in "+cfg.Data, nil)
	}
	if s.lock, err = lockDir(cfg.Data); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	feed := &changeFeed{log: s.log}
	if s.store, err = openStore(ctx, cfg, sqlstore.Options{OnCommit: feed.committed, Log: s.log}); err != nil {
		return nil, err
	}
	if err := feed.begin(ctx, s.store); err != nil {
		return nil, err
	}
	if err := s.checkStamp(ctx); err != nil {
		return nil, err
	}
	if s.services, err = wire(ctx, cfg, s.opts, s.store, feed, s.log); err != nil {
		return nil, err
	}
	if err := s.bootstrap(ctx); err != nil {
		return nil, err
	}
	if err := s.services.load(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Close releases a server that was not Run.
func (s *Server) Close() error {
	var errs []error
	if s.store != nil {
		errs = append(errs, s.store.Close())
		s.store = nil
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
		s.lock = nil
	}
	return errors.Join(errs...)
}

func listen(name, addr string) (net.Listener, error) {
	if name == adminSocketName {
		return listenUnix(addr)
	}
	return net.Listen("tcp", addr)
}

func openStore(ctx context.Context, cfg config.Config, opts sqlstore.Options) (platform.Store, error) {
	dsn, err := cfg.PostgresDSN()
	if err != nil {
		return nil, err
	}
	if dsn != "" {
		return sqlstore.OpenPostgres(ctx, dsn, opts)
	}
	return sqlstore.OpenSQLite(ctx, cfg.Data, opts)
}

// checkStamp keeps development defaults out of the field: a store made with
// --dev is served with --dev only, and the other way round.
func (s *Server) checkStamp(ctx context.Context) error {
	tenants, err := s.store.Tenants(ctx)
	if err != nil {
		return err
	}
	stamp, err := s.store.Meta(ctx, metaDev)
	if err != nil && !errors.Is(err, problem.NotFound) {
		return err
	}
	isDev := stamp != ""
	switch {
	case s.opts.Existing:
		s.cfg.Dev = isDev
	case isDev && !s.cfg.Dev:
		return problem.New(problem.Forbidden, "the data in "+s.cfg.Data+" was made with --dev: serve it with --dev, or start with an empty directory", nil)
	case !isDev && s.cfg.Dev && len(tenants) > 0:
		return problem.New(problem.Forbidden, "the data in "+s.cfg.Data+" was made without --dev: serve it without", nil)
	case !isDev && s.cfg.Dev:
		return s.store.SetMeta(ctx, metaDev, "true")
	}
	return nil
}

// Run opens the listeners, calls ready, serves until ctx ends, then stops: it
// accepts nothing new, tells the clients, finishes what it has begun and
// closes the store.
func (s *Server) Run(ctx context.Context, ready func(Ready)) (err error) {
	defer func() { err = errors.Join(err, s.Close()) }()
	certificate, err := serverCertificate(s.cfg, time.Now())
	if err != nil {
		return err
	}
	s.tls = newListenerTLS(certificate, s.services.devices, s.cfg.TLS.OneWay)
	if err := s.rotateTickets(ctx); err != nil {
		return err
	}
	if err := s.services.mqtt.CarryOutWills(ctx); err != nil {
		s.log.Error("wills of the last run were not carried out; they stay for the next start", "err", err)
	}
	if err := s.services.service.Load(ctx); err != nil {
		return fmt.Errorf("sessions of the MQTT Service: %w", err)
	}
	doors, err := openListeners(s.cfg.Listeners, s.opts.Listen)
	if err != nil {
		return err
	}
	defer doors.close()

	run := newGroup(ctx, s.log)
	s.serveHTTP(run, doors)
	s.serveMQTT(run, doors)
	if err := s.serveAdminSocket(run); err != nil {
		run.stop()
		return errors.Join(err, run.wait(s.cfg.Limits.StopWithin))
	}
	s.services.feed.missed = func() {
		run.cancel(problem.New(problem.Unavailable, "this node was away for too long to know what has changed: start it again", nil))
	}
	run.background(s.services.run)
	run.background(s.keepTicketsFresh)
	run.background(s.services.mqtt.KeepWills)
	run.background(s.services.keepSchedule)
	root := ""
	if s.cfg.Dev && s.cfg.TLS.Certificate == "" {
		root = filepath.Join(s.cfg.Data, "tls", "root.pem")
	}
	addresses := doors.ready(root)
	ready(addresses)
	s.log.Info("serving", "data", s.cfg.Data, "https", addresses.HTTPS, "mtls", addresses.MTLS, "mqtts", addresses.MQTTS, "mqtt", addresses.MQTT)
	<-run.ctx.Done()
	s.log.Info("stopping")
	return run.wait(s.cfg.Limits.StopWithin)
}

// RunAdmin serves the admin socket alone, until ctx ends.
func (s *Server) RunAdmin(ctx context.Context, ready func()) (err error) {
	defer func() { err = errors.Join(err, s.Close()) }()
	run := newGroup(ctx, s.log)
	if err := s.serveAdminSocket(run); err != nil {
		run.stop()
		return errors.Join(err, run.wait(s.cfg.Limits.StopWithin))
	}
	run.background(s.services.run)
	ready()
	<-run.ctx.Done()
	return run.wait(s.cfg.Limits.StopWithin)
}

// rotateTickets makes a new session ticket key if the newest is a day old, and
// hands all that are kept to the listeners.
func (s *Server) rotateTickets(ctx context.Context) error {
	if err := s.services.rotateTicketKey(ctx, time.Now()); err != nil {
		return fmt.Errorf("session ticket keys: %w", err)
	}
	return s.tls.setTicketKeys(ctx, s.services.vault)
}

// keepTicketsFresh rotates while the server runs. It looks each hour (Options.LookEvery),
// so that keys made by other nodes are taken up too.
func (s *Server) keepTicketsFresh(ctx context.Context) {
	every := time.NewTicker(s.opts.LookEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			if err := s.rotateTickets(ctx); err != nil {
				s.log.Error("cannot rotate session ticket keys", "err", err)
			}
		}
	}
}
