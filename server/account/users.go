package account

import (
	"context"
	"errors"
	"slices"
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

// NotFoundText is what the platform says of a user that is not there (rest.md §0.4).
func NotFoundText(name string) string {
	return "Error retrieving user " + name + "! : Cannot find document with ID ID [type=com_cumulocity_model_idtype_GId, value=" + name + "]!"
}

// User returns a person of the tenant.
func (s *Service) User(ctx context.Context, tenant platform.TenantID, name string) (platform.User, error) {
	u, err := s.users.User(ctx, tenant, name)
	if errors.Is(err, problem.NotFound) {
		return platform.User{}, problem.WithCode(problem.NotFound, "users/Not Found", NotFoundText(name), err)
	}
	return u, err
}

// Users lists the people of a tenant.
func (s *Service) Users(ctx context.Context, tenant platform.TenantID, f platform.UserFilter, page platform.Page) (platform.List[platform.User], error) {
	return s.users.Users(ctx, tenant, f, page)
}

// CreateUser adds a person; problem.Conflict if the name is taken. Without a
// password they cannot log in until they are given one.
func (s *Service) CreateUser(ctx context.Context, actor platform.Principal, u platform.User, password secret.String) (err error) {
	if err := checkUserName(u.Name); err != nil {
		return err
	}
	if isBootstrap(u.Tenant, u.Name) {
		return problem.WithCode(problem.Conflict, "users/Duplicate", "User '"+u.Name+"' already exists.", nil)
	}
	if err := s.checkProfile(ctx, u); err != nil {
		return err
	}
	now := platform.Millis(s.now())
	u.Created, u.PasswordSet = now, now
	if password.IsZero() {
		u.ResetPassword = true // nobody can log in until somebody sets one
	} else if u.PasswordHash, err = s.passwordCost.Hash(password); err != nil {
		return err
	}
	err = s.users.CreateUser(ctx, u, s.userRecord(actor, u, "User created"))
	s.forgetUser(u.Tenant, u.Name)
	if errors.Is(err, problem.Conflict) {
		return problem.WithCode(problem.Conflict, "users/Duplicate", "User '"+u.Name+"' already exists.", err)
	}
	return err
}

// UpdateUser replaces what a person's record says beside name and password; a
// password that is not empty replaces that, too.
func (s *Service) UpdateUser(ctx context.Context, actor platform.Principal, u platform.User, password secret.String) error {
	if err := s.checkProfile(ctx, u); err != nil {
		return err
	}
	activity := "User updated"
	if !password.IsZero() {
		hash, err := s.passwordCost.Hash(password)
		if err != nil {
			return err
		}
		u.PasswordHash, u.PasswordSet, u.ResetPassword, activity = hash, platform.Millis(s.now()), false, "Password changed"
	}
	return s.putUser(ctx, actor, u, activity)
}

// DeleteUser removes a person.
func (s *Service) DeleteUser(ctx context.Context, actor platform.Principal, tenant platform.TenantID, name string) error {
	u := platform.User{Tenant: tenant, Name: name}
	err := s.users.DeleteUser(ctx, tenant, name, s.userRecord(actor, u, "User deleted"))
	s.forgetUser(tenant, name)
	if errors.Is(err, problem.NotFound) {
		return problem.WithCode(problem.NotFound, "users/Not Found", NotFoundText(name), err)
	}
	return err
}

// ChangeOwnPassword replaces the password of who knows the current one.
func (s *Service) ChangeOwnPassword(ctx context.Context, actor platform.Principal, current, next secret.String, address string) error {
	if _, err := s.Authenticate(ctx, actor.Tenant, actor.User, current, address); err != nil {
		if errors.Is(err, problem.Unauthenticated) { // 401 would end the session in a browser
			return problem.WithCode(problem.Forbidden, "security/Forbidden", "The current password is wrong.", err)
		}
		return err
	}
	return s.SetPassword(ctx, actor, actor.Tenant, actor.User, next)
}

// Bounds of a person's record; they are ours.
const (
	maxProfileBytes = 254
	maxCustomBytes  = 16 << 10
)

func (s *Service) checkProfile(ctx context.Context, u platform.User) error {
	for _, text := range []string{u.Email, u.FirstName, u.LastName, u.Phone, u.DisplayName} {
		if len(text) > maxProfileBytes {
			return problem.WithCode(problem.Unprocessable, "users/Invalid Data", "A field of a user has at most 254 bytes.", nil)
		}
	}
	if customBytes(u.Custom) > maxCustomBytes {
		return problem.WithCode(problem.Unprocessable, "users/Invalid Data", "customProperties have at most 16384 bytes.", nil)
	}
	for _, id := range u.Groups {
		if _, err := s.Group(ctx, u.Tenant, id); errors.Is(err, problem.NotFound) {
			return problem.WithCode(problem.Unprocessable, "users/Invalid Data", "There is no group '"+id.String()+"'.", err)
		} else if err != nil {
			return err
		}
	}
	return checkRoles(u.Roles)
}

func checkRoles(roles []platform.Role) error {
	for _, r := range roles {
		if !slices.Contains(platform.AdminRoles, r) {
			return problem.WithCode(problem.Unprocessable, "users/Invalid Data", "There is no role '"+string(r)+"'.", nil)
		}
	}
	return nil
}

func customBytes(custom platform.Fragments) (n int) {
	for name, value := range custom {
		n += len(name) + len(value)
	}
	return n
}

// SetPassword gives a person a new password.
func (s *Service) SetPassword(ctx context.Context, actor platform.Principal, tenant platform.TenantID, name string, password secret.String) error {
	u, err := s.User(ctx, tenant, name)
	if err != nil {
		return err
	}
	if u.PasswordHash, err = s.passwordCost.Hash(password); err != nil {
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
	err := s.users.PutUser(ctx, u, s.userRecord(actor, u, activity))
	s.forgetUser(u.Tenant, u.Name)
	return err
}

func (s *Service) userRecord(actor platform.Principal, u platform.User, activity string) platform.AuditRecord {
	return platform.AuditRecord{Tenant: u.Tenant, At: platform.Millis(s.now()), Type: "User",
		Activity: activity, Text: activity + ": '" + u.Name + "'", User: actor.User, Source: u.Name}
}

func (s *Service) forgetUser(tenant platform.TenantID, name string) {
	s.verified.forget(tenant, name)
	s.people.forget(userKey{tenant, name})
}
