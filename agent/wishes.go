package agent

import (
	"context"

	"mooring/internal/lifecycle"
	"mooring/internal/secret"
)

// wish tells the loop that a person wants something.
func (a *Agent) wish(ctx context.Context, e lifecycle.Event) error {
	if err := a.loaded(ctx); err != nil {
		return err
	}
	select {
	case a.inbox <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// loaded waits until the agent knows what the disk holds.
func (a *Agent) loaded(ctx context.Context) error {
	select {
	case <-a.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Enrol gets a certificate with an enrolment OTP and makes it the device's
// identity. It asks until ctx ends: the operator may register the device after
// it starts asking. A device that is enrolled already keeps its identity until
// the new one has connected.
//
// The error is the last one that the server gave; it is problem.Unavailable or
// problem.Pending if another try later may help.
func (a *Agent) Enrol(ctx context.Context, otp secret.String) (Status, error) {
	if err := a.loaded(ctx); err != nil {
		return Status{}, err
	}
	a.mu.Lock()
	a.otp, a.final = otp, nil
	a.mu.Unlock()
	before, _ := a.look()
	if err := a.wish(ctx, lifecycle.Event{Kind: lifecycle.OTPGiven}); err != nil {
		return Status{}, err
	}
	v, err := a.await(ctx, before.state.Current.Number)
	a.mu.Lock()
	a.otp = secret.String{}
	a.mu.Unlock()
	// Also after a success: another way may have been faster.
	_ = a.wish(context.WithoutCancel(ctx), lifecycle.Event{Kind: lifecycle.OTPEnded})
	if err != nil {
		return Status{}, enrolHint(v, err)
	}
	return a.status(v), nil
}

// Renew gets a new certificate now and returns when it has connected and is
// the device's identity.
func (a *Agent) Renew(ctx context.Context) (Status, error) {
	if err := a.enrolled(ctx); err != nil {
		return Status{}, err
	}
	before, _ := a.look()
	a.noLeaf(false)
	if err := a.wish(ctx, lifecycle.Event{Kind: lifecycle.RenewAsked}); err != nil {
		return Status{}, err
	}
	v, err := a.await(ctx, before.state.Current.Number)
	if err != nil {
		return Status{}, err
	}
	return a.status(v), nil
}

// await waits until another generation than number is current and what it
// replaced is gone.
func (a *Agent) await(ctx context.Context, number uint32) (view, error) {
	for {
		v, changed := a.look()
		if v.state.Current.Number != number && v.state.Task == lifecycle.Idle && !v.state.Sweep {
			return v, nil
		}
		if err := a.hopeless(); err != nil {
			return v, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if v.noLeaf != nil {
				v.lastError = v.noLeaf
			}
			return v, tooLate("not done", v, a.cfg.DeviceID)
		}
	}
}

func (a *Agent) hopeless() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.final
}
