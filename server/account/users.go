package account

import (
	"context"
	"errors"
	"strings"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// MaxUserNameBytes bounds a user name. A device's is "device_" and up to 254
// bytes; people's are shorter, but the two share their fields.
const MaxUserNameBytes = 261

// devicePrefix begins names that belong to devices.
const devicePrefix = "device_"

// checkUserName refuses names that could be read as something else in
// "tenant/user:password" or in a path.
func checkUserName(name string) error {
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\:+$`, r) }
	if name == "" || len(name) > MaxUserNameBytes || strings.HasPrefix(name, devicePrefix) || strings.ContainsFunc(name, bad) {
		return problem.WithCode(problem.Unprocessable, "users/Invalid Data",
			`A user name has no white space, none of / \ : + $ and does not begin with "device_".`, nil)
	}
	return nil
}

// User returns a person of the tenant.
func (s *Service) User(ctx context.Context, tenant platform.TenantID, name string) (platform.User, error) {
	u, err := s.users.User(ctx, tenant, name)
	if errors.Is(err, problem.NotFound) {
		return platform.User{}, problem.WithCode(problem.NotFound, "users/Not Found", "Error retrieving user "+name+"!", err)
	}
	return u, err
}

// Users lists the people of a tenant.
func (s *Service) Users(ctx context.Context, tenant platform.TenantID, page platform.Page) (platform.List[platform.User], error) {
	return s.users.Users(ctx, tenant, page)
}

// CreateUser adds a person; problem.Conflict if the name is taken.
func (s *Service) CreateUser(ctx context.Context, actor platform.Principal, u platform.User, password secret.String) error {
	if err := checkUserName(u.Name); err != nil {
		return err
	}
	if _, err := s.users.User(ctx, u.Tenant, u.Name); err == nil {
		return problem.WithCode(problem.Conflict, "users/Duplicate", "User '"+u.Name+"' already exists.", nil)
	} else if !errors.Is(err, problem.NotFound) {
		return err
	}
	hash, err := HashPassword(password)
	if err != nil {
		return err
	}
	now := platform.Millis(s.now())
	u.PasswordHash, u.Created, u.PasswordSet = hash, now, now
	return s.putUser(ctx, actor, u, "User created")
}

// SetPassword gives a person a new password.
func (s *Service) SetPassword(ctx context.Context, actor platform.Principal, tenant platform.TenantID, name string, password secret.String) error {
	u, err := s.User(ctx, tenant, name)
	if err != nil {
		return err
	}
	if u.PasswordHash, err = HashPassword(password); err != nil {
		return err
	}
	u.PasswordSet = platform.Millis(s.now())
	return s.putUser(ctx, actor, u, "Password changed")
}

// SetEnabled lets a person in or keeps them out.
func (s *Service) SetEnabled(ctx context.Context, actor platform.Principal, tenant platform.TenantID, name string, enabled bool) error {
	u, err := s.User(ctx, tenant, name)
	if err != nil || u.Enabled == enabled {
		return err
	}
	u.Enabled = enabled
	return s.putUser(ctx, actor, u, map[bool]string{true: "User enabled", false: "User disabled"}[enabled])
}

func (s *Service) putUser(ctx context.Context, actor platform.Principal, u platform.User, activity string) error {
	err := s.users.PutUser(ctx, u, platform.AuditRecord{Tenant: u.Tenant, At: platform.Millis(s.now()), Type: "User",
		Activity: activity, Text: activity + ": '" + u.Name + "'", User: actor.User, Source: u.Name})
	s.verified.forget(u.Tenant, u.Name)
	return err
}
