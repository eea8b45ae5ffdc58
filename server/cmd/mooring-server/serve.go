package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	iofs "io/fs"
	"log/slog"
	"net"
	"os"
	"syscall"

	"mooring/server"
	"mooring/server/config"
)

// adminPasswordVariable holds the first administrator's password, with --dev on
// a new store.
const adminPasswordVariable = "MOORING_ADMIN_PASSWORD"

func serve(ctx context.Context, args []string, s streams) error {
	fs := flags("serve", s)
	data := fs.String("data", "", "directory `DIR` for databases, keys and the admin socket")
	file := fs.String("config", "", "configuration `FILE` (TOML)")
	dev := fs.Bool("dev", false, "loopback, a development root and tenant t1000; never for the field")
	debug := fs.Bool("debug", false, "serve profiles at /debug/pprof on the admin listener")
	level := fs.String("log-level", "info", "debug, info, warn or error")
	addrs := map[string]*string{}
	for _, l := range listenerFlags {
		addrs[l.name] = fs.String(l.name, "", l.usage)
	}
	positional, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(positional) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", positional[0])}
	}

	cfg := config.Default()
	if *dev {
		cfg = config.DefaultDev()
	}
	if *file != "" {
		if cfg, err = config.Load(*file, cfg); err != nil {
			return err
		}
	}
	cfg.Data, cfg.Debug = *data, *debug
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for _, l := range listenerFlags {
		if given[l.name] { // given empty: off
			*l.field(&cfg) = *addrs[l.name]
		}
	}
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}

	var logLevel slog.Level
	if err := logLevel.UnmarshalText([]byte(*level)); err != nil {
		return usageError{fmt.Errorf("--log-level: %w", err)}
	}
	log := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: logLevel}))

	keepHeapFloor()
	srv, err := server.New(ctx, cfg, server.Options{Log: log, AdminPassword: os.Getenv(adminPasswordVariable)})
	if err != nil {
		return unbound(err)
	}
	return unbound(srv.Run(ctx, func(ready server.Ready) {
		_ = json.NewEncoder(s.out).Encode(ready)
	}))
}

// unbound adds what to do about an address that cannot be listened on.
func unbound(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return hinted{err, "another program listens there: stop it, or give the listener another address, as --https 127.0.0.1:19443 does"}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return hinted{err, "no interface of this machine has that address"}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "listen" && errors.Is(err, iofs.ErrPermission) {
		return hinted{err, "ports below 1024 need root or CAP_NET_BIND_SERVICE, as AmbientCapabilities= of systemd gives it; others do not, as with --https :9443"}
	}
	return err
}

// listenerFlag is one "--NAME addr".
type listenerFlag struct {
	name, usage string
	field       func(*config.Config) *string
}

var listenerFlags = []listenerFlag{
	{"https", "REST, EST and MQTT over WebSocket (/mqtt) `addr`; empty: off", func(c *config.Config) *string { return &c.Listeners.HTTPS }},
	{"mtls", "REST and EST with client certificate `addr`", func(c *config.Config) *string { return &c.Listeners.MTLS }},
	{"mqtts", "MQTT over TLS `addr`", func(c *config.Config) *string { return &c.Listeners.MQTTS }},
	{"mqtt", "plain MQTT `addr`, passwords only", func(c *config.Config) *string { return &c.Listeners.MQTT }},
	{"service", "MQTT Service over TLS `addr`", func(c *config.Config) *string { return &c.Listeners.Service }},
	{"service-plain", "plain MQTT Service `addr`, passwords only", func(c *config.Config) *string { return &c.Listeners.ServicePlain }},
	{"http", "plain HTTP `addr`, for /crl and MQTT over WebSocket only", func(c *config.Config) *string { return &c.Listeners.HTTP }},
	{"admin", "metrics and health `addr`", func(c *config.Config) *string { return &c.Listeners.Admin }},
}
