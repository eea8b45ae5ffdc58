package deviceauth

import (
	"context"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// maxPasswordBytes bounds a device password before it is hashed. The platform
// makes them of 10 to 32 characters.
const maxPasswordBytes = 1024

// Password authenticates a device user ("device_dev1") who comes from address,
// a host without port.
//
// Errors: problem.Unauthenticated, which does not say what was wrong;
// problem.TooMany with RetryAfter if too many passwords from there were wrong;
// problem.Unavailable if the store does not answer.
func (a *Auth) Password(ctx context.Context, tenant platform.TenantID, name string, password secret.String, address string) (platform.Principal, error) {
	externalID, ok := deviceid.DeviceOfUser(name)
	if !ok || len(externalID) > deviceid.MaxIDBytes || len(password.Reveal()) > maxPasswordBytes {
		return platform.Principal{}, badCredentials(platform.ReasonBadCredentials)
	}
	now, block, who := a.cfg.Now(), blockOf(address), userKey{tenant, externalID}
	if wait := a.failures.wait(block, who, now); wait > 0 {
		tooMany := problem.New(problem.TooMany, "Too many failed logins.", &refusal{reason: platform.ReasonBadCredentials, detail: "too many wrong passwords from this address"})
		tooMany.RetryAfter = wait
		return platform.Principal{}, tooMany
	}
	u, err := a.users.get(ctx, tenant, externalID)
	if err != nil {
		return platform.Principal{}, err
	}
	// A user without password takes as long as one with a wrong password: the
	// zero MAC matches nothing.
	right, err := a.cfg.Secrets.CheckMAC(ctx, tenant, name, password, u.password)
	if err != nil {
		return platform.Principal{}, undecided(err)
	}
	if !right || u.kind != platform.CredentialPassword {
		a.failures.fail(block, who, now)
		return platform.Principal{}, badCredentials(platform.ReasonBadCredentials)
	}
	if !u.enabled {
		return platform.Principal{}, badCredentials(platform.ReasonUserDisabled)
	}
	return platform.Principal{Tenant: tenant, User: name, Device: externalID, Roles: platform.DeviceRoles, Method: platform.ByPassword}, nil
}
