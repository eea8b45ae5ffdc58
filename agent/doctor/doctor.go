// Package doctor finds out what keeps a device from its server and names it: a
// stable code, the layer, a cause in one line and what to do.
//
// It looks at everything between the configuration and the device token, each
// layer by itself, so that the lowest one that fails explains the others. It
// changes nothing, and it never connects MQTT while an agent runs: a server
// keeps one session a client ID, and the newer one would throw out the older.
package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/agent/dial"
	"mooring/agent/identity"
	"mooring/hsm"
	"mooring/hsm/key"
	"mooring/internal/clock"
	"mooring/internal/durable"
)

// Options are what the doctor works with. Nil fields are the real thing.
type Options struct {
	Config    config.Config
	ConfigErr error // why Config is incomplete
	Built     time.Time

	FS       durable.FS
	OpenKeys func(ctx context.Context, uri string) (key.Store, error)
	Direct   dial.Func
	Resolve  func(ctx context.Context, host string) ([]string, error)
	Getenv   func(string) string
	Now      func() time.Time
	Disk     func(dir string) (Disk, error)
	// Daemon asks the agent that runs on the state directory.
	Daemon Daemon
	// Lock keeps an agent from starting; see identity.Lock.
	Lock func(dir string) (release func(), err error)
}

// Daemon is a running agent; agent.Remote is one.
type Daemon interface {
	Status(ctx context.Context) (agent.Status, error)
}

// exam is one examination under way.
type exam struct {
	o      Options
	cfg    config.Config
	clock  *clock.Clock
	dialer *dial.Dialer
	roots  *x509.CertPool

	signLimit time.Duration // measured; zero: it was not

	resolved []string           // addresses of what is dialled
	keys     key.Store          // nil until it is open
	id       *identity.Identity // nil: none that can be used
	running  *agent.Status      // of the agent that runs; nil: none does
	busy     bool               // something runs on the state directory

	mu       sync.Mutex // guards what follows
	findings []Finding
	offset   *time.Duration // of the server's clock to ours
}

// Run examines everything, as far as ctx allows.
func Run(ctx context.Context, o Options) Report {
	e := &exam{o: o.real(), cfg: o.Config}
	defer e.close()
	now := e.o.Now()
	e.signLimit = agent.MeasuredSignLimit(e.o.FS, e.cfg)
	e.clock = clock.NewFrom(e.o.Now, o.Built)
	e.local(ctx)
	if e.dialer != nil {
		e.remote(ctx)
	}
	e.judgeDaemon()
	if ctx.Err() != nil {
		e.find("doctor", "M198", "")
	}
	r := Report{Version: Version, Time: now.UTC(), Device: e.cfg.DeviceID, Server: e.cfg.Server, Findings: e.findings}
	r.conclude()
	return r
}

func (e *exam) close() {
	if e.keys != nil {
		_ = e.keys.Close() // nothing was written
	}
}

// remote is what needs the network.
func (e *exam) remote(ctx context.Context) {
	if !e.names(ctx) {
		return
	}
	doors := []*door{{name: "https", port: e.cfg.HTTPSPort}, {name: "mtls", port: e.cfg.MTLSPort, asks: true}, {name: mqttsDoor, port: e.cfg.MQTTSPort, asks: true}}
	var all sync.WaitGroup
	for _, d := range doors {
		if d.port != 0 {
			all.Go(func() { e.open(ctx, d) })
		}
	}
	all.Wait()
	for _, d := range doors { // in this order, whichever was first
		e.findings = append(e.findings, d.findings...)
	}
	e.judgeClock(ctx, doors[0])
	e.judgeServerDates(doors)
	if ctx.Err() != nil { // or the end of the time would pass for a fault of each door
		return
	}
	e.est(ctx, doors[0])
	if e.id == nil || ctx.Err() != nil {
		return
	}
	refused := e.present(ctx, doors[1])
	if !refused && ctx.Err() == nil {
		e.tokenOverHTTPS(ctx, doors[0], doors[1])
	}
	if ctx.Err() == nil {
		e.mqtt(ctx, doors[2], doors[1])
	}
}

func (o Options) real() Options {
	if o.FS == nil {
		o.FS = durable.OS
	}
	if o.OpenKeys == nil {
		o.OpenKeys = hsm.Open
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Resolve == nil {
		o.Resolve = net.DefaultResolver.LookupHost
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Disk == nil {
		o.Disk = diskOf
	}
	if o.Lock == nil {
		o.Lock = identity.Lock
	}
	return o
}

// finding makes a finding of a code.
func finding(check string, code Code, detail string) Finding {
	c, ok := Lookup(code)
	if !ok {
		c, _ = Lookup("M199")
	}
	return Finding{Check: check, Level: c.Level, Code: c.Code, Layer: c.Layer, Cause: c.Cause, Detail: cut(detail), Advice: c.Advice}
}

// faultOf makes a finding of an error, with the advice that comes with it.
func faultOf(check string, code Code, err error) Finding {
	f := finding(check, code, err.Error())
	if hint := agent.Hint(err); hint != "" {
		f.Advice = hint
	}
	return f
}

func (e *exam) add(f Finding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.findings = append(e.findings, f)
}

func (e *exam) find(check string, code Code, detail string) { e.add(finding(check, code, detail)) }

func (e *exam) fail(check string, code Code, err error) { e.add(faultOf(check, code, err)) }

func (e *exam) ok(check, format string, args ...any) {
	e.add(Finding{Check: check, Level: OK, Detail: cut(fmt.Sprintf(format, args...))})
}

func (e *exam) skip(check, why string) { e.add(Finding{Check: check, Level: Skipped, Detail: why}) }
