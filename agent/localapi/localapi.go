// Package localapi lets other programs on the device use its identity without
// having it: the operations of docs/local-api.md, in JSON over HTTP/1.1 on a
// UNIX socket, and a proxy that adds the device token to what passes.
//
//	program ──▶ localhttp ──▶ who asks (SO_PEERCRED) ──▶ may they, not too often ──▶ Device
//
// Nobody but root and the agent's own user may do anything unless a rule says
// so, and to sign with the device's key takes a rule for everybody. Each call
// leaves a line in the log with user, group and process.
package localapi

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"mooring/agent/localhttp"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/internal/secret"
)

const (
	// maxBody bounds a call: one message and its quoting.
	maxBody = 128 << 10
	// connsOfUser bounds one user's connections, so that the others find a seat.
	connsOfUser = 16
)

// Device is the agent as this package sees it.
type Device interface {
	// Look returns how the device is, and a channel that closes when that
	// changes.
	Look() (Snapshot, <-chan struct{})
	// DeviceToken returns a device token in force and its end.
	DeviceToken(ctx context.Context) (secret.String, time.Time, error)
	// ForgetToken drops a token that the server refused.
	ForgetToken(ctx context.Context, token secret.String)
	// Send returns when the message is kept safe for the server.
	Send(ctx context.Context, topic string, payload []byte) error
	// Messages returns what the server sends on topics until ctx ends.
	Messages(ctx context.Context, topics ...string) <-chan Message
	// Sign signs a digest with the device's key; opts as crypto.Signer's.
	Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error)
}

// Snapshot is how the device is at a moment.
type Snapshot struct {
	Status any       // what GET /v1/status answers
	Chain  pki.Chain // leaf first; nil before enrolment
}

// Message is what the server sent.
type Message struct {
	Topic   string
	Payload []byte
}

// API answers programs on the device.
type API struct {
	device Device
	policy Policy
	limits limiter
	log    *slog.Logger
	now    func() time.Time
	ending context.Context // Serve's: streams end with it
}

// New returns the API of a device.
func New(d Device, p Policy, now func() time.Time, log *slog.Logger) *API {
	return &API{device: d, policy: p, limits: newLimiter(p.Rate), log: log, now: now}
}

// Serve answers on l, which must give connections of UNIX sockets, until ctx
// ends. It is called once.
func (a *API) Serve(ctx context.Context, l net.Listener) error {
	a.ending = ctx
	return (&localhttp.Server{Handler: a.routes(), MaxBody: maxBody}).Serve(ctx, KnowUsers(l))
}

func (a *API) routes() localhttp.Routes {
	return localhttp.Routes{
		"GET /v1/status":   a.call(VerbStatus, a.status),
		"GET /v1/chain":    a.call(VerbChain, a.chain),
		"POST /v1/token":   a.call(VerbToken, a.token),
		"POST /v1/publish": a.call(VerbPublish, a.publish),
		"GET /v1/messages": a.call(VerbMessages, a.messages),
		"POST /v1/sign":    a.call(VerbSign, a.sign),
	}
}

// handler answers one permitted call, or says why not before it wrote anything.
type handler func(w http.ResponseWriter, r *http.Request) error

// call asks who it is, whether they may, and how often they did; then it
// answers and writes it down.
func (a *API) call(v Verb, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		caller, err := CallerOf(localhttp.Conn(r.Context()))
		if err == nil {
			err = a.admit(caller, v)
		}
		if err == nil {
			err = h(w, r)
		}
		a.log.Info("local call", "verb", string(v), "uid", caller.UID, "gid", caller.GID, "pid", caller.PID, "outcome", outcome(err))
		if err != nil && !errors.Is(err, context.Canceled) {
			writeError(w, err)
		}
	}
}

func (a *API) admit(c Caller, v Verb) error {
	if wait := a.limits.take(c.UID, a.now()); wait > 0 {
		p := problem.New(problem.TooMany, "too many calls of this user", nil)
		p.RetryAfter = wait
		return p
	}
	if !a.policy.May(c, v) {
		return problem.New(problem.Forbidden, "no rule of local.allow lets this user "+string(v), nil)
	}
	return nil
}

// outcome is what the log says of an error: its kind, since the text may hold
// what the caller sent.
func outcome(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, context.Canceled):
		return "hung up"
	}
	return string(problem.KindOf(err))
}
