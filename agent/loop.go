package agent

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"mooring/agent/enrol"
	"mooring/agent/identity"
	"mooring/agent/renew"
	"mooring/agent/uplink"
	"mooring/internal/est/estclient"
	"mooring/internal/lifecycle"
	"mooring/internal/problem"
)

// Run lives until ctx ends. It returns an error only if the state directory,
// the key store or the trust anchors are unusable at the start: no refusal and
// no outage ends it. The caller holds identity.Lock.
func (a *Agent) Run(ctx context.Context) error {
	err := a.run(ctx)
	if err != nil {
		a.noteStart(err)
	}
	return err
}

func (a *Agent) run(ctx context.Context) error {
	found, err := a.load(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = a.keys.Close() }()
	if err := a.openSpool(a.o.FS); err != nil {
		if fault := identity.Denied(a.o.FS, a.cfg.State, err); fault != nil {
			return fault
		}
		if err = fmt.Errorf("spool: %w", err); Hint(err) == "" {
			err = WithHint(err, "move away what is in the place of the directory spool, or of its files; it is made anew")
		}
		return err
	}
	defer a.closeSpool()
	if err := a.build(); err != nil {
		return err
	}
	a.telemetry = a.newTelemetry()
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	beside.Go(func() { a.up.Run(ctx) })
	beside.Go(func() { a.keepNotes(ctx) })
	a.step(ctx, &beside, found.Event())
	a.step(ctx, &beside, a.timeEvent())
	if err := a.openLocal(ctx, &beside); err != nil {
		return err
	}
	close(a.ready)
	beside.Go(func() { a.telemetry.Run(ctx) })
	if a.o.Operations {
		beside.Go(func() { a.carryOut(ctx) })
	}
	a.log.Info("running", "state", a.state.Phase.String(), "server", a.cfg.Server, "external_id", a.cfg.DeviceID)
	a.loop(ctx, &beside)
	a.saveClock()
	return nil
}

func (a *Agent) loop(ctx context.Context, beside *sync.WaitGroup) {
	for {
		timer := time.NewTimer(a.untilTick())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case e := <-a.inbox:
			a.step(ctx, beside, e)
		case <-a.pulse:
		case <-a.clockDoubt:
			a.askTime(ctx, beside, true)
		case told := <-a.timeTold:
			a.takeTime(ctx, beside, told)
		case <-timer.C:
			a.tick(ctx, beside)
		}
		timer.Stop()
	}
}

// untilTick is at most the clock check: the wall clock may jump meanwhile.
func (a *Agent) untilTick() time.Duration {
	check := a.untilWindow(time.Duration(a.cfg.ClockCheck))
	if a.deadline == 0 {
		return check
	}
	return min(check, max(time.Millisecond, a.deadline.Time().Sub(a.clock.Now())))
}

func (a *Agent) tick(ctx context.Context, beside *sync.WaitGroup) {
	if trusted := a.trusted(); trusted != a.state.TimeTrusted {
		a.log.Info("the clock changed", "trusted", trusted, "now", a.clock.Now())
		a.step(ctx, beside, a.timeEvent())
	}
	if a.wanted != a.inUse {
		a.connect(ctx, a.wanted)
	}
	if a.clock.Now().Sub(a.clockSaved) >= saveClockEvery {
		a.saveClock()
	}
	a.step(ctx, beside, lifecycle.Event{Kind: lifecycle.Tick})
}

// step feeds the machine and sets its actions going, after what it remembers
// is on disk.
func (a *Agent) step(ctx context.Context, beside *sync.WaitGroup, e lifecycle.Event) {
	if e.Kind == lifecycle.WindowTold {
		a.windowTold(e)
	}
	if e.Kind == lifecycle.Committed && a.state.Task == lifecycle.Committing && a.state.Auth == lifecycle.SecondOTP {
		a.otpSpent()
	}
	if e.Kind == lifecycle.Tick && a.state.OnRung() != lifecycle.OnCertificate {
		a.state.Policy.StoredOTP = a.hasSecondOTP() // somebody may have put one there
	}
	if e.Kind == lifecycle.Connected {
		a.time.disputed = false // the server's certificate was good by the clock here
	}
	before := a.state.Phase
	next, actions := lifecycle.Step(a.state, e, a.clock.Now())
	a.state = next
	a.deadline = 0
	if before != next.Phase {
		a.log.Info("state", "state", next.Phase.String(), "before", before.String())
	}
	if line := a.standing(); line != "" {
		beside.Go(func() {
			if _, err := a.queue([]string{line}); err != nil {
				a.log.Warn("the event about the recovery is lost", "err", err)
			}
		})
	}
	a.saveLife()
	for _, action := range actions {
		switch action.Kind {
		case lifecycle.ScheduleAt:
			a.deadline = action.At
		case lifecycle.ConnectWith:
			a.connect(ctx, action.Generation)
		default:
			beside.Go(func() { a.send(ctx, a.perform(ctx, action)) })
		}
	}
	a.askWindow(ctx, beside)
	a.askTime(ctx, beside, false)
	a.publishView(ctx)
}

