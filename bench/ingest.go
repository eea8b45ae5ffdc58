package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"
)

// The load of notes/baselines.md §4: 20 connections, 16 publishes unacknowledged.
const ingestClients, ingestWindow = 20, 16

// benchIngest measures SmartREST measurements of QoS 1, durable, against mochi
// that only acknowledges and passes on to nobody.
func benchIngest(ctx context.Context, s settings) (_ []figure, err error) {
	server, dir, err := startServer(ctx, s)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	defer func() { err = errors.Join(err, server.stop()) }()
	ca, err := newFleetCA()
	if err != nil {
		return nil, err
	}
	f, err := newFleet(ca, ingestClients)
	if err != nil {
		return nil, err
	}
	if err := newREST(server).trust(ctx, ca.cert.Raw); err != nil {
		return nil, err
	}
	ours, err := publishAll(ctx, server, server.addr("mqtts"), s.publishes, func(i int) *tls.Config { return tlsConfig(&f.devices[i], nil) })
	if err != nil {
		return nil, err
	}
	raw, err := startYardstick(ctx, dir, "mochi")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, raw.stop()) }()
	yard, err := publishAll(ctx, raw, raw.addr("addr"), s.publishes, func(int) *tls.Config { return nil })
	if err != nil {
		return nil, err
	}
	return []figure{atLeast("SmartREST measurement, QoS 1, durable on SQLite; yardstick: mochi's raw QoS 1", ours, yard, 0.25, "/CPU-s")}, nil
}

// publishAll publishes n measurements over all clients and returns the rate of p.
func publishAll(ctx context.Context, p *process, addr string, n int, cfg func(i int) *tls.Config) (float64, error) {
	clients := make([]*client, ingestClients)
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.close()
			}
		}
	}()
	for i := range clients {
		var err error
		if clients[i], err = connect(ctx, addr, fmt.Sprintf("dev-%d", i), cfg(i)); err != nil {
			return 0, err
		}
		if err := clients[i].publish(1, 1, "s/us", []byte("100")); err != nil { // the device exists before the clock starts
			return 0, err
		}
	}
	return p.rate(n, func() error {
		var group errgroup.Group
		for _, c := range clients {
			group.Go(func() error {
				return c.publish(n/ingestClients, ingestWindow, "s/us", []byte("200,c8y_Temperature,T,21.5,C"))
			})
		}
		return group.Wait()
	})
}
