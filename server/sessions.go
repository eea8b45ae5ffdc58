package server

import (
	"context"
	"slices"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// endsTrust are the reasons for which a live session is closed. That a
// certificate expired is none: the device needs the session to renew it.
var endsTrust = []platform.Reason{
	platform.ReasonRevoked, platform.ReasonAnchorDisabled, platform.ReasonUnknownIssuer, platform.ReasonAmbiguous,
}

// judgeSessions closes the live connections whose trust a change has ended. It
// is the last applier: trust and deviceauth know of the change already.
func (s *services) judgeSessions(ctx context.Context, c platform.Change) error {
	switch {
	case c.Kind == platform.ChangeTrust:
		s.endSessions(func(platform.TenantID) bool { return true }) // a proof of one tenant ends the claims of others
	case c.Kind == platform.ChangeRevocation,
		c.Kind == platform.ChangeOption && c.Key == platform.OptionOfflineCheck.Category+"/"+platform.OptionOfflineCheck.Key,
		c.Kind == platform.ChangeOption && c.Key == platform.OptionOnlineCheck.Category+"/"+platform.OptionOnlineCheck.Key:
		s.endSessions(func(t platform.TenantID) bool { return t == c.Tenant })
	case c.Kind == platform.ChangeDeviceUser:
		s.endSessionOf(ctx, c.Tenant, c.Key)
	case c.Kind == platform.ChangeUser:
		return s.endSessionsOfPerson(ctx, c.Tenant, c.Key)
	}
	return nil
}

// endSessionsOfPerson closes the connections that a person has opened with
// their password, for whichever device, if they were disabled or deleted.
func (s *services) endSessionsOfPerson(ctx context.Context, tenant platform.TenantID, name string) error {
	u, err := s.accounts.User(ctx, tenant, name)
	if err != nil && problem.KindOf(err) != problem.NotFound {
		return err
	}
	if err == nil && u.Enabled {
		return nil
	}
	s.mqtt.KickIf(platform.ReasonUserDisabled, func(p platform.Principal, _ platform.Verdict) bool {
		return p.Tenant == tenant && p.User == name && !p.IsDevice()
	})
	return nil
}

// listsChanged puts in force what the revocation lists of a tenant's issuers say.
func (s *services) listsChanged(tenant platform.TenantID) {
	s.trust.ListsChanged()
	s.endSessions(func(t platform.TenantID) bool { return t == tenant })
}

// endSessions closes the connections by certificate, of the tenants that
// concerns holds for, that would be refused now.
func (s *services) endSessions(concerns func(platform.TenantID) bool) {
	now := time.Now()
	for _, reason := range endsTrust {
		ended := func(p platform.Principal, v platform.Verdict) bool {
			return concerns(p.Tenant) && v.Scope == platform.Full && s.trust.StillTrusted(v, now) == reason
		}
		s.mqtt.KickIf(reason, ended)
		s.service.KickIf(reason, ended)
	}
}

// endsUser are the reasons of its user for which a device's session is closed.
var endsUser = []platform.Reason{
	platform.ReasonUserDisabled, platform.ReasonNotRegistered, platform.ReasonPasswordDevice, platform.ReasonBadCredentials,
}

// endSessionOf closes the connection of a device whose user it no longer
// agrees with: disabled, deleted, or set up for the other kind of credential.
func (s *services) endSessionOf(ctx context.Context, tenant platform.TenantID, device string) {
	judge := func(p platform.Principal, v platform.Verdict) platform.Reason {
		if reason := s.devices.StillValid(ctx, v, p); slices.Contains(endsUser, reason) {
			return reason
		}
		return platform.Accepted
	}
	s.mqtt.KickDevice(tenant, device, judge)
	s.service.KickDevice(tenant, device, judge)
}