func (a *Agent) send(ctx context.Context, e lifecycle.Event) {
	select {
	case a.inbox <- e:
	case <-ctx.Done():
	}
}

// saveLife writes what a restart must remember; what changes with each
// connection does not count.
func (a *Agent) saveLife() {
	s := a.state
	s.Online, s.Connecting, s.TimeTrusted, s.HasOTP, s.Task, s.Phase = false, false, false, false, lifecycle.Idle, lifecycle.Unenrolled
	if s == a.saved {
		return
	}
	if err := a.ids.SaveLife(s); err != nil {
		a.log.Warn("the state cannot be saved", "err", err)
		return
	}
	a.saved = s
}

func (a *Agent) saveClock() {
	if err := a.clock.Save(a.o.FS, filepath.Join(a.cfg.State, clockFile)); err != nil {
		a.log.Warn("the time cannot be saved", "err", err)
	}
	a.clockSaved = a.clock.Now()
}

// connect gives the uplink a generation. If that fails now, for example
// because the key store is away, the next tick tries again.
func (a *Agent) connect(ctx context.Context, generation uint32) {
	a.wanted = generation
	id, err := a.ids.Load(ctx, generation)
	if err != nil {
		a.fail("identity", err)
		a.inUse = 0
		return
	}
	a.inUse = generation
	current := generation == a.state.Current.Number
	a.up.Use(uplink.Credential{Generation: generation, Certificate: id.TLS(), Fingerprint: id.Fingerprint(),
		Confirm: !current || !a.state.Current.Proven, Alone: current})
}

// connection takes what the uplink reports.
func (a *Agent) connection(e uplink.Event) {
	kind := map[uplink.EventKind]lifecycle.EventKind{uplink.Up: lifecycle.Connected, uplink.Refused: lifecycle.ConnectRefused,
		uplink.Failed: lifecycle.ConnectFailed, uplink.Down: lifecycle.Disconnected}[e.Kind]
	switch e.Kind {
	case uplink.Up:
		if e.Fingerprint != ([32]byte{}) {
			a.log.Info("the server confirmed the connection", "generation", e.Generation)
		}
		a.noError(false)
	case uplink.Refused, uplink.Failed:
		a.log.Warn("not connected", "reason", e.Reason, "detail", e.Detail, "err", e.Err)
		hint := ""
		if uplink.IsKeyFault(e.Err) {
			hint = Hint(e.Err)
		}
		a.setError(e.Reason, e.Detail, hint)
		a.badClock(e.Err)
	}
	if e.Kind == uplink.Down && e.Reason != "" {
		a.setError(e.Reason, e.Detail, "")
	}
	if e.Kind == uplink.Failed && !uplink.IsKeyFault(e.Err) {
		a.dialer.Avoid()
	}
	in := lifecycle.Event{Kind: kind, Generation: e.Generation, Leaf: lifecycle.Leaf{Fingerprint: e.Fingerprint}}
	select {
	case a.inbox <- in:
	case <-time.After(requestLimit): // the loop is gone
	}
}

