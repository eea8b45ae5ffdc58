package agent

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"mooring/agent/enrol"
	"mooring/agent/identity"
	"mooring/agent/renew"
	"mooring/hsm"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/lifecycle"
	"mooring/internal/pki"
	"mooring/internal/smartrest"
)

// recoveredEvent is the type of the event about a device that was without
// certificate in force.
const recoveredEvent = "mooring_Recovered"

// noWay is the outcome of a way that this device does not have, whatever the
// configuration says: the next one is due.
func noWay(err error) enrol.Outcome { return enrol.Outcome{Event: lifecycle.Refused, Err: err} }

// byBootstrap asks with the certificate from the factory.
func (a *Agent) byBootstrap(ctx context.Context, next crypto.Signer) enrol.Outcome {
	id, done, err := a.bootstrap(ctx)
	if err != nil {
		return noWay(fmt.Errorf("the bootstrap certificate cannot be used: %w", err))
	}
	defer done()
	return renew.ByCertificate(ctx, a.endpoint, id.TLS(), next, a.cfg.DeviceID)
}

// bootstrap opens the certificate from the factory with its key, which works
// until done is called.
func (a *Agent) bootstrap(ctx context.Context) (id *identity.Identity, done func(), err error) {
	text, err := a.cfg.Bootstrap(a.o.FS)
	if err != nil {
		return nil, nil, err
	}
	chain, err := pki.ParsePEMChain(text)
	if err != nil {
		return nil, nil, err
	}
	id = &identity.Identity{Chain: chain}
	pem, err := a.cfg.BootstrapKeyFile(a.o.FS)
	if err != nil {
		return nil, nil, err
	}
	if pem != nil {
		if id.Signer, err = hsm.ParseKey(pem, nil); err == nil && !pki.KeyMatches(chain.Leaf(), id.Signer) {
			err = errors.New("its key is another one")
		}
		return id, func() {}, err
	}
	keys, done := a.keys, func() {}
	if uri := a.cfg.Recovery.BootstrapKey; uri != "" {
		if keys, err = a.o.OpenKeys(ctx, uri); err != nil {
			return nil, nil, err
		}
		remember(a.cfg, keys)
		done = func() { _ = keys.Close() }
	}
	if _, id.Signer, err = FindKey(ctx, keys, chain); err != nil {
		done()
	}
	return id, done, err
}

// FindKey looks in a store for the key of a chain's leaf. The error is
// key.ErrNotFound if it is not there.
func FindKey(ctx context.Context, keys key.Store, chain pki.Chain) (key.Ref, crypto.Signer, error) {
	refs, err := keys.List(ctx)
	if err != nil {
		return "", nil, err
	}
	for _, ref := range refs {
		if signer, err := keys.Open(ctx, ref); err == nil && pki.KeyMatches(chain.Leaf(), signer) {
			return ref, signer, nil
		}
	}
	return "", nil, fmt.Errorf("the key of the certificate: %w", key.ErrNotFound)
}

// bySecondOTP asks with the one-time password that waits on the device.
func (a *Agent) bySecondOTP(ctx context.Context, next crypto.Signer) enrol.Outcome {
	otp, err := a.cfg.SecondOTP(a.o.FS)
	if err != nil {
		return noWay(fmt.Errorf("the stored one-time password cannot be used: %w", err))
	}
	return enrol.Request(ctx, a.est, next, a.cfg.DeviceID, otp)
}

// otpSpent removes the stored one-time password, which gave the certificate that
// is committed.
func (a *Agent) otpSpent() {
	if err := durable.Remove(a.o.FS, a.cfg.SecondOTPPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.log.Warn("the spent one-time password cannot be removed", "err", err)
	}
}

// hasSecondOTP reports whether one waits and may be used.
func (a *Agent) hasSecondOTP() bool {
	if !a.cfg.Recovery.StoredOTP {
		return false
	}
	_, err := a.o.FS.Lstat(a.cfg.SecondOTPPath())
	return err == nil
}

