package account

import (
	"context"
	"errors"
	"strconv"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// sessionKey names a login.
type sessionKey struct {
	tenant platform.TenantID
	id     string
}

// Resume lets in a person whose token was good: who is still there and enabled,
// has not chosen another password since, and has not been logged out. The
// principal gets the roles that the person has now.
//
// Errors: problem.Unauthenticated, which does not say why.
func (s *Service) Resume(ctx context.Context, p platform.Principal) (platform.Principal, error) {
	if p.Login == nil {
		return platform.Principal{}, badCredentials(nil)
	}
	u, err := s.person(ctx, p.Tenant, p.User)
	if errors.Is(err, problem.NotFound) {
		return platform.Principal{}, badCredentials(err)
	}
	if err != nil {
		return platform.Principal{}, err
	}
	if !u.Enabled || p.Login.At.Before(u.PasswordSet) {
		return platform.Principal{}, badCredentials(nil)
	}
	from, set, err := s.Option(ctx, p.Tenant, platform.OptionLoginsFrom)
	if err != nil {
		return platform.Principal{}, err
	}
	if ms, err := strconv.ParseInt(from, 10, 64); set && err == nil && p.Login.At.UnixMilli() <= ms {
		return platform.Principal{}, badCredentials(nil)
	}
	ended, err := s.sessionEnded(ctx, sessionKey{p.Tenant, p.Login.ID})
	if err != nil {
		return platform.Principal{}, err
	}
	if ended {
		return platform.Principal{}, badCredentials(nil)
	}
	p.Roles, err = s.EffectiveRoles(ctx, u)
	return p, err
}

func (s *Service) person(ctx context.Context, tenant platform.TenantID, name string) (platform.User, error) {
	k := userKey{tenant, name}
	if u, ok := s.people.get(k); ok {
		return u, nil
	}
	epoch := s.people.begin()
	u, err := s.users.User(ctx, tenant, name)
	if err == nil {
		s.people.fill(epoch, k, u)
	}
	return u, err
}

func (s *Service) sessionEnded(ctx context.Context, k sessionKey) (bool, error) {
	if ended, ok := s.ended.get(k); ok {
		return ended, nil
	}
	epoch := s.ended.begin()
	ended, err := s.users.SessionEnded(ctx, k.tenant, k.id)
	if err == nil {
		s.ended.fill(epoch, k, ended)
	}
	return ended, err
}

// Logout ends the login of p; for who did not come by token there is nothing
// to do.
func (s *Service) Logout(ctx context.Context, p platform.Principal) error {
	if p.Login == nil {
		return nil
	}
	err := s.users.EndSession(ctx, p.Tenant, p.Login.ID, p.Login.Expires, platform.Millis(s.now()))
	s.ended.forget(sessionKey{p.Tenant, p.Login.ID})
	return err
}

// LogoutAll ends all logins of people of the tenant that were made until now.
func (s *Service) LogoutAll(ctx context.Context, actor platform.Principal) error {
	return s.setOptions(ctx, actor, actor.Tenant, []platform.Option{{OptionKey: platform.OptionLoginsFrom,
		Value: strconv.FormatInt(s.now().UnixMilli(), 10)}})
}
