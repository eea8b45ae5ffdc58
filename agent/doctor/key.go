package doctor

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/agent/identity"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/pki"
)

const (
	// keyLimit bounds everything that is asked of the key store, beside what two
	// signatures may take: a store tries a second time.
	keyLimit = 20 * time.Second
	// slowSignature is where limits of servers come near: they give a
	// handshake 10 s or more, and it needs one signature.
	slowSignature = 2 * time.Second
	// signatures is how often the key signs for a whole examination.
	signatures = 8
	clockFile  = "clock"
)

// Limit is what an examination may take: a minute, and what a key needs that a
// self-test found to be slow.
func Limit(fsys durable.FS, c config.Config) time.Duration {
	return time.Minute + signatures*agent.MeasuredSignLimit(fsys, c)
}

// held is what the key store gave.
type held struct {
	keys  key.Store
	found identity.Found
	code  Code // what err stands for; empty: a fault of the identity
	err   error
	took  time.Duration // of one signature
}

// identity looks at key and certificate.
func (e *exam) identity(ctx context.Context) {
	_ = e.clock.Load(e.o.FS, filepath.Join(e.cfg.State, clockFile)) // without it there is only less to compare with
	ctx, cancel := context.WithTimeout(ctx, keyLimit+2*e.signLimit)
	defer cancel()
	got := make(chan held, 1)
	go func() { got <- e.hold(ctx) }()
	select {
	case h := <-got:
		e.keys = h.keys
		e.judgeIdentity(h)
	case <-ctx.Done(): // what hangs ends with the program
		e.keyFault("M046", e.unanswered())
	}
	if !e.clock.Trusted() {
		e.find("clock", "M032", "the clock says "+stamp(e.o.Now())+", and "+stamp(e.clock.Floor())+" has passed")
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (e *exam) hold(ctx context.Context) (h held) {
	if h.keys, h.err = e.o.OpenKeys(ctx, e.cfg.KeyURI()); h.err != nil {
		h.code = keyCode(h.err, "M040")
		return h
	}
	agent.PrepareKeys(e.o.FS, e.cfg, h.keys)
	if _, h.err = h.keys.List(ctx); h.err != nil {
		h.code = keyCode(h.err, "M040")
		return h
	}
	ids, err := identity.Open(e.o.FS, e.cfg.State, h.keys)
	if err != nil {
		h.code, h.err = "M010", err
		return h
	}
	if h.found, h.err = ids.Find(ctx); h.err != nil || h.found.Current == nil {
		return h
	}
	begin := time.Now()
	if h.err = pki.SignVerify(h.found.Current.Signer); h.err != nil {
		h.code = keyCode(h.err, "M043")
		if errors.Is(h.err, fs.ErrPermission) {
			h.code = "M040"
		}
	}
	h.took = time.Since(begin)
	return h
}

func (e *exam) unanswered() error {
	err := errors.New("the key store does not answer")
	if e.signLimit > 0 {
		return err
	}
	return agent.WithHint(err, "if it is only slow, mooring-agent keystore selftest finds out how long to wait for it; else see that it is plugged in and switched on")
}

// keyCode names why a key store does not serve, as far as that can be told apart
// from otherwise.
func keyCode(err error, otherwise Code) Code {
	switch {
	case errors.Is(err, key.ErrAway):
		return "M046"
	case errors.Is(err, key.ErrBarred):
		return "M047"
	case errors.Is(err, key.ErrNotFound), errors.Is(err, key.ErrLost):
		return "M041"
	}
	return otherwise
}

func (e *exam) judgeIdentity(h held) {
	if id := h.found.Current; id != nil {
		e.clock.Observe(id.Chain.Leaf().NotBefore)
		e.chain(id.Chain)
	}
	switch {
	case h.code != "" && e.denied("key", h.err):
	case h.code != "":
		e.keyFault(h.code, h.err)
	case h.err != nil:
		e.identityFault(h.err)
	case h.found.Current == nil:
		e.find("identity", "M190", "")
	default:
		e.id = h.found.Current
		took := h.took.Round(100 * time.Microsecond)
		if took > slowSignature {
			e.find("key", "M044", took.String()+" for one signature")
			return
		}
		e.ok("key", "%s signs in %v", e.id.KeyRef, took)
	}
}

// keyFault names what is wrong with the key store. One that serves a running
// agent may have no room for a second user.
func (e *exam) keyFault(code Code, err error) {
	if e.running != nil && e.running.Connected {
		code = "M045"
	}
	e.fail("key", code, err)
}

// identityFault names what is wrong with an identity that cannot be loaded.
func (e *exam) identityFault(err error) {
	fault, _ := errors.AsType[*identity.Error](err)
	switch {
	case e.denied("identity", err):
	case fault == nil:
		e.fail("identity", "M011", err)
	case strings.HasPrefix(fault.Path, "key ") || errors.Is(err, key.ErrNotFound):
		e.keyFault(keyCode(err, "M041"), err)
	case fault.What == identity.WrongKey && e.misordered():
		e.find("certificate", "M050", fault.Path)
	case fault.What == identity.WrongKey:
		e.fail("key", "M042", err)
	default:
		e.fail("identity", "M011", err)
	}
}

// misordered reports whether the stored chain begins with an issuer of a
// certificate that comes later.
func (e *exam) misordered() bool {
	text, err := e.o.FS.ReadFile(filepath.Join(e.cfg.State, "current", "chain.pem"))
	if err != nil {
		return false
	}
	chain, err := pki.ParsePEMChain(text)
	if err != nil {
		return false
	}
	for _, c := range chain[1:] {
		if c.CheckSignatureFrom(chain[0]) == nil {
			return true
		}
	}
	return false
}
