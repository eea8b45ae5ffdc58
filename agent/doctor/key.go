package doctor

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"mooring/agent"
	"mooring/agent/identity"
	"mooring/hsm/key"
	"mooring/internal/pki"
)

const (
	// keyLimit bounds everything that is asked of the key store.
	keyLimit = 20 * time.Second
	// slowSignature is where limits of servers come near: they give a
	// handshake 10 s or more, and it needs one signature.
	slowSignature = 2 * time.Second
	clockFile     = "clock"
)

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
	ctx, cancel := context.WithTimeout(ctx, keyLimit)
	defer cancel()
	got := make(chan held, 1)
	go func() { got <- e.hold(ctx) }()
	select {
	case h := <-got:
		e.keys = h.keys
		e.judgeIdentity(h)
	case <-ctx.Done(): // what hangs ends with the program
		e.keyFault("M041", errors.New("the key store does not answer"))
	}
	if !e.clock.Trusted() {
		e.find("clock", "M032", "the clock says "+stamp(e.o.Now())+", and "+stamp(e.clock.Floor())+" has passed")
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (e *exam) hold(ctx context.Context) (h held) {
	if h.keys, h.err = e.o.OpenKeys(ctx, e.cfg.KeyURI()); h.err != nil {
		h.code = "M040"
		return h
	}
	agent.LimitKeys(e.o.FS, e.cfg, h.keys)
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
		h.code = "M043"
	}
	h.took = time.Since(begin)
	return h
}

func (e *exam) judgeIdentity(h held) {
	if id := h.found.Current; id != nil {
		e.clock.Observe(id.Chain.Leaf().NotBefore)
		e.chain(id.Chain)
	}
	switch {
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
	case identity.Denied(e.o.FS, e.cfg.State, err) != nil:
		e.skip("identity", cut(err.Error())) // for the file that M012 names
	case fault == nil:
		e.fail("identity", "M011", err)
	case strings.HasPrefix(fault.Path, "key ") || errors.Is(err, key.ErrNotFound):
		e.keyFault("M041", err)
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
