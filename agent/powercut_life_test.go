package agent_test

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/pki"
	"mooring/internal/secret"

	hsmkey "mooring/hsm/key"
)

const (
	secondOTP = "the-second-password"
	expired   = 366 * 24 * time.Hour
)

var lifeParts = []lifePart{
	{name: "enrol and renew", live: (*rig).enrolAndRenew, back: (*rig).backEnrolled, keys: 1},
	{name: "renew with the same key", before: func(d *rig) { sameKey(d); d.enrolled() }, live: (*rig).renewAtOnce, back: (*rig).backEnrolled, keys: 1},
	{name: "recover by the expired certificate", grace: "30", before: (*rig).enrolled, away: expired, live: (*rig).liveUntilValid, back: (*rig).backValid, keys: 1},
	{name: "recover by the factory's certificate", before: (*rig).enrolledWithFactory, away: expired, live: (*rig).liveUntilValid, back: (*rig).backValid, keys: 2},
	{name: "recover by a stored password", before: (*rig).enrolledWithSecond, away: expired, live: (*rig).liveBySecond, back: (*rig).backValid, keys: 1},
	{name: "recover by a new password", before: (*rig).enrolled, away: expired, live: (*rig).liveByNew, back: (*rig).backByNew, keys: 1},
	{name: "newer chain", before: (*rig).enrolledWithChain, away: redatedAfter, live: (*rig).liveUntilRedated, back: (*rig).backRedated, keys: 1},
	{name: "password stored for later", before: (*rig).enrolled, live: (*rig).storeSecond, back: (*rig).backWithSecond, keys: 1},
}

// enrolled is before most parts.
func (d *rig) enrolled() {
	d.start()
	d.enrol(d.otp())
	d.until("valid", valid)
	_ = d.stop()
}

// enrolAndRenew goes as far as the disk lets it.
func (d *rig) enrolAndRenew() {
	d.start()
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	defer cancel()
	if _, err := d.agent.Enrol(ctx, secret.New(d.otp())); err == nil {
		_, _ = d.agent.Renew(ctx)
	}
	_ = d.stop()
}

func (d *rig) renewAtOnce() {
	d.start()
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	defer cancel()
	_, _ = d.agent.Renew(ctx)
	_ = d.stop()
}

func sameKey(d *rig) { d.edit = func(c *config.Config) { c.Rekey = false } }

// backEnrolled enrols again if there is nothing, and renews.
func (d *rig) backEnrolled() error {
	d.start()
	if d.until("loaded", func(s agent.Status) bool { return s.Rung != "" }).Generation == 0 {
		d.enrol(d.otp())
	}
	d.until("valid", valid)
	d.renew() // a key that waited for its certificate is used now
	return d.stop()
}

// liveUntilValid ends when the device has recovered, or its disk is cut off.
func (d *rig) liveUntilValid() { d.liveUntil(onCertificate) }

func onCertificate(s agent.Status) bool { return valid(s) && s.Rung == "certificate" }

func (d *rig) liveUntil(done func(agent.Status) bool) {
	d.start()
	for range 2 * time.Hour / d.poll {
		if time.Sleep(d.poll); isOff(d.disk) || done(d.status()) {
			break
		}
	}
	_ = d.stop()
}

func isOff(disk *durabletest.FS) bool {
	_, err := disk.Lstat(state)
	return errors.Is(err, durabletest.ErrPowerCut)
}

func (d *rig) backValid() error {
	d.start()
	time.Sleep(time.Second)
	d.until("valid", onCertificate)
	return d.stop()
}

// enrolledWithFactory is a device whose factory's key is in its own key store.
func (d *rig) enrolledWithFactory() {
	d.t.Helper()
	keys, err := d.openKeys(d.disk)
	if err != nil {
		d.t.Fatal(err)
	}
	_, signer, err := keys.Create(d.t.Context(), hsmkey.Spec{Label: "factory"})
	if err != nil {
		d.t.Fatal(err)
	}
	chain := d.factory.issue(d.id, signer.Public())
	if err := durable.WriteFile(d.disk, state+"/factory.pem", pki.EncodePEM(chain...), 0o644); err != nil {
		d.t.Fatal(err)
	}
	d.edit = func(c *config.Config) { c.Recovery.BootstrapCertificate = state + "/factory.pem" }
	d.enrolled()
}

func (d *rig) enrolledWithSecond() {
	d.enrolled()
	d.keepOTP(secondOTP)
}

func (d *rig) liveBySecond() {
	d.server.Register(d.id, secondOTP)
	d.liveUntilValid()
}

// liveByNew is a device that waits for a person, who comes.
func (d *rig) liveByNew() {
	d.server.Register(d.id, secondOTP)
	d.start()
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	defer cancel()
	_, _ = d.agent.Enrol(ctx, secret.New(secondOTP))
	_ = d.stop()
}

// backByNew is the same person, who tries again with the same password.
func (d *rig) backByNew() error {
	d.start()
	time.Sleep(5 * time.Second)
	if !onCertificate(d.status()) {
		d.enrol(secondOTP)
	}
	d.until("valid", onCertificate)
	return d.stop()
}

// redatedAfter leads from September over 2 October, when the tenant's authority
// gets new dates.
const redatedAfter = 55 * 24 * time.Hour

func (d *rig) enrolledWithChain() {
	for time.Now().Month() != time.September {
		time.Sleep(24 * time.Hour)
	}
	d.enrolled()
	d.addAuthority(d.server)
	d.poll = 20 * time.Second // it asks within an hour
}

// redated tells a device that is valid and names the authority as it is now.
func (d *rig) redated() func(agent.Status) bool {
	want := authority(d.t, d.server).NotAfter
	return func(s agent.Status) bool {
		if !valid(s) || s.Generation == 0 {
			return false
		}
		chain := d.chain(s.Generation)
		return len(chain) == 2 && chain[1].NotAfter.Equal(want)
	}
}

func (d *rig) liveUntilRedated() {
	newer := d.redated()
	d.liveUntil(func(s agent.Status) bool { return s.Generation > 1 && newer(s) })
}

func (d *rig) backRedated() error {
	newer := d.redated()
	d.start()
	time.Sleep(time.Second)
	d.until("valid with the newer chain", newer)
	return d.stop()
}

func (d *rig) storeSecond() {
	c := d.config()
	_ = c.SaveSecondOTP(d.disk, secret.New(secondOTP)) // the power fails
}

// backWithSecond finds the whole password or none.
func (d *rig) backWithSecond() error {
	c := d.config()
	got, err := c.SecondOTP(d.disk)
	if !errors.Is(err, fs.ErrNotExist) && (err != nil || got.Reveal() != secondOTP) {
		return errors.Join(errors.New("a part of the password is stored"), err)
	}
	d.storeSecond()
	return d.backValid()
}
