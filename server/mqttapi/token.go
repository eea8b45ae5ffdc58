package mqttapi

import (
	"mooring/internal/smartrest"
	"mooring/server/platform"
)

// sendToken answers an empty publish to s/uat with the device's JWT, to the asking
// connection only (mqtt.md §7.2). Sessions by password get a line on s/e instead.
func (s *session) sendToken() error {
	if s.principal.Method != platform.ByCertificate {
		s.report(smartrest.NewError(smartrest.CodeConflict, "", smartrest.TextTokenRefused))
		return nil
	}
	ctx, cancel := s.call()
	defer cancel()
	token, err := s.server.cfg.Tokens.Issue(ctx, s.principal, s.conn.serverName())
	if err != nil {
		// Nothing was to be stored, so nothing is lost: the client asks again.
		s.server.log.Warn("no device token", "tenant", s.place.tenant, "external_id", s.place.device, "err", err)
		s.report(smartrest.NewError(smartrest.CodeServer, "", detail(err)))
		return nil
	}
	s.deliver(topicToken, smartrest.AppendDeviceToken(nil, token))
	return nil
}