// perform carries out one task and says what came of it.
func (a *Agent) perform(ctx context.Context, action lifecycle.Action) lifecycle.Event {
	n := action.Generation
	var err error
	var done, failed lifecycle.EventKind
	switch action.Kind {
	case lifecycle.RequestCertificate:
		return a.request(ctx, action)
	case lifecycle.CreateKey:
		done, failed = lifecycle.KeyCreated, lifecycle.KeyFailed
		_, err = a.ids.Prepare(ctx, n, action.Key, a.clock.Now())
	case lifecycle.StoreCandidate:
		done, failed = lifecycle.Stored, lifecycle.StoreFailed
		err = a.ids.SaveChain(ctx, n, a.takeChain())
	case lifecycle.Commit:
		done, failed = lifecycle.Committed, lifecycle.CommitFailed
		err = a.ids.Commit(ctx, n)
	case lifecycle.RollBack:
		done, failed = lifecycle.RolledBack, lifecycle.RollBackFailed
		err = a.ids.RollBack(n)
	case lifecycle.DestroyOld:
		done, failed = lifecycle.Destroyed, lifecycle.Destroyed
		err = a.ids.Sweep(ctx, n, action.Next)
	}
	if err != nil {
		a.fail(storageFault, err)
		a.noLeaf(true)
		return lifecycle.Event{Kind: failed, Generation: n}
	}
	a.noError(true)
	if action.Kind == lifecycle.Commit {
		a.log.Info("identity committed", "generation", n)
	}
	return lifecycle.Event{Kind: done, Generation: n}
}

// request asks for a certificate in the way the machine chose.
func (a *Agent) request(ctx context.Context, action lifecycle.Action) lifecycle.Event {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	event := lifecycle.Event{Kind: lifecycle.Failed, Generation: action.Generation}
	next, err := a.ids.Load(ctx, action.Generation)
	if err != nil {
		a.fail("identity", err)
		a.noLeaf(true)
		return event
	}
	next.Signer = a.provable(next)
	o := a.ask(ctx, action.Auth, next)
	if o.Err == nil && action.Auth != lifecycle.SameLeaf {
		if err := a.acceptable(o.Chain.Leaf()); err != nil {
			o = enrol.Judge(nil, err)
		}
	}
	event.Kind, event.RetryAfter = o.Event, o.RetryAfter()
	if o.Err != nil {
		a.requestFailed(action.Auth, o)
		return event
	}
	a.noLeaf(false)
	a.setChain(o.Chain)
	leaf := o.Chain.Leaf()
	a.observe(leaf.NotBefore)
	a.log.Info("certificate issued", "auth", action.Auth.String(), "generation", action.Generation, "not_after", leaf.NotAfter)
	event.Leaf = (&identity.Identity{Chain: o.Chain}).Leaf()
	return event
}

func (a *Agent) ask(ctx context.Context, auth lifecycle.Auth, next *identity.Identity) enrol.Outcome {
	switch auth {
	case lifecycle.OTP:
		return enrol.Request(ctx, a.est, next.Signer, a.cfg.DeviceID, a.currentOTP())
	case lifecycle.Token:
		return renew.ByToken(ctx, a.est, deviceTokens{a.up}, next.Signer, a.cfg.DeviceID)
	case lifecycle.Bootstrap:
		return a.byBootstrap(ctx, next.Signer)
	case lifecycle.SameLeaf:
		return a.sameLeaf()
	case lifecycle.SecondOTP:
		return a.bySecondOTP(ctx, next.Signer)
	}
	found, err := a.ids.Find(ctx)
	if err != nil || found.Current == nil {
		return enrol.Judge(nil, err)
	}
	return renew.ByCertificate(ctx, a.endpoint, found.Current.TLS(), next.Signer, a.cfg.DeviceID)
}

func (a *Agent) estClient() *estclient.Client {
	return &estclient.Client{
		BaseURL: "https://" + a.cfg.Address(a.cfg.HTTPSPort),
		HTTP:    &http.Client{Transport: a.endpoint.Transport(nil)},
		Now:     a.clock.Now,
	}
}

func (a *Agent) requestFailed(auth lifecycle.Auth, o enrol.Outcome) {
	a.log.Warn("no certificate", "auth", auth.String(), "err", o.Err)
	if problem.KindOf(o.Err) == problem.Unavailable {
		a.dialer.Avoid()
	}
	reason, detail, unreached := uplink.Unreached(o.Err)
	if !unreached {
		reason, detail = string(kindOf(o.Err)), detailOf(o.Err)
	}
	a.setError(reason, detail, Hint(o.Err))
	a.noLeaf(true)
	a.badClock(o.Err)
	if auth == lifecycle.OTP && o.Final {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.final = o.Err
	}
}
