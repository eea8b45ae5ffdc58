package dial

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"golang.org/x/net/proxy"

	"mooring/internal/secret"
)

// maxAnswer bounds the header of a proxy's answer to CONNECT, as that of net/http
// servers is bounded by default to far more.
const maxAnswer = 16 << 10

// Proxy is a proxy between device and server.
type Proxy struct {
	scheme   string // http, https, socks5
	addr     string // host:port
	user     string
	password secret.String
	except   []exception
	source   string // where the setting comes from
}

var defaultPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

// ParseProxy reads http://HOST[:PORT], https://… or socks5://…; a URL without
// scheme is http. The server's name is always resolved by the proxy.
func ParseProxy(text string) (*Proxy, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil { // its text may hold a password
		return nil, errors.New("is no URL, as http://proxy.example.com:3128 is")
	}
	port := defaultPorts[u.Scheme]
	if port == "" {
		return nil, errors.New("must begin with http://, https:// or socks5://")
	}
	if u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("must have the form http://HOST[:PORT]")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, errors.New("its port must be 1 to 65535")
	}
	p := &Proxy{scheme: strings.TrimSuffix(u.Scheme, "h"), addr: net.JoinHostPort(u.Hostname(), port), source: "configuration"}
	if u.User != nil {
		password, _ := u.User.Password()
		p.user, p.password = u.User.Username(), secret.New(password)
	}
	return p, nil
}

// WithCredentials returns the proxy with USER:PASSWORD.
func (p *Proxy) WithCredentials(text secret.String) (*Proxy, error) {
	user, password, found := strings.Cut(text.Reveal(), ":")
	if !found || user == "" {
		return nil, errors.New("must be one line, USER:PASSWORD")
	}
	q := *p
	q.user, q.password = user, secret.New(password)
	return &q, nil
}

// HasCredentials reports whether the proxy is given a user and a password.
func (p *Proxy) HasCredentials() bool { return p.user != "" }

// Addr is host:port of the proxy itself.
func (p *Proxy) Addr() string { return p.addr }

// String names the proxy without its credentials.
func (p *Proxy) String() string { return p.scheme + "://" + p.addr }

// Source says where the setting comes from: "configuration" or a variable of
// the environment.
func (p *Proxy) Source() string { return p.source }

// Format hides the credentials from every verb.
func (p *Proxy) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) }

// Fault is what went wrong with a proxy.
type Fault string

// The faults.
const (
	Unreachable    Fault = "unreachable"    // no connection to the proxy
	Silent         Fault = "silent"         // it took the connection and did not answer in time
	Authentication Fault = "authentication" // it wants other credentials
	Refused        Fault = "refused"        // it does not let this device go there
	NoWay          Fault = "no-way"         // it cannot reach the server itself
	NoProxy        Fault = "no-proxy"       // what answers is no proxy of this kind
)

// ProxyError says what went wrong with a proxy.
type ProxyError struct {
	Proxy  string // without credentials
	Target string // host:port of the server
	Fault  Fault
	Status int // of its HTTP answer; 0 if there was none
	err    error
}

// Error names proxy, target and fault.
func (e *ProxyError) Error() string {
	text := "the proxy " + e.Proxy + " " + map[Fault]string{
		Unreachable:    "cannot be reached",
		Silent:         "does not answer",
		Authentication: "wants other credentials",
		Refused:        "refuses a connection to " + e.Target,
		NoWay:          "cannot reach " + e.Target,
		NoProxy:        "does not answer as a proxy",
	}[e.Fault]
	if e.Status != 0 {
		text += fmt.Sprintf(" (status %d)", e.Status)
	}
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *ProxyError) Unwrap() error { return e.err }

func (p *Proxy) fail(target string, fault Fault, err error) *ProxyError {
	return &ProxyError{Proxy: p.String(), Target: target, Fault: fault, err: err}
}

// proxyIsDown reports that no other address behind the proxy will do better.
func proxyIsDown(err error) bool {
	p, ok := errors.AsType[*ProxyError](err)
	return ok && p.Fault != Refused && p.Fault != NoWay
}

