package pkcs11key

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key/wire"
	"mooring/internal/backoff"
)

// limits of one request. A slow token signs in a second, and cards make RSA
// keys in up to a minute.
type limits struct{ sign, command, create time.Duration }

var usualLimits = limits{sign: 10 * time.Second, command: 10 * time.Second, create: 2 * time.Minute}

// restarts says how long to wait before a helper is started that follows one
// which failed.
var restarts = backoff.Policy{Min: 100 * time.Millisecond, Max: 30 * time.Second}

// maxWait is how long a request waits for that. It is refused if that is not
// enough.
const maxWait = 3 * time.Second

// supervisor keeps a helper running and its token open: one request at a time.
// What it does about a request that fails is in ladder.go.
type supervisor struct {
	location Location
	limits   limits
	turn     chan struct{} // holds one element while a request is under way

	// Guarded by turn.
	process  *process // nil: none runs
	opened   bool     // the token is open in it
	fresh    bool     // it was opened for the request that is under way
	token    wire.Token
	watch    func(key.Recovery)
	failures int // helpers in a row that came to nothing
	notUntil time.Time
	refused  memory
	closed   bool
}

var errClosed = errors.New("the key store is closed")

func newSupervisor(l Location) *supervisor {
	return &supervisor{location: l, limits: usualLimits, turn: make(chan struct{}, 1)}
}

// limit of a request.
func (s *supervisor) limit(r wire.Request) time.Duration {
	switch r.Op {
	case wire.OpCreate, wire.OpSealer:
		return s.limits.create
	case wire.OpSign:
		return s.limits.sign
	}
	return s.limits.command
}

// do sends a request when it is its turn. It must bear being sent again: before
// is sent ahead of it each time, and undoes what an earlier try did that got no
// answer.
func (s *supervisor) do(ctx context.Context, r wire.Request, before ...wire.Request) (wire.Response, error) {
	if err := ctx.Err(); err != nil {
		return wire.Response{}, err
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return wire.Response{}, ctx.Err()
	}
	defer func() { <-s.turn }()
	s.fresh = false
	answer, err := s.climb(ctx, r, before)
	return answer, s.location.explain(err)
}

// try sends a request once, to a helper with an open token.
func (s *supervisor) try(ctx context.Context, r wire.Request, before []wire.Request) (wire.Response, error) {
	if err := s.ensure(ctx); err != nil {
		return wire.Response{}, err
	}
	for _, b := range before {
		_, err := s.call(ctx, b)
		var fault *wire.Fault
		if err != nil && !(errors.As(err, &fault) && fault.Kind == wire.KindNotFound) {
			return wire.Response{}, err
		}
	}
	return s.call(ctx, r)
}

// call sends to the helper that runs. Without an answer it is ended.
func (s *supervisor) call(ctx context.Context, r wire.Request) (wire.Response, error) {
	answer, err := s.process.call(ctx, s.limit(r), r)
	if err != nil {
		s.drop()
		return answer, err
	}
	if answer.Fault != nil {
		return answer, answer.Fault
	}
	return answer, nil
}

// drop ends the helper. The next one waits a little longer than this did.
func (s *supervisor) drop() {
	if s.process != nil {
		s.process.kill()
	}
	s.process, s.opened = nil, false
	s.notUntil = time.Now().Add(restarts.Delay(s.failures, nil))
	s.failures++
}

// ensure has a helper running and the token open.
func (s *supervisor) ensure(ctx context.Context) error {
	if s.closed {
		return errClosed
	}
	if s.process == nil {
		if err := s.wait(ctx); err != nil {
			return err
		}
		path, err := s.location.findHelper()
		if err != nil {
			return err
		}
		if s.process, err = start(path); err != nil {
			s.process = nil
			s.drop()
			return err
		}
		s.opened = false
	}
	if s.opened {
		return nil
	}
	return s.open(ctx)
}

func (s *supervisor) wait(ctx context.Context) error {
	left := time.Until(s.notUntil)
	if s.failures == 0 || left <= 0 {
		return nil
	}
	if left > maxWait {
		return &Error{Kind: Gone, Text: fmt.Sprintf("the PKCS#11 helper failed %d times; it is started again in %v", s.failures, left.Round(time.Second))}
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// open opens the token.
func (s *supervisor) open(ctx context.Context) error {
	target := s.location.Token
	var err error
	if target.Module, err = s.location.findModule(); err != nil {
		return err
	}
	s.opened = false
	answer, err := s.withPIN(ctx, wire.Request{Op: wire.OpOpen, Target: &target})
	if err != nil {
		return err
	}
	if answer.Token == nil {
		return &wire.Fault{Kind: wire.KindBroken, Text: "the helper opened nothing"}
	}
	s.token, s.opened, s.fresh = *answer.Token, true, true
	return nil
}

// withPIN sends a request with the PIN. A token that is known to find it wrong is
// not asked again.
func (s *supervisor) withPIN(ctx context.Context, r wire.Request) (wire.Response, error) {
	pin, err := readPIN(s.location.PINSource)
	if err != nil {
		return wire.Response{}, err
	}
	known := s.refused.recall()
	if known != nil && known.isOf(pin) {
		r.Spare = []string{known.Serial}
	}
	r.PIN = pin
	answer, err := s.call(ctx, r)
	var fault *wire.Fault
	switch {
	case err == nil && answer.Token != nil && answer.Token.LoggedIn:
		s.refused.forget(answer.Token.Serial)
	case err == nil || !errors.As(err, &fault):
	case fault.Kind == wire.KindPINRefused && known != nil:
		return answer, s.wrongPIN(known.Code)
	case classOf(fault) == badPIN:
		if made, err := newRefusal(fault.Serial, fault.Code, pin); err == nil {
			s.refused.keep(made)
		}
		return answer, s.wrongPIN(fault.Code)
	}
	return answer, err
}

// wrongPIN is the error of a PIN that the token refuses, or has refused.
func (s *supervisor) wrongPIN(code uint) error {
	err := s.location.explain(&wire.Fault{Code: code})
	if e, ok := errors.AsType[*Error](err); ok {
		e.Hint += s.refused.wayOut()
	}
	return err
}

// shut ends the helper for good.
func (s *supervisor) shut() {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.process != nil {
		s.process.end()
	}
	s.process, s.opened, s.closed = nil, false, true
}
