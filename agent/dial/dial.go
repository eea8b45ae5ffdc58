// Package dial opens the agent's connections to the server, all of them alike:
// directly or through a proxy, to a server that has several addresses, over IPv4
// or IPv6.
//
// What comes back is a stream of bytes to the server. TLS is the caller's
// business and judges the name of the server, whichever address was dialled, so
// neither a proxy nor a list of addresses can put another server in its place.
package dial

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// oneLimit bounds one address, name look-up and proxy included.
	oneLimit = 30 * time.Second
	// eachLimit bounds each of several addresses.
	eachLimit = 10 * time.Second
)

// Func is the DialContext of net.Dialer.
type Func func(ctx context.Context, network, addr string) (net.Conn, error)

// Config says how to reach the server.
type Config struct {
	// Server is the host that Addresses belong to.
	Server string
	// Addresses are hosts without port, tried in turn in place of Server. The
	// one that answered stays in use until it fails.
	Addresses []string
	// Proxy is nil if the server is reached directly.
	Proxy *Proxy
	// Direct opens TCP connections; nil is a net.Dialer, which tries IPv6 and
	// IPv4 side by side (RFC 8305).
	Direct Func
	// Now is the time the certificate of a proxy is judged by; nil is time.Now.
	Now func() time.Time
}

// Dialer opens connections. It may be used by several goroutines at once.
type Dialer struct {
	cfg Config

	mu    sync.Mutex // guards first
	first int        // index of the address to begin with
}

// New returns a Dialer. It does no I/O.
func New(c Config) *Dialer {
	if c.Direct == nil {
		c.Direct = (&net.Dialer{}).DialContext
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Dialer{cfg: c}
}

// Hosts lists what is dialled for the server, the one in use first.
func (d *Dialer) Hosts() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.cfg.Addresses) == 0 {
		return []string{d.cfg.Server}
	}
	return append(append([]string(nil), d.cfg.Addresses[d.first:]...), d.cfg.Addresses[:d.first]...)
}

// Proxy returns the proxy on the way to host:port, nil if there is none.
func (d *Dialer) Proxy(addr string) *Proxy {
	if d.cfg.Proxy == nil || d.cfg.Proxy.Bypassed(addr) {
		return nil
	}
	return d.cfg.Proxy
}

// Avoid begins with the next address from now on: the one in use takes
// connections and does not serve them.
func (d *Dialer) Avoid() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.cfg.Addresses); n > 0 {
		d.first = (d.first + 1) % n
	}
}

// DialContext connects to addr, host:port. If the host is the server and has
// several addresses, each gets its share of the time until one answers.
//
// Errors: ProxyError if the proxy is at fault, else those of net.Dialer.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if host != d.cfg.Server || len(d.cfg.Addresses) == 0 {
		return d.one(ctx, network, addr, oneLimit)
	}
	var all error
	hosts := d.Hosts()
	for i, h := range hosts {
		conn, err := d.one(ctx, network, net.JoinHostPort(h, port), share(ctx, len(hosts)-i))
		if err == nil {
			d.use(h)
			return conn, nil
		}
		if all == nil {
			all = err
		} else {
			all = fmt.Errorf("%w; %w", all, err)
		}
		if ctx.Err() != nil || proxyIsDown(err) {
			break
		}
	}
	return nil, all
}

func (d *Dialer) use(host string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, h := range d.cfg.Addresses {
		if h == host {
			d.first = i
			return
		}
	}
}

// share is the time one of n addresses gets.
func share(ctx context.Context, n int) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return eachLimit
	}
	return min(eachLimit, time.Until(end)/time.Duration(n))
}

func (d *Dialer) one(ctx context.Context, network, addr string, limit time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if p := d.Proxy(addr); p != nil {
		return p.dial(ctx, d.cfg, network, addr)
	}
	return d.cfg.Direct(ctx, network, addr)
}