func (p *Proxy) dial(ctx context.Context, c Config, network, target string) (net.Conn, error) {
	if p.scheme == "socks5" {
		return p.socks(ctx, c, network, target)
	}
	conn, err := c.Direct(ctx, network, p.addr)
	if err != nil {
		return nil, p.fail(target, Unreachable, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	tunnel, err := p.tunnel(ctx, c, conn, target)
	if !stop() && err == nil {
		err = p.fail(target, Silent, ctx.Err())
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return tunnel, nil
}

// tunnel asks for a way to target (RFC 9110 §9.3.6).
func (p *Proxy) tunnel(ctx context.Context, c Config, conn net.Conn, target string) (net.Conn, error) {
	if p.scheme == "https" {
		host, _, _ := net.SplitHostPort(p.addr)
		t := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, Time: c.Now})
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, p.fail(target, NoProxy, err)
		}
		conn = t
	}
	request := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\nUser-Agent: mooring-agent\r\n"
	if p.HasCredentials() {
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.user+":"+p.password.Reveal())) + "\r\n"
	}
	if _, err := conn.Write([]byte(request + "\r\n")); err != nil {
		return nil, p.fail(target, silentOr(ctx, NoProxy), err)
	}
	status, err := readStatus(conn)
	if err != nil {
		return nil, p.fail(target, silentOr(ctx, NoProxy), err)
	}
	if status/100 == 2 {
		return conn, nil
	}
	e := p.fail(target, faultOf(status), nil)
	e.Status = status
	return nil, e
}

// silentOr is Silent if time ran out, and else the fault given.
func silentOr(ctx context.Context, other Fault) Fault {
	if ctx.Err() != nil {
		return Silent
	}
	return other
}

func faultOf(status int) Fault {
	switch status {
	case 401, 407: // tinyproxy answers wrong credentials with 401
		return Authentication
	case 500, 502, 503, 504: // it tried, and did not get through
		return NoWay
	case 400, 404, 405, 501: // servers that are no proxy
		return NoProxy
	}
	return Refused
}

// readStatus reads the header of an answer and not one byte more: what follows
// is the server's. It returns the status.
func readStatus(conn net.Conn) (int, error) {
	var head []byte
	for one := make([]byte, 1); !strings.HasSuffix(string(head[max(0, len(head)-4):]), "\r\n\r\n"); {
		if len(head) == maxAnswer {
			return 0, errors.New("the header of its answer is longer than 16 KiB")
		}
		n, err := conn.Read(one)
		if head = append(head, one[:n]...); err != nil {
			return 0, err
		}
		if len(head) == 5 && string(head) != "HTTP/" {
			return 0, errors.New("its answer is not HTTP")
		}
	}
	version, rest, _ := strings.Cut(string(head), " ")
	status, err := strconv.Atoi(rest[:min(3, len(rest))])
	if err != nil || status < 100 || !strings.HasPrefix(version, "HTTP/1.") {
		return 0, errors.New("its answer is not HTTP/1.1")
	}
	return status, nil
}

// socks asks for a way to target (RFC 1928, RFC 1929).
func (p *Proxy) socks(ctx context.Context, c Config, network, target string) (net.Conn, error) {
	var auth *proxy.Auth
	if p.HasCredentials() {
		auth = &proxy.Auth{User: p.user, Password: p.password.Reveal()}
	}
	forward := &forwarder{direct: c.Direct}
	d, err := proxy.SOCKS5(network, p.addr, auth, forward)
	if err != nil {
		return nil, p.fail(target, NoProxy, err)
	}
	conn, err := d.(proxy.ContextDialer).DialContext(ctx, network, target)
	if err == nil {
		return conn, nil
	}
	if op, ok := errors.AsType[*net.OpError](err); ok { // it repeats both addresses
		err = op.Err
	}
	return nil, p.fail(target, socksFault(ctx, forward, err), err)
}

// socksFault reads the texts of golang.org/x/net, which has no values for them.
func socksFault(ctx context.Context, f *forwarder, err error) Fault {
	text := err.Error()
	switch {
	case f.err != nil:
		return Unreachable
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		return Silent
	case strings.Contains(text, "authentication"):
		return Authentication
	case strings.Contains(text, "not allowed by ruleset"):
		return Refused
	case strings.Contains(text, "unreachable"), strings.Contains(text, "connection refused"), strings.Contains(text, "TTL expired"), strings.Contains(text, "general SOCKS server failure"):
		return NoWay
	}
	return NoProxy
}

// forwarder opens the connection to the proxy and remembers whether that
// failed.
type forwarder struct {
	direct Func
	err    error
}

// Dial implements proxy.Dialer.
func (f *forwarder) Dial(network, addr string) (net.Conn, error) {
	return f.DialContext(context.Background(), network, addr)
}

// DialContext implements proxy.ContextDialer.
func (f *forwarder) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := f.direct(ctx, network, addr)
	f.err = err
	return conn, err
}