// standing notes the rung in the log when it changes; who follows the log or the
// status hears of it. It returns the line that tells the server of a device that
// came back, empty if there is nothing to tell.
func (a *Agent) standing() string {
	rung := a.state.OnRung()
	if rung == a.rung {
		return ""
	}
	before := a.rung
	a.rung = rung
	if rung == lifecycle.OnCertificate {
		a.log.Info("the device is on its certificate", "rung", rung.String(), "before", before.String())
		if !a.fell {
			return ""
		}
		a.fell = false
		return string(smartrest.AppendLine(nil, "400", recoveredEvent,
			"The certificate had expired; the device has a new one, by "+a.state.Auth.String()))
	}
	if a.fell = a.state.Current.Number != 0; !a.fell {
		return "" // a new device
	}
	a.log.Warn("the device is without certificate in force", "rung", rung.String(), "before", before.String(), "hint", a.rungHint(a.state))
	return ""
}

// rungHint says what a person can do, empty if nothing is to be done.
func (a *Agent) rungHint(s lifecycle.State) string {
	if s.HasOTP || s.OnRung() != lifecycle.NewOTP {
		return ""
	}
	if s.Current.Number == 0 && s.Next.Leaf != (lifecycle.Leaf{}) {
		return "its certificate is there and was never used: mooring-agent run takes it into use"
	}
	hint := "register the device, then run mooring-agent enrol"
	if s.Current.Number != 0 {
		hint = "register the device again, then run mooring-agent enrol --again"
	}
	if a.cfg.Recovery.NewOTP {
		return hint + "; or run it with --new-otp and follow the link"
	}
	return hint
}

// newerChain asks the server for its issuers, and returns the chain of id with
// those that have got new dates; nil if there are none. A chain that is the leaf
// alone never changes.
func (a *Agent) newerChain(ctx context.Context, id *identity.Identity) (pki.Chain, error) {
	if len(id.Chain) < 2 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, windowAskLimit)
	defer cancel()
	offered, err := a.est.CACerts(ctx)
	if err != nil {
		return nil, err
	}
	return redated(id.Chain, offered, a.clock.Now()), nil
}

// redated replaces the issuers of chain by those among offered that have the
// same name and key and a later end; nil if there are none.
func redated(chain, offered pki.Chain, now time.Time) pki.Chain {
	fresh := append(pki.Chain(nil), chain...)
	changed := false
	for i, issuer := range chain[1:] {
		for _, c := range offered {
			if string(c.RawSubject) == string(issuer.RawSubject) && pki.SamePublicKey(c.PublicKey, issuer.PublicKey) &&
				c.NotAfter.After(fresh[i+1].NotAfter) && pki.ValidAt(c, now) && chain[i].CheckSignatureFrom(c) == nil {
				fresh[i+1], changed = c, true
			}
		}
	}
	if !changed {
		return nil
	}
	return fresh
}

// sameLeaf is the outcome with the newer chain that was found.
func (a *Agent) sameLeaf() enrol.Outcome {
	v, _ := a.look()
	if v.redated == nil {
		return enrol.Outcome{Event: lifecycle.Failed, Err: errors.New("the newer chain is forgotten")}
	}
	return enrol.Outcome{Event: lifecycle.Issued, Chain: v.redated}
}

// lookForChain gives the machine a newer chain of generation number.
func (a *Agent) lookForChain(ctx context.Context, id *identity.Identity, number uint32) {
	chain, err := a.newerChain(ctx, id)
	if err != nil {
		a.log.Debug("the server does not tell its issuers", "err", err)
	}
	if chain == nil {
		return
	}
	a.log.Info("an issuer of the certificate has new dates", "generation", number)
	a.change(func(v *view) { v.redated = chain })
	a.send(ctx, lifecycle.Event{Kind: lifecycle.ChainFound, Generation: number})
}
