package registration

import (
	"context"
	"errors"
	"fmt"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// maxDevicePasswordBytes is the longest that a device can log in with.
const maxDevicePasswordBytes = 1024

// SetPassword gives a device that authenticates by password another one (rest.md
// §6.10). problem.Unprocessable for a device that is set up for certificates.
func (s *Service) SetPassword(ctx context.Context, actor platform.Principal, tenant platform.TenantID, externalID string, password secret.String) error {
	if n := len(password.Reveal()); n == 0 || n > maxDevicePasswordBytes {
		return problem.WithCode(problem.Unprocessable, "users/Invalid Data", "The password of a device has 1 to 1024 bytes.", nil)
	}
	name := deviceid.DeviceUser(externalID)
	mac, err := s.macs.MAC(ctx, tenant, name, password)
	if err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	err = s.store.SetDevicePassword(ctx, tenant, externalID, mac, platform.AuditRecord{
		Tenant: tenant, At: platform.Millis(s.now()), Type: "User", User: actor.User, Source: name,
		Activity: "Password changed", Text: "Password changed: '" + name + "'",
	})
	if errors.Is(err, problem.Conflict) {
		return problem.WithCode(problem.Unprocessable, "users/Invalid Data", "The device authenticates by certificate and has no password.", err)
	}
	return err
}
