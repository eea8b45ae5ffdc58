package pkcs11key

import (
	"context"
	"errors"
	"time"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key/wire"
)

// rung is a step by which the supervisor gets at the token again. Each takes
// more with it than the one before.
type rung int

const (
	newSessions rung = iota // and handles; the login stays
	newLogin                // out and in again: it costs a use of the PIN
	newModule               // C_Finalize, C_Initialize, the token looked for anew
	newHelper               // another process
	rungs
)

var rungNames = [rungs]string{"session", "login", "module", "helper"}

// ladder says which rungs mend a fault of a class, in the order in which they
// are tried. After each the request is sent again.
var ladder = map[class][]rung{
	session: {newSessions, newLogin, newModule, newHelper},
	login:   {newLogin, newModule, newHelper},
	unclear: {newSessions, newModule, newHelper},
	device:  {newModule, newHelper},
	broken:  {newHelper},
}

// most is how often one request uses a rung. Helpers that end or are silent are
// replaced twice: the first may have died of what its module had in memory.
var most = [rungs]int{1, 1, 1, 2}

// climb sends a request until it is answered or no rung is left. That before
// finds nothing is no failure, nor that an earlier try destroyed what this one
// should.
func (s *supervisor) climb(ctx context.Context, r wire.Request, before []wire.Request) (wire.Response, error) {
	var taken [rungs]int
	answer, err := s.try(ctx, r, before)
	for again := false; ; again = true {
		if err == nil {
			s.failures = 0
			return answer, nil
		}
		if ctx.Err() != nil {
			return answer, ctx.Err()
		}
		if again && r.Op == wire.OpDestroy && isNotFound(err) {
			return answer, nil
		}
		step, found := s.next(r, err, taken)
		if !found {
			return answer, err
		}
		taken[step]++
		if err = s.take(ctx, step, err); err == nil {
			answer, err = s.try(ctx, r, before)
		}
	}
}

func isNotFound(err error) bool {
	var fault *wire.Fault
	return errors.As(err, &fault) && fault.Kind == wire.KindNotFound
}

// next chooses the rung for a fault.
func (s *supervisor) next(r wire.Request, err error, taken [rungs]int) (rung, bool) {
	var fault *wire.Fault
	switch {
	case errors.Is(err, errSilent) || errors.Is(err, errEnded):
		return newHelper, taken[newHelper] < most[newHelper]
	case !errors.As(err, &fault):
		return 0, false
	case fault.Kind == wire.KindNotFound && (r.Op == wire.OpSign || r.Op == wire.OpPublic):
		// Whether a key is gone is believed of a token that was just opened: one that
		// was pulled, or a module that keeps a list, may not know better.
		return newModule, !s.fresh && taken[newModule] == 0
	}
	for _, step := range ladder[classOf(fault)] {
		if taken[step] == 0 && s.can(step) {
			return step, true
		}
	}
	return 0, false
}

// can tells whether there is something that a rung would replace.
func (s *supervisor) can(step rung) bool {
	switch step {
	case newSessions:
		return s.opened
	case newLogin:
		return s.opened && s.token.LoggedIn
	case newModule:
		return s.process != nil
	}
	return true
}

// take does one step and tells of it.
func (s *supervisor) take(ctx context.Context, step rung, cause error) (err error) {
	begin := time.Now()
	switch step {
	case newSessions:
		_, err = s.call(ctx, wire.Request{Op: wire.OpSession})
	case newLogin:
		_, err = s.withPIN(ctx, wire.Request{Op: wire.OpLogin})
	case newModule:
		err = s.open(ctx)
	case newHelper:
		if s.process != nil {
			s.drop()
		}
		err = s.ensure(ctx)
	}
	if s.watch != nil {
		s.watch(key.Recovery{Step: rungNames[step], Cause: cause, Took: time.Since(begin), Err: s.location.explain(err)})
	}
	return err
}

// OnRecovery implements key.Recoverer.
func (s *Store) OnRecovery(f func(key.Recovery)) { s.supervisor.onRecovery(f) }

// OnRecovery implements key.Recoverer.
func (s *Sealer) OnRecovery(f func(key.Recovery)) { s.supervisor.onRecovery(f) }

func (s *supervisor) onRecovery(f func(key.Recovery)) {
	s.turn <- struct{}{}
	s.watch = f
	<-s.turn
}
