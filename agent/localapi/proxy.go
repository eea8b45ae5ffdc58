package localapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"mooring/agent/localhttp"
	"mooring/internal/problem"
)

// maxReplayed bounds the body that is kept so that a request can be sent again
// with a fresh token; a longer one is sent once, as it comes.
const maxReplayed = 64 << 10

// Proxy passes requests on to the server as the device: it adds the device
// token, and gets a fresh one where the server refuses it.
type Proxy struct {
	device    Device
	policy    Policy
	server    string // host:port
	transport http.RoundTripper
	log       *slog.Logger
}

// NewProxy returns the proxy to a server, host:port, reached by transport.
func NewProxy(d Device, p Policy, server string, transport http.RoundTripper, log *slog.Logger) *Proxy {
	return &Proxy{device: d, policy: p, server: server, transport: transport, log: log}
}

// Serve answers on l until ctx ends. On a UNIX socket the rules say who may;
// what listens on the loopback is open to every user of the device.
func (p *Proxy) Serve(ctx context.Context, l net.Listener) error {
	if l.Addr().Network() == "unix" {
		l = KnowUsers(l)
	}
	return (&localhttp.Server{Handler: http.HandlerFunc(p.serve), MaxHeader: 32 << 10}).Serve(ctx, l)
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	err := p.admit(r)
	if err == nil {
		err = p.pass(w, r)
	}
	who := []any{"uid", "any"} // of the loopback
	if caller, unknown := CallerOf(localhttp.Conn(r.Context())); unknown == nil {
		who = []any{"uid", caller.UID, "gid", caller.GID, "pid", caller.PID}
	}
	p.log.Info("local call", append(who, "verb", string(VerbProxy), "method", r.Method, "outcome", outcome(err))...)
	if err != nil && !errors.Is(err, context.Canceled) {
		writeError(w, err)
	}
}

func (p *Proxy) admit(r *http.Request) error {
	nc := localhttp.Conn(r.Context())
	if nc.LocalAddr().Network() == "unix" {
		caller, err := CallerOf(nc)
		if err != nil {
			return err
		}
		if !p.policy.May(caller, VerbProxy) {
			return problem.New(problem.Forbidden, "no rule of local.allow lets this user proxy", nil)
		}
	} else if !isLocal(r.Host) || r.Header.Get("Origin") != "" {
		// A web page in a browser on the device reaches the loopback, too.
		return problem.New(problem.Forbidden, "the proxy is for programs of this device, by the name localhost", nil)
	}
	switch {
	case r.Method == http.MethodConnect || r.URL.Host != "":
		return problem.New(problem.Invalid, "this proxy leads to one server: ask it for a path, as for the server itself", nil)
	case r.Header.Get("Upgrade") != "":
		return problem.New(problem.Invalid, "upgrades, as to WebSocket, do not pass this proxy", nil)
	}
	return nil
}

// isLocal reports whether a Host header names this device.
func isLocal(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	ip := net.ParseIP(strings.Trim(name, "[]"))
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

// pass sends the request on, a second time with a fresh token if the server
// refuses the first and the body was kept.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request) error {
	start, whole, err := beginning(r.Body)
	if err != nil {
		return problem.New(problem.Invalid, "the body cannot be read", err)
	}
	answer, err := p.send(r, start, whole)
	if err == nil && answer.StatusCode == http.StatusUnauthorized && whole {
		_ = answer.Body.Close()
		answer, err = p.send(r, start, whole)
	}
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	copyHeader(w.Header(), answer.Header)
	if answer.ContentLength < 0 {
		w.Header().Del("Content-Length")
	}
	w.WriteHeader(answer.StatusCode)
	if err := copyBody(w, answer.Body); err != nil {
		_ = localhttp.Conn(r.Context()).Close() // or half an answer would look whole
		return context.Canceled
	}
	return nil
}

// send makes one request. A token that the server refuses is forgotten.
func (p *Proxy) send(r *http.Request, start []byte, whole bool) (*http.Response, error) {
	token, _, err := p.device.DeviceToken(r.Context())
	if err != nil {
		return nil, err
	}
	out := (&http.Request{
		Method: r.Method, Host: p.server, Header: http.Header{}, ContentLength: r.ContentLength,
		URL: &url.URL{Scheme: "https", Host: p.server, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery},
	}).WithContext(r.Context())
	copyHeader(out.Header, r.Header)
	out.Header.Set("Authorization", "Bearer "+token.Reveal())
	switch {
	case whole && len(start) == 0:
		out.ContentLength = 0 // of an empty chunked body it is not known
	case whole:
		out.Body = io.NopCloser(bytes.NewReader(start))
		out.ContentLength = int64(len(start))
	default:
		out.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(start), r.Body), r.Body}
	}
	answer, err := p.transport.RoundTrip(out)
	if err != nil {
		return nil, problem.New(problem.Unavailable, "the server is not reached", err)
	}
	if answer.StatusCode == http.StatusUnauthorized {
		p.device.ForgetToken(r.Context(), token)
	}
	return answer, nil
}

// beginning reads what can be kept of a body, and reports whether that is all.
func beginning(in io.Reader) (start []byte, whole bool, err error) {
	start, err = io.ReadAll(io.LimitReader(in, maxReplayed+1))
	return start, len(start) <= maxReplayed, err
}

// notPassed are the fields between two neighbours (RFC 9110 §7.6.1), and those
// that say who asks.
var notPassed = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Expect", "Authorization", "Cookie", "Set-Cookie"}

func copyHeader(to, from http.Header) {
	for name, values := range from {
		to[name] = values
	}
	for _, list := range from["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			to.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range notPassed {
		to.Del(name)
	}
}

// copyBody sends each piece on as it comes: an answer may be a long poll.
func copyBody(w http.ResponseWriter, in io.Reader) error {
	piece := make([]byte, 16<<10)
	for {
		n, err := in.Read(piece)
		if n > 0 {
			if _, failed := w.Write(piece[:n]); failed != nil {
				return failed
			}
			w.(http.Flusher).Flush()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
