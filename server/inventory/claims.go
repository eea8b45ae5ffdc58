package inventory

import (
	"context"
	"errors"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// Names knows the devices of a tenant, also those that have no object yet.
type Names interface {
	DeviceUser(ctx context.Context, tenant platform.TenantID, externalID string) (platform.DeviceUser, error)
	Registration(ctx context.Context, tenant platform.TenantID, externalID string) (platform.Registration, error)
}

// MayClaim is problem.Forbidden if user is a device's and one of xids is the name
// under which another device connects or is awaited: it would hear what that one is
// to do. A name that nobody has is free; who comes under it later is refused until
// an operator decides (mqtt.md §1.8).
func (s *Service) MayClaim(ctx context.Context, tenant platform.TenantID, user string, xids ...platform.ExternalID) error {
	own, isDevice := deviceid.DeviceOfUser(user)
	if !isDevice || s.users == nil {
		return nil
	}
	for _, x := range xids {
		if x.Type != platform.SerialType || x.Value == own {
			continue
		}
		_, err := s.users.DeviceUser(ctx, tenant, x.Value)
		if errors.Is(err, problem.NotFound) {
			_, err = s.users.Registration(ctx, tenant, x.Value)
		}
		if err == nil {
			return problem.WithCode(problem.Forbidden, "security/Forbidden", "The external ID belongs to another device.", nil)
		}
		if !errors.Is(err, problem.NotFound) {
			return err
		}
	}
	return nil
}
