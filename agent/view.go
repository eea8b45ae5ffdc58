package agent

import (
	"context"
	"encoding/hex"
	"errors"
	"math"
	"time"

	"mooring/agent/identity"
	"mooring/agent/spool"
	"mooring/internal/lifecycle"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/internal/secret"
)

// Status is what a person or a program asks first. The field names are stable.
type Status struct {
	State       string     `json:"state"` // of internal/lifecycle
	Device      string     `json:"device"`
	Serial      string     `json:"serial,omitempty"`
	NotAfter    *time.Time `json:"not_after,omitempty"`
	Issuer      string     `json:"issuer,omitempty"`
	Fingerprint string     `json:"fingerprint,omitempty"` // SHA-256 of the leaf
	Generation  uint32     `json:"generation,omitempty"`
	Connected   bool       `json:"connected"`
	// Rung is what ties the device, or by what it tries to be tied: certificate,
	// expired-certificate, bootstrap-certificate, stored-otp, new-otp. The last
	// needs a person, whom Hint tells what to do.
	Rung string `json:"rung"`
	Hint string `json:"hint,omitempty"`
	// Clock is "untrusted" while nothing is renewed and nothing counts as expired
	// because the clock is known to be wrong.
	Clock   string     `json:"clock,omitempty"`
	TLS     string     `json:"tls,omitempty"` // of the connection: "TLS 1.3"
	Server  string     `json:"server"`
	RenewAt *time.Time `json:"renew_at,omitempty"`
	// Spool is what waits to be sent; nil if no agent has run yet.
	Spool *spool.Stats `json:"spool,omitempty"`
	// Oldest is when the first message that waits was put.
	Oldest *time.Time `json:"oldest_message,omitempty"`
	// Operations is how many operations are under way or wait on the device.
	Operations int  `json:"operations,omitempty"`
	DaysLeft   *int `json:"days_left,omitempty"` // whole days; negative: expired
	// KeyRecoveries counts, since the agent's start, what its key store did to get
	// at its keys again: session, login, module, helper. Nil if nothing.
	KeyRecoveries map[string]int `json:"key_recoveries,omitempty"`

	LastError *LastError `json:"last_error,omitempty"`
}

// LastError is what went wrong last, unless it went well since: at the agent that
// runs, or at the last one that did.
type LastError struct {
	Reason string    `json:"reason"` // a word that stays the same
	Detail string    `json:"detail"`
	Time   time.Time `json:"time"`
	Hint   string    `json:"hint,omitempty"` // what to do; in a view empty: see hints
}

// view is what callers outside the loop see.
type view struct {
	loaded    bool // what follows is not only the zero value
	state     lifecycle.State
	current   *identity.Identity
	lastError *LastError
	noLeaf    *LastError // why there was no certificate when one was last asked for
	wentWell  bool       // since lastError, or the start
	chain     pki.Chain  // issued and not stored yet
	redated   pki.Chain  // of the current leaf, with newer issuers
}

// look returns the view and a channel that closes when it changes.
func (a *Agent) look() (view, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.view, a.changed
}

func (a *Agent) change(edit func(*view)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	edit(&a.view)
	close(a.changed)
	a.changed = make(chan struct{})
}

// publishView shows the loop's state to others.
func (a *Agent) publishView(ctx context.Context) {
	v, _ := a.look()
	current := v.current
	if n := a.state.Current.Number; n != 0 && (current == nil || current.Number != n) {
		current, _ = a.ids.Load(ctx, n)
	}
	state := a.state
	a.change(func(v *view) { v.loaded, v.state, v.current = true, state, current })
}

// setError notes what is wrong; an empty hint is that of the reason.
func (a *Agent) setError(reason, detail, hint string) {
	at := a.clock.Now().UTC()
	a.change(func(v *view) {
		v.lastError, v.wentWell = &LastError{Reason: reason, Detail: detail, Time: at, Hint: hint}, false
	})
}

// storageFault is the reason of what the disk or the key store refused.
const storageFault = "storage"

// noError forgets what the server or the network refused, or, for ours, what the
// disk did: neither proves that the other is well.
func (a *Agent) noError(ours bool) {
	a.change(func(v *view) {
		if v.lastError != nil && (v.lastError.Reason == storageFault) == ours {
			v.lastError, v.wentWell = nil, true
		}
		v.wentWell = v.wentWell || v.lastError == nil && !ours
	})
}

