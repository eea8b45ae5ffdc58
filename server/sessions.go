package server

import (
	"context"
	"time"

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
	case c.Kind == platform.ChangeTrust, c.Kind == platform.ChangeRevocation,
		c.Kind == platform.ChangeOption && c.Key == platform.OptionOfflineCheck.Category+"/"+platform.OptionOfflineCheck.Key:
		now := time.Now()
		for _, reason := range endsTrust {
			s.mqtt.KickIf(reason, func(p platform.Principal, v platform.Verdict) bool {
				return p.Tenant == c.Tenant && v.Scope == platform.Full && s.trust.StillTrusted(v, now) == reason
			})
		}
	case c.Kind == platform.ChangeDeviceUser:
		if s.devices.CheckDevice(ctx, c.Tenant, c.Key) != nil {
			s.mqtt.Kick(c.Tenant, c.Key, platform.ReasonUserDisabled)
		}
	}
	return nil
}
