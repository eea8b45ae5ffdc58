package deviceauth

import (
	"context"
	"errors"
	"fmt"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// Admit lets the device of v in at door ("mqtts", "mtls", …), or says why not
// (mqtt.md §1.7): v must be Full, and the device user enabled and set up for
// certificates. A device user that does not exist is created if the trusted
// certificate allows auto-registration. The certificate is recorded as
// provisioned the first time.
//
// Errors: problem.Unauthenticated for the certificate, problem.Forbidden for
// the device user, problem.Unavailable if the store does not answer.
func (a *Auth) Admit(ctx context.Context, v platform.Verdict, door string) (platform.Principal, error) {
	if v.Scope != platform.Full {
		return platform.Principal{}, badChain(v.Reason, v.Detail)
	}
	u, err := a.users.get(ctx, v.Tenant, v.Device)
	if err != nil {
		return platform.Principal{}, err
	}
	if !u.exists {
		if u, err = a.register(ctx, v, door); err != nil {
			return platform.Principal{}, err
		}
	}
	if reason := u.mayUseCertificate(); reason != platform.Accepted {
		return platform.Principal{}, notAllowed(reason)
	}
	a.recordProvisioned(ctx, v, u)
	return principalOf(v), nil
}

// AdmitReEnrolment lets the device of v in for re-enrolment alone: v is Full or
// ReEnrolOnly, and the device user is there, enabled and set up for
// certificates. Nobody is registered and nothing recorded. Errors as of Admit.
func (a *Auth) AdmitReEnrolment(ctx context.Context, v platform.Verdict) (platform.Principal, error) {
	if v.Scope < platform.ReEnrolOnly {
		return platform.Principal{}, badChain(v.Reason, v.Detail)
	}
	u, err := a.users.get(ctx, v.Tenant, v.Device)
	if err != nil {
		return platform.Principal{}, err
	}
	if reason := u.mayUseCertificate(); reason != platform.Accepted {
		return platform.Principal{}, notAllowed(reason)
	}
	return principalOf(v), nil
}

func principalOf(v platform.Verdict) platform.Principal {
	return platform.Principal{
		Tenant: v.Tenant, User: deviceid.DeviceUser(v.Device), Device: v.Device,
		Roles: platform.DeviceRoles, Method: platform.ByCertificate, Serial: v.Leaf.Serial,
		Origin: &platform.Origin{AnchorKey: v.AnchorKey, Serials: v.Serials},
	}
}

func (u user) mayUseCertificate() platform.Reason {
	switch {
	case !u.exists:
		return platform.ReasonNotRegistered
	case !u.enabled:
		return platform.ReasonUserDisabled
	case u.kind != platform.CredentialCertificate:
		return platform.ReasonPasswordDevice
	}
	return platform.Accepted
}

// register creates the device user at the first connection.
func (a *Auth) register(ctx context.Context, v platform.Verdict, door string) (user, error) {
	if !v.AutoRegistration {
		return user{}, notAllowed(platform.ReasonNotRegistered)
	}
	now := platform.Millis(a.cfg.Now())
	name := deviceid.DeviceUser(v.Device)
	err := a.cfg.Users.CreateDeviceUser(ctx, platform.DeviceUser{
		Tenant: v.Tenant, ExternalID: v.Device, Credential: platform.CredentialCertificate, Enabled: true, Created: now,
	}, platform.AuditRecord{
		Tenant: v.Tenant, At: now, Type: "User", User: name, Source: name,
		Activity: "User created",
		Text:     fmt.Sprintf("Device user '%s' created by auto-registration (%s). Trusted certificate fingerprint: '%s'.", name, door, v.Anchor),
	})
	a.users.forget(v.Tenant, v.Device)
	if err != nil && !errors.Is(err, problem.Conflict) { // Conflict: somebody else was faster
		return user{}, undecided(err)
	}
	return a.users.get(ctx, v.Tenant, v.Device)
}

// recordProvisioned notes the certificate (rest.md §6.11). A store that cannot
// write keeps no device out: it is noted at the next connection.
func (a *Auth) recordProvisioned(ctx context.Context, v platform.Verdict, u user) {
	if !u.seen.isNew(v.Leaf) {
		return
	}
	now := platform.Millis(a.cfg.Now())
	name := deviceid.DeviceUser(v.Device)
	_, err := a.cfg.Users.RecordProvisioned(ctx, v.Tenant, v.Device, platform.ProvisionedCertificate{
		Serial: v.Leaf.Serial, NotBefore: v.Leaf.NotBefore, NotAfter: v.Leaf.NotAfter, FirstSeen: now,
	}, platform.AuditRecord{
		Tenant: v.Tenant, At: now, Type: "User", User: name, Source: name,
		Activity: fmt.Sprintf("Provisioned certificate stored in user object: '%s'", name),
		Text: fmt.Sprintf("Certificate serial number: '%s'.\n NotAfter='%s'",
			v.Leaf.Serial, v.Leaf.NotAfter.UTC().Format("2006-01-02T15:04:05.000Z")),
	})
	if err != nil {
		a.cfg.Log.Error("provisioned certificate not recorded", "tenant", v.Tenant, "external_id", v.Device, "serial", v.Leaf.Serial, "err", err)
		return
	}
	u.seen.add(v.Leaf.Serial)
}

// CheckDevice is nil if the device user exists and is enabled, and the
// certificate that its token was given for is trusted still: not revoked, its
// anchor there and enabled. It is for bearers of a device token.
func (a *Auth) CheckDevice(ctx context.Context, p platform.Principal) error {
	u, err := a.users.get(ctx, p.Tenant, p.Device)
	switch {
	case err != nil:
		return err
	case !u.exists:
		return badCredentials(platform.ReasonNotRegistered)
	case !u.enabled:
		return badCredentials(platform.ReasonUserDisabled)
	case p.Origin == nil:
		return nil
	}
	now := a.cfg.Now()
	v := platform.Verdict{Tenant: p.Tenant, Device: p.Device, AnchorKey: p.Origin.AnchorKey, Serials: p.Origin.Serials, ValidUntil: now}
	if reason := a.cfg.Trust.StillTrusted(v, now); reason != platform.Accepted {
		return badCredentials(reason)
	}
	return nil
}

// StillValid looks again at a live session: its certificate, if it came by
// one, and its device user. A session by password ends when its user is
// converted to certificates. ReasonInternal means that the store did not
// answer; the session may stay and be looked at again.
func (a *Auth) StillValid(ctx context.Context, v platform.Verdict, p platform.Principal) platform.Reason {
	if p.Method == platform.ByCertificate {
		if reason := a.cfg.Trust.StillTrusted(v, a.cfg.Now()); reason != platform.Accepted {
			return reason
		}
	}
	u, err := a.users.get(ctx, p.Tenant, p.Device)
	switch {
	case err != nil:
		return platform.ReasonInternal
	case !u.exists:
		return platform.ReasonNotRegistered
	case !u.enabled:
		return platform.ReasonUserDisabled
	case p.Method == platform.ByCertificate:
		return u.mayUseCertificate()
	case p.Method == platform.ByPassword && u.kind != platform.CredentialPassword:
		return platform.ReasonBadCredentials
	}
	return platform.Accepted
}

// Apply forgets what a change makes out of date.
func (a *Auth) Apply(_ context.Context, ch platform.Change) error {
	if ch.Kind == platform.ChangeDeviceUser {
		a.users.forget(ch.Tenant, ch.Key)
	}
	return nil
}
