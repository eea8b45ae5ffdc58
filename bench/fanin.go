package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// The load of the fan-in: each device sends one measurement a second, at its own
// moment of the second.
const (
	faninWarmUp  = 5
	faninSeconds = 30
	faninBound   = 15.0 // per cent of one core (issue of the MQTT platform)
)

// benchFanin measures what a fleet costs that sends a little all the time: CPU
// time of the server by the time that passes, in per cent of one core. A machine
// that is too busy to send in time makes the share smaller, so the rate that was
// reached is told too and must be nearly the one that was meant.
func benchFanin(ctx context.Context, s settings) (_ []figure, err error) {
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
	f, err := newFleet(ca, s.devices)
	if err != nil {
		return nil, err
	}
	if err := newREST(server).trust(ctx, ca.cert.Raw); err != nil {
		return nil, err
	}
	clients, err := f.connected(ctx, server.addr("mqtts"))
	defer func() {
		for _, c := range clients {
			c.close()
		}
	}()
	if err != nil {
		return nil, err
	}
	if err := everySecond(clients, faninWarmUp); err != nil { // what connecting brings with it is over
		return nil, err
	}
	before, err := server.cpu()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := server.profiled(ctx, s, "fanin", func() error { return everySecond(clients, faninSeconds) })(); err != nil {
		return nil, err
	}
	elapsed := time.Since(start)
	after, err := server.cpu()
	if err != nil {
		return nil, err
	}
	rate := float64(len(clients)*faninSeconds) / elapsed.Seconds()
	share := 100 * (after - before).Seconds() / elapsed.Seconds()
	per := float64(after-before) / float64(time.Microsecond) / float64(len(clients)*faninSeconds)
	return []figure{{
		what:  fmt.Sprintf("fan-in of %d devices, one QoS 1 measurement a second each, durable", len(clients)),
		got:   fmt.Sprintf("%.1f %% of one core at %.0f messages a second, %.0f µs each", share, rate, per),
		ratio: fmt.Sprintf("%.3f", share/100), bound: "≤ 0.15 of a core",
		ok: share <= faninBound && rate >= 0.95*float64(len(clients)),
	}}, nil
}

// connected connects every device, whose object exists then.
func (f *fleet) connected(ctx context.Context, addr string) ([]*client, error) {
	clients := make([]*client, len(f.devices))
	var group errgroup.Group
	group.SetLimit(8)
	for i := range f.devices {
		group.Go(func() error {
			c, err := connect(ctx, addr, fmt.Sprintf("dev-%d", i), tlsConfig(&f.devices[i], nil))
			if err != nil {
				return err
			}
			clients[i] = c
			return c.publish(1, 1, "s/us", []byte("100"))
		})
	}
	err := group.Wait()
	made := clients[:0]
	for _, c := range clients {
		if c != nil {
			made = append(made, c)
		}
	}
	return made, err
}

// everySecond lets each client send a measurement a second and wait for its
// acknowledgement.
func everySecond(clients []*client, seconds int) error {
	var group errgroup.Group
	start := time.Now()
	for i, c := range clients {
		group.Go(func() error {
			own := start.Add(time.Second * time.Duration(i) / time.Duration(len(clients)))
			for n := range seconds {
				time.Sleep(time.Until(own.Add(time.Duration(n) * time.Second)))
				if err := c.publish(1, 1, "s/us", []byte("200,c8y_Temperature,T,21.5,C")); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
