package account

import (
	"context"
	"crypto/subtle"

	"mooring/internal/secret"
	"mooring/server/platform"
)

// BootstrapUser is the user of the management tenant by which devices fetch
// their passwords (rest.md §5.3). It is no row of a table: its password lies
// sealed in the store, so that it can be shown, and is no person's, so that it
// need not be hashed slowly on a path of devices.
const BootstrapUser = "devicebootstrap"

// Bootstrap keeps the password of BootstrapUser.
type Bootstrap interface {
	BootstrapPassword(ctx context.Context) (secret.String, error)
}

func isBootstrap(tenant platform.TenantID, user string) bool {
	return tenant == platform.Management && user == BootstrapUser
}

func (s *Service) authenticateBootstrap(ctx context.Context, password secret.String) (platform.Principal, error) {
	if s.bootstrap == nil {
		return platform.Principal{}, badCredentials(nil)
	}
	want, err := s.bootstrap.BootstrapPassword(ctx)
	if err != nil {
		return platform.Principal{}, err
	}
	if want.IsZero() || subtle.ConstantTimeCompare([]byte(want.Reveal()), []byte(password.Reveal())) != 1 {
		return platform.Principal{}, badCredentials(nil)
	}
	return platform.Principal{Tenant: platform.Management, User: BootstrapUser,
		Roles: []platform.Role{platform.RoleDeviceBootstrap}, Method: platform.ByPassword}, nil
}
