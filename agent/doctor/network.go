package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"mooring/agent/dial"
)

const (
	nameLimit = 10 * time.Second
	// openLimit bounds one TCP connection, through a proxy or not.
	openLimit = 10 * time.Second
	// spareLimit bounds the look at each further address.
	spareLimit = 5 * time.Second
	// maxSpares bounds how many addresses are looked at.
	maxSpares = 32
)

const mqttsDoor = "mqtts"

// door is a port of the server.
type door struct {
	name string // of the listener: https, mtls, mqtts
	port int
	asks bool // should ask for a client certificate

	findings []Finding
	usable   bool // TLS works, and the server's certificate is all right
	answers  bool // TLS works
	chain    []*x509.Certificate
	verify   error // why the server's certificate is not accepted
	tls12    bool
	tls13    bool
}

func (d *door) find(check string, code Code, detail string) {
	d.findings = append(d.findings, finding(check+" "+d.name, code, detail))
}

func (d *door) ok(check, format string, args ...any) {
	d.findings = append(d.findings, Finding{Check: check + " " + d.name, Level: OK, Detail: cut(fmt.Sprintf(format, args...))})
}

// names resolves what is dialled, and reports whether it is of use to go on.
func (e *exam) names(ctx context.Context) bool {
	hosts := e.dialer.Hosts()
	if p := e.dialer.Proxy(e.cfg.Address(e.cfg.MQTTSPort)); p != nil {
		credentials := "without credentials"
		if p.HasCredentials() {
			credentials = "with credentials"
		}
		e.ok("proxy", "%s (%s) %s; it resolves the server's name", p, p.Source(), credentials)
		host, _, _ := net.SplitHostPort(p.Addr())
		hosts = []string{host}
	}
	found := 0
	for _, h := range hosts {
		if e.name(ctx, h) {
			found++
		}
	}
	return found > 0
}

func (e *exam) name(ctx context.Context, host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, nameLimit)
	defer cancel()
	list, err := e.o.Resolve(ctx, host)
	if err == nil && len(list) > 0 {
		e.resolved = append(e.resolved, list...)
		e.ok("dns", "%s is %s", host, strings.Join(list, ", "))
		return true
	}
	dns, ok := errors.AsType[*net.DNSError](err)
	if err == nil || ok && dns.IsNotFound {
		e.find("dns", "M070", host)
		return false
	}
	e.find("dns", "M071", host+": "+err.Error())
	return false
}

// open looks at one port from below: TCP, TLS, the server's certificate.
func (e *exam) open(ctx context.Context, d *door) {
	begin := time.Now()
	conn, err := e.dial(ctx, d)
	if err != nil {
		d.find("tcp", tcpCode(err), err.Error())
		return
	}
	d.ok("tcp", "%s in %v", conn.RemoteAddr(), time.Since(begin).Round(time.Millisecond))
	_ = conn.Close()
	if d.name == "mqtts" {
		e.spares(ctx, d)
	}
	e.tls(ctx, d)
}

func (e *exam) dial(ctx context.Context, d *door) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	return e.dialer.DialContext(ctx, "tcp", e.cfg.Address(d.port))
}

// spares looks at each address by itself: those that are not in use, and those
// behind a name, of which a dialler takes whichever answers.
func (e *exam) spares(ctx context.Context, d *door) {
	var list []string
	if e.dialer.Proxy(e.cfg.Address(d.port)) != nil {
		list = e.dialer.Hosts()[1:]
	} else {
		for _, h := range e.dialer.Hosts() {
			if _, err := netip.ParseAddr(h); err == nil {
				list = append(list, h)
			}
		}
		list = append(list, e.resolved...)
	}
	if len(list) > maxSpares {
		list = list[:maxSpares]
	}
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, h := range list {
		all.Go(func() { errs[i] = e.spare(ctx, net.JoinHostPort(h, strconv.Itoa(d.port))) })
	}
	all.Wait()
	for i, err := range errs {
		// Without any way to IPv6, or IPv4, its addresses are of no use and no harm.
		if err != nil && tcpCode(err) != "M092" {
			d.find("tcp", "M094", list[i]+": "+err.Error())
		}
	}
}

func (e *exam) spare(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, spareLimit)
	defer cancel()
	conn, err := e.dialer.DialContext(ctx, "tcp", addr)
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// tcpCode names why no connection came about.
func tcpCode(err error) Code {
	if p, ok := errors.AsType[*dial.ProxyError](err); ok {
		return map[dial.Fault]Code{dial.Unreachable: "M080", dial.Silent: "M081", dial.Authentication: "M082", dial.Refused: "M083",
			dial.NoWay: "M084", dial.NoProxy: "M085"}[p.Fault]
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case isDNS && dns.IsNotFound:
		return "M070"
	case isDNS:
		return "M071"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "M090"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETDOWN), errors.Is(err, syscall.EADDRNOTAVAIL):
		return "M092"
	case errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout():
		return "M091"
	}
	return "M093"
}
