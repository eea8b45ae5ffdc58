package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"mooring/agent/localhttp"
	"mooring/internal/jwt"
	"mooring/internal/problem"
	"mooring/internal/secret"
)

// The socket lets other commands of the same user speak to a running agent:
// JSON over HTTP over STATE/agent.sock, mode 0600.
//
//	GET  /status                                → Status
//	POST /token                                 → {"token", "expires"}
//	POST /renew                                 → Status
//	POST /publish  {"lines": […], "queue": …}   → {}
//	POST /enrol    {"otp"}                      → Status
//
// Errors are {"kind", "detail", "hint", "retry_after"} with a status that only
// says that it is one. How long a call may take is the caller's business: it
// says so in the header Mooring-Timeout, and hangs up a little later.
const (
	socketFile = "agent.sock"
	// maxCall bounds the body of a call: one MQTT message and its quoting.
	maxCall = 128 << 10

	timeoutHeader = "Mooring-Timeout"
	timeoutMargin = 500 * time.Millisecond
)

// Listen opens the socket in the state directory. The caller holds
// identity.Lock, so an existing socket is nobody's.
func Listen(state string) (net.Listener, error) {
	path := filepath.Join(state, socketFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	before := syscall.Umask(0o177)
	defer syscall.Umask(before)
	return net.Listen("unix", path)
}

// Serve answers calls on l until ctx ends.
func (a *Agent) Serve(ctx context.Context, l net.Listener) error {
	return (&localhttp.Server{Handler: a.routes(), MaxBody: maxCall}).Serve(ctx, l)
}

type tokenAnswer struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

type publishCall struct {
	Lines []string `json:"lines"`
	Queue bool     `json:"queue,omitempty"` // return when they are on the disk
}

type enrolCall struct {
	OTP string `json:"otp"`
}

func (a *Agent) routes() localhttp.Routes {
	return localhttp.Routes{
		"GET /status": serve(func(ctx context.Context, _ struct{}) (Status, error) { return a.Status(ctx) }),
		"POST /renew": serve(func(ctx context.Context, _ struct{}) (Status, error) { return a.Renew(ctx) }),
		"POST /token": serve(func(ctx context.Context, _ struct{}) (tokenAnswer, error) {
			token, claims, err := a.Token(ctx)
			return tokenAnswer{token.Reveal(), claims.Expires}, err
		}),
		"POST /publish": serve(func(ctx context.Context, c publishCall) (struct{}, error) {
			if c.Queue {
				return struct{}{}, a.Queue(ctx, c.Lines)
			}
			return struct{}{}, a.Publish(ctx, c.Lines)
		}),
		"POST /enrol": serve(func(ctx context.Context, c enrolCall) (Status, error) {
			return a.Enrol(ctx, secret.New(c.OTP))
		}),
	}
}

// wireError is an error on the socket.
type wireError struct {
	Kind       problem.Kind  `json:"kind"`
	Detail     string        `json:"detail"`
	Hint       string        `json:"hint,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
}

// serve makes a handler of a call. It is small, because the program has it once
// for each pair of types.
func serve[In, Out any](call func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		answer(w, r, &in, func(ctx context.Context) (any, error) { return call(ctx, in) })
	}
}

// answer reads what a call is about into in, makes it and answers.
func answer(w http.ResponseWriter, r *http.Request, in any, call func(context.Context) (any, error)) {
	body, err := io.ReadAll(r.Body)
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, in)
	}
	if err != nil {
		err = problem.New(problem.Invalid, "the call cannot be read", err)
	}
	ctx := r.Context()
	if d, bad := time.ParseDuration(r.Header.Get(timeoutHeader)); bad == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	var out any
	if err == nil {
		out, err = call(ctx)
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		out = wireError{kindOf(err), err.Error(), Hint(err), problem.RetryAfter(err)}
	}
	_ = json.NewEncoder(w).Encode(out) // the caller may be gone
}

// Remote is a running agent, spoken to through its socket. Its methods are
// those of Agent.
type Remote struct{ client *http.Client }

// Dial finds the agent that runs on a state directory.
func Dial(state string) *Remote {
	path := filepath.Join(state, socketFile)
	return &Remote{&http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}}
}

// Status is Agent.Status.
func (r *Remote) Status(ctx context.Context) (s Status, err error) {
	return s, r.call(ctx, http.MethodGet, "/status", nil, &s)
}

// Renew is Agent.Renew.
func (r *Remote) Renew(ctx context.Context) (s Status, err error) {
	return s, r.call(ctx, http.MethodPost, "/renew", nil, &s)
}

// Enrol is Agent.Enrol.
func (r *Remote) Enrol(ctx context.Context, otp secret.String) (s Status, err error) {
	return s, r.call(ctx, http.MethodPost, "/enrol", enrolCall{otp.Reveal()}, &s)
}

// Publish is Agent.Publish.
func (r *Remote) Publish(ctx context.Context, lines []string) error {
	return r.call(ctx, http.MethodPost, "/publish", publishCall{Lines: lines}, nil)
}

// Queue is Agent.Queue.
func (r *Remote) Queue(ctx context.Context, lines []string) error {
	return r.call(ctx, http.MethodPost, "/publish", publishCall{Lines: lines, Queue: true}, nil)
}

// Token is Agent.Token.
func (r *Remote) Token(ctx context.Context) (secret.String, jwt.Claims, error) {
	var t tokenAnswer
	if err := r.call(ctx, http.MethodPost, "/token", nil, &t); err != nil {
		return secret.String{}, jwt.Claims{}, err
	}
	claims, err := jwt.ParseBearer(t.Token)
	return secret.New(t.Token), claims, err
}

func (r *Remote) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if end, ok := ctx.Deadline(); ok {
		request.Header.Set(timeoutHeader, max(0, time.Until(end)-timeoutMargin).String())
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return unreachable(ctx, err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxCall))
	if err != nil {
		return unreachable(ctx, err)
	}
	if answer.StatusCode != http.StatusOK {
		var e wireError
		if err := json.Unmarshal(text, &e); err != nil {
			return fmt.Errorf("the running agent answered %s", answer.Status)
		}
		p := problem.New(e.Kind, e.Detail, nil)
		p.RetryAfter = e.RetryAfter
		return &hinted{error: p, hint: e.Hint}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// NotRunning reports whether err says that no agent listens on the socket of
// the state directory.
func NotRunning(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return problem.New(problem.Unavailable, "the running agent did not finish in time; it goes on trying", nil)
	}
	return problem.New(problem.Unavailable, "the state directory is in use, and the agent that uses it does not answer", err)
}