// noLeaf notes that the last error is why there is no certificate: it is not
// forgotten when the device connects with the one it has. After a success there is
// none.
func (a *Agent) noLeaf(failed bool) {
	a.change(func(v *view) {
		v.noLeaf = nil
		if failed {
			v.noLeaf = v.lastError
		}
	})
}

// fail records an error that is ours.
func (a *Agent) fail(reason string, err error) {
	a.log.Error("cannot go on", "reason", reason, "err", err)
	at, hint := a.clock.Now().UTC(), Hint(err)
	if hint == "" && reason == storageFault {
		hint = localFault
	}
	a.change(func(v *view) {
		v.lastError, v.wentWell = &LastError{Reason: reason, Detail: err.Error(), Time: at, Hint: hint}, false
	})
}

func (a *Agent) setChain(c pki.Chain) { a.change(func(v *view) { v.chain = c }) }

func (a *Agent) takeChain() pki.Chain {
	var c pki.Chain
	a.change(func(v *view) { c, v.chain = v.chain, nil })
	return c
}

func (a *Agent) currentOTP() secret.String {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.otp
}

// Status tells how the device is.
func (a *Agent) Status(context.Context) (Status, error) {
	v, _ := a.look()
	s := a.status(v)
	if s.Spool != nil { // it runs
		a.waiting(&s)
	}
	return s, nil
}

// Inspect tells the same without running, from the disk alone. It changes no
// identity there.
func (a *Agent) Inspect(ctx context.Context) (Status, error) {
	found, err := a.load(ctx)
	if err != nil {
		return Status{}, err
	}
	defer func() { _ = a.keys.Close() }()
	now := a.clock.Now()
	s, _ := lifecycle.Step(a.state, found.Event(), now)
	s.Task = lifecycle.Idle
	s, _ = lifecycle.Step(s, lifecycle.Event{Kind: lifecycle.TimeTrust, Trusted: a.clock.Trusted()}, now)
	switch s.Phase { // nobody is at work
	case lifecycle.Renewing:
		s.Phase = lifecycle.Valid
	case lifecycle.Enrolling:
		s.Phase = lifecycle.Unenrolled
	}
	status := a.status(view{loaded: true, state: s, current: found.Current})
	status.LastError = a.readNote()
	a.atRest(&status)
	return status, nil
}

func (a *Agent) status(v view) Status {
	s := Status{State: v.state.Phase.String(), Device: a.cfg.DeviceID, Server: a.cfg.Server, Connected: v.state.Online, LastError: noteOf(v.lastError)}
	if v.loaded && !v.state.TimeTrusted {
		s.Clock = "untrusted"
	}
	if v.loaded {
		s.Rung, s.Hint = v.state.OnRung().String(), a.rungHint(v.state)
	}
	s.Spool, s.KeyRecoveries = a.spoolStats(), a.recoveries()
	if s.Connected {
		s.TLS = a.up.TLSVersion()
	}
	if v.current == nil {
		return s
	}
	leaf := v.current.Chain.Leaf()
	notAfter := leaf.NotAfter.UTC()
	renewAt := renewAt(v).Time()
	sum := v.current.Fingerprint()
	if !v.state.MaintenanceFits() {
		s.Hint = "no maintenance window opens in time; the certificate is renewed when it is due"
	}
	days := int(math.Floor(notAfter.Sub(a.clock.Now()).Hours() / 24))
	s.DaysLeft = &days
	s.Serial, s.NotAfter, s.Issuer = pki.SerialHex(leaf.SerialNumber), &notAfter, leaf.Issuer.String()
	s.Fingerprint, s.Generation, s.RenewAt = hex.EncodeToString(sum[:]), v.current.Number, &renewAt
	if s.Device == "" {
		s.Device = leaf.Subject.CommonName
	}
	return s
}

// renewAt is when the certificate shown is renewed.
func renewAt(v view) lifecycle.Instant {
	if v.state.Current.Leaf == v.current.Leaf() {
		return v.state.RenewAt()
	}
	return lifecycle.RenewAt(v.current.Leaf(), v.state.Policy, v.state.Seed)
}

// kindOf and detailOf give what may be shown of an error.
func kindOf(err error) problem.Kind { return problem.KindOf(err) }

func detailOf(err error) string {
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Detail != "" {
		return p.Detail
	}
	return err.Error()
}
