package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// fleet is a set of devices with certificates of their own.
type fleet struct {
	ca      *fleetCA
	devices []tls.Certificate
}

func newFleet(ca *fleetCA, n int) (*fleet, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	f := &fleet{ca: ca, devices: make([]tls.Certificate, n)}
	for i := range f.devices {
		if f.devices[i], err = ca.leaf(fmt.Sprintf("dev-%d", i), int64(i+100), key); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// connectAll connects each device once and disconnects, four at a time.
// caches: one session cache a device; nil entries mean a full handshake.
func (f *fleet) connectAll(ctx context.Context, addr string, caches []tls.ClientSessionCache) error {
	const workers = 4
	var group errgroup.Group
	for w := range workers {
		group.Go(func() error {
			for i := w; i < len(f.devices); i += workers {
				var cache tls.ClientSessionCache
				if caches != nil {
					cache = caches[i]
				}
				c, err := connect(ctx, addr, fmt.Sprintf("dev-%d", i), tlsConfig(&f.devices[i], cache))
				if err != nil {
					return err
				}
				c.close()
			}
			return nil
		})
	}
	return group.Wait()
}

func newCaches(n int) []tls.ClientSessionCache {
	caches := make([]tls.ClientSessionCache, n)
	for i := range caches {
		caches[i] = tls.NewLRUClientSessionCache(1)
	}
	return caches
}

// benchConnect measures a full mutual-TLS MQTT connect against a bare TLS
// accept loop that verifies the same kind of chain, and a resumed one against
// the full one. Devices connect once before, so that all are known.
func benchConnect(ctx context.Context, s settings) (_ []figure, err error) {
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
	f, err := newFleet(ca, s.connects)
	if err != nil {
		return nil, err
	}
	if err := newREST(server).trust(ctx, ca.cert.Raw); err != nil {
		return nil, err
	}
	caches := newCaches(s.connects)
	addr := server.addr("mqtts")
	if err := f.connectAll(ctx, addr, caches); err != nil {
		return nil, err
	}
	full, err := server.rate(s.connects, server.profiled(ctx, s, "connect", func() error { return f.connectAll(ctx, addr, nil) }))
	if err != nil {
		return nil, err
	}
	resumed, err := server.rate(s.connects, server.profiled(ctx, s, "resume", func() error { return f.connectAll(ctx, addr, caches) }))
	if err != nil {
		return nil, err
	}
	bare, bareResumed, err := bareConnects(ctx, dir, s.connects)
	if err != nil {
		return nil, err
	}
	return []figure{
		atLeast("mutual-TLS MQTT connect, tenant + revocation + device; yardstick: bare TLS 1.3 accept loop", full, bare, 0.85, "/CPU-s"),
		atLeast("the same resumed; yardstick: the full connect", resumed, full, 1.6, "/CPU-s"),
		compared("the same resumed; yardstick: the bare loop, full", resumed, bare, "/CPU-s"),
		compared("the same resumed; yardstick: the bare loop, resumed", resumed, bareResumed, "/CPU-s"),
		compared("what resumption saves the bare loop; yardstick: its full handshake", bareResumed, bare, "/CPU-s"),
	}, nil
}

// bareConnects measures full and resumed handshakes of the bare TLS server.
func bareConnects(ctx context.Context, dir string, n int) (full, resumed float64, err error) {
	bare, err := startYardstick(ctx, dir, "tls")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()
	f, err := bare.fleet(n)
	if err != nil {
		return 0, 0, err
	}
	addr, caches := bare.addr("addr"), newCaches(n)
	if err := f.connectAll(ctx, addr, caches); err != nil {
		return 0, 0, err
	}
	if full, err = bare.rate(n, func() error { return f.connectAll(ctx, addr, nil) }); err != nil {
		return 0, 0, err
	}
	resumed, err = bare.rate(n, func() error { return f.connectAll(ctx, addr, caches) })
	return full, resumed, err
}

// fleet makes devices that the bare TLS server trusts.
func (p *process) fleet(n int) (*fleet, error) {
	der, err1 := base64.StdEncoding.DecodeString(p.addr("ca"))
	keyDER, err2 := base64.StdEncoding.DecodeString(p.addr("key"))
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	cert, err1 := x509.ParseCertificate(der)
	key, err2 := x509.ParseECPrivateKey(keyDER)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return newFleet(&fleetCA{key, cert}, n)
}

// manyIdle is how many more idle devices there are in the second figure of memory,
// for each of the first (design §6: 2,000 and 10,000).
const manyIdle = 5

// benchMemory holds connections open and measures resident memory of each, of a
// few and of many.
func benchMemory(ctx context.Context, s settings) ([]figure, error) {
	few, err := memoryOf(ctx, s, s.devices)
	if err != nil {
		return nil, err
	}
	many, err := memoryOf(ctx, s, s.devices*manyIdle)
	return append(few, many...), err
}

func memoryOf(ctx context.Context, s settings, devices int) (_ []figure, err error) {
	dir, err := os.MkdirTemp("", "mooring-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	bare, err := startYardstick(ctx, dir, "tls")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()
	bareFleet, err := bare.fleet(devices)
	if err != nil {
		return nil, err
	}
	floor, err := bareFleet.idleKiB(ctx, bare, bare.addr("addr"), "")
	if err != nil {
		return nil, err
	}

	server, serverDir, err := startServer(ctx, s)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(serverDir)
	defer func() { err = errors.Join(err, server.stop()) }()
	ca, err := newFleetCA()
	if err != nil {
		return nil, err
	}
	f, err := newFleet(ca, devices)
	if err != nil {
		return nil, err
	}
	if err := newREST(server).trust(ctx, ca.cert.Raw); err != nil {
		return nil, err
	}
	profile := ""
	if s.profiles != "" {
		profile = filepath.Join(s.profiles, fmt.Sprintf("memory-%d.heap.pb.gz", devices))
	}
	each, err := f.idleKiB(ctx, server, server.addr("mqtts"), profile)
	if err != nil {
		return nil, err
	}
	return []figure{{what: fmt.Sprintf("resident memory of an idle mutual-TLS MQTT device, %d of them, GOGC=100; bare TLS %.0f KiB", devices, floor),
		got: fmt.Sprintf("%.0f KiB", each), ratio: fmt.Sprintf("%.2f", each/floor), bound: "≤ 57 KiB", ok: each <= 57}}, nil
}

// idleKiB connects every device, waits until memory has settled and returns
// what each connection costs. profile is the file for a profile of the heap, if one
// is wanted.
func (f *fleet) idleKiB(ctx context.Context, p *process, addr, profile string) (float64, error) {
	before, err := p.memory("smaps_rollup", "Rss")
	if err != nil {
		return 0, err
	}
	clients := make([]*client, 0, len(f.devices))
	defer func() {
		for _, c := range clients {
			c.close()
		}
	}()
	for i := range f.devices {
		c, err := connect(ctx, addr, fmt.Sprintf("dev-%d", i), tlsConfig(&f.devices[i], nil))
		if err != nil {
			return 0, err
		}
		clients = append(clients, c)
	}
	time.Sleep(15 * time.Second) // a settled heap, as notes/baselines.md measured the peers
	after, err := p.memory("smaps_rollup", "Rss")
	if err == nil && profile != "" {
		err = p.profile(ctx, "heap", profile)
	}
	return (after - before) / float64(len(f.devices)), err
}
