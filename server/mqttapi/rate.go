package mqttapi

import (
	"context"
	"strconv"

	"mooring/server/platform"
)

// maxRate bounds what a tenant may set; above it the interval between two
// messages has no nanoseconds left to be told by.
const maxRate = 1_000_000

// ownRate takes over what the tenant has set for its devices. Options that cannot
// be read, or are no numbers in the bounds, change nothing.
func (s *session) ownRate(ctx context.Context) {
	if n, ok := s.server.number(ctx, s.place.tenant, platform.OptionPublishRate); ok {
		s.rate, s.burst = n, 2*n
	}
	if n, ok := s.server.number(ctx, s.place.tenant, platform.OptionPublishBurst); ok {
		s.burst = n
	}
}

// number reads an option that is a number from 1 to maxRate.
func (s *Server) number(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (int, bool) {
	value, set, err := s.cfg.Options.Option(ctx, tenant, key)
	if err != nil {
		s.log.Warn("option not read", "tenant", tenant, "option", key.Category+"/"+key.Key, "err", err)
		return 0, false
	}
	if !set {
		return 0, false
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxRate {
		s.log.Warn("option is no number in its bounds", "tenant", tenant, "option", key.Category+"/"+key.Key, "value", value)
		return 0, false
	}
	return n, true
}
