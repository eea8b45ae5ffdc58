package dial

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// exception is what is reached without the proxy.
type exception struct {
	all    bool
	prefix netip.Prefix // of an address
	name   string       // with everything below it; after a dot: only what is below
	port   string       // empty: every port
}

// maxExceptions bounds the list of exceptions.
const maxExceptions = 256

// Except returns the proxy with hosts that are reached without it: "*", an
// address, a network as 10.0.0.0/8, or a name, which stands for all names below
// it; with :PORT for that port alone.
func (p *Proxy) Except(list []string) (*Proxy, error) {
	if len(list) > maxExceptions {
		return nil, fmt.Errorf("must be at most %d", maxExceptions)
	}
	q := *p
	q.except = nil
	for _, text := range list {
		e, err := parseException(strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		q.except = append(q.except, e)
	}
	return &q, nil
}

func parseException(text string) (e exception, err error) {
	if text == "*" {
		return exception{all: true}, nil
	}
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return exception{prefix: prefix.Masked()}, nil
	}
	if host, port, err := net.SplitHostPort(text); err == nil {
		text, e.port = host, port
	}
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		a = a.Unmap()
		e.prefix = netip.PrefixFrom(a, a.BitLen())
		return e, nil
	}
	e.name = strings.ToLower(strings.TrimPrefix(text, "*"))
	if strings.Trim(e.name, ".") == "" || strings.ContainsAny(e.name, "/* \t:") {
		return e, errors.New("is no name, address or network")
	}
	return e, nil
}

// Bypassed reports whether addr, host:port, is reached without the proxy.
func (p *Proxy) Bypassed(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip, notIP := netip.ParseAddr(host)
	for _, e := range p.except {
		switch {
		case e.all:
			return true
		case e.port != "" && e.port != port:
		case e.name == "":
			if notIP == nil && e.prefix.Contains(ip.Unmap().WithZone("")) {
				return true
			}
		case host == e.name || strings.HasSuffix(host, "."+strings.TrimPrefix(e.name, ".")):
			return true
		}
	}
	return false
}

// FromEnvironment reads HTTPS_PROXY, else ALL_PROXY, and NO_PROXY, in capitals
// or small letters, as curl and others do; nil if there is none. This machine
// itself is always reached directly. What makes no sense in NO_PROXY is passed
// over: it is not ours alone.
func FromEnvironment(getenv func(string) string) (*Proxy, error) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		text := getenv(name)
		if text == "" {
			continue
		}
		p, err := ParseProxy(text)
		if err != nil {
			return nil, fmt.Errorf("%s of the environment: %w", name, err)
		}
		no := getenv("NO_PROXY")
		if no == "" {
			no = getenv("no_proxy")
		}
		p.source = name
		p.except = []exception{{name: "localhost"}, {prefix: netip.MustParsePrefix("127.0.0.0/8")}, {prefix: netip.MustParsePrefix("::1/128")}}
		for _, text := range strings.Split(no, ",") {
			if e, err := parseException(strings.TrimSpace(text)); err == nil {
				p.except = append(p.except, e)
			}
		}
		return p, nil
	}
	return nil, nil
}
