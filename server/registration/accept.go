package registration

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// TokenPolicy says what becomes of security tokens (rest.md §5.4).
type TokenPolicy string

// The policies. With TokenOptional, a token that the device or the operator
// gives must be the other's.
const (
	TokenIgnored  TokenPolicy = "IGNORED"
	TokenOptional TokenPolicy = "OPTIONAL"
	TokenRequired TokenPolicy = "REQUIRED"
)

// MaxTokenTries is how many wrong security tokens block a request; it is ours.
const MaxTokenTries = 3

// maxTokenBytes bounds a security token; it is ours.
const maxTokenBytes = 256

// Options reads tenant options.
type Options interface {
	Option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (value string, set bool, err error)
}

// Policy returns the tenant's policy; what it does not know is TokenOptional.
func (s *Service) Policy(ctx context.Context, tenant platform.TenantID) (TokenPolicy, error) {
	if s.options == nil {
		return TokenOptional, nil
	}
	value, _, err := s.options.Option(ctx, tenant, platform.OptionTokenPolicy)
	if err != nil {
		return "", err
	}
	switch p := TokenPolicy(strings.ToUpper(value)); p {
	case TokenIgnored, TokenRequired:
		return p, nil
	}
	return TokenOptional, nil
}

// Accept accepts a registration whose device has asked for its password, or
// whose enrolment waits for the operator. A wrong security token counts; after
// MaxTokenTries the registration is blocked.
func (s *Service) Accept(ctx context.Context, actor platform.Principal, externalID string, token secret.String) (platform.Registration, error) {
	have, err := s.Get(ctx, actor.Tenant, externalID)
	if err != nil {
		return platform.Registration{}, err
	}
	if have.Status != platform.StatusPending {
		return platform.Registration{}, wrongState(have)
	}
	if err := s.checkToken(ctx, actor, have, token); err != nil {
		return platform.Registration{}, err
	}
	if have.HandsOut {
		if err := s.checkLimit(ctx, have.Tenant); err != nil {
			return platform.Registration{}, err
		}
	}
	next := have
	next.Status = platform.StatusAccepted
	err = s.store.AdvanceRegistration(ctx, have, next, record(next, actor, "accepted", platform.Millis(s.now())))
	if errors.Is(err, problem.Conflict) {
		return s.changedMeanwhile(ctx, have)
	}
	if err != nil {
		return platform.Registration{}, fmt.Errorf("accept registration: %w", err)
	}
	return next, nil
}

func wrongState(r platform.Registration) error {
	return problem.WithCode(problem.Unprocessable, validationCode,
		fmt.Sprintf("NewDeviceRequest for device id %s is in state %s, not %s.", r.ExternalID, r.Status, platform.StatusPending), nil)
}

func (s *Service) changedMeanwhile(ctx context.Context, have platform.Registration) (platform.Registration, error) {
	now, err := s.Get(ctx, have.Tenant, have.ExternalID)
	if err != nil {
		return platform.Registration{}, err
	}
	return platform.Registration{}, wrongState(now)
}

// checkToken compares the operator's token with the device's. One that the
// operator gave beforehand was compared when the device asked.
func (s *Service) checkToken(ctx context.Context, actor platform.Principal, have platform.Registration, token secret.String) error {
	policy, err := s.Policy(ctx, have.Tenant)
	if err != nil || policy == TokenIgnored || !have.HandsOut {
		return err
	}
	sent := have.DeviceToken.KeyID != ""
	if token.IsZero() {
		proven := sent && have.OperatorToken.KeyID != ""
		if proven || !sent && policy == TokenOptional {
			return nil
		}
		return mismatch(have, false)
	}
	if sent && len(token.Reveal()) <= maxTokenBytes {
		right, err := s.macs.CheckMAC(ctx, have.Tenant, have.ExternalID, token, have.DeviceToken)
		if err != nil || right {
			return err
		}
	}
	next := have
	next.Tries++
	if next.Tries >= MaxTokenTries {
		next.Status = platform.StatusBlocked
	}
	err = s.store.AdvanceRegistration(ctx, have, next, record(have, actor, "refused for a wrong security token", platform.Millis(s.now())))
	if err != nil && !errors.Is(err, problem.Conflict) {
		return fmt.Errorf("count a wrong security token: %w", err)
	}
	return mismatch(have, next.Status == platform.StatusBlocked)
}

func mismatch(r platform.Registration, blocked bool) error {
	text := "Provided security key does not match key stored for device " + r.ExternalID + "."
	if blocked {
		text += " The device is now blocked."
	}
	return problem.WithCode(problem.Unprocessable, validationCode, text, nil)
}

// Limit is how many devices a tenant has and may have.
type Limit struct {
	Devices int64
	Max     int64 // zero: any number
}

// Reached reports whether there may be no more.
func (l Limit) Reached() bool { return l.Max > 0 && l.Devices >= l.Max }

// Limit counts the device users of a tenant and reads what management allows.
func (s *Service) Limit(ctx context.Context, tenant platform.TenantID) (Limit, error) {
	var l Limit
	list, err := s.store.DeviceUsers(ctx, tenant, platform.UserFilter{}, platform.Page{Number: 1, Size: 1, WithTotal: true})
	if err != nil {
		return l, fmt.Errorf("count devices: %w", err)
	}
	l.Devices = list.Total
	l.Max, err = s.maxDevices(ctx)
	return l, err
}

func (s *Service) maxDevices(ctx context.Context) (int64, error) {
	if s.options == nil {
		return 0, nil
	}
	value, _, err := s.options.Option(ctx, platform.Management, platform.OptionDeviceLimit)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		return 0, nil
	}
	return n, nil
}

// checkLimit refuses a further device. Requests that come at the same moment
// may overshoot the limit by as many.
func (s *Service) checkLimit(ctx context.Context, tenant platform.TenantID) error {
	limit, err := s.maxDevices(ctx)
	if err != nil || limit == 0 {
		return err
	}
	l, err := s.Limit(ctx, tenant)
	if err == nil && l.Reached() {
		return problem.WithCode(problem.Unprocessable, validationCode, fmt.Sprintf("You have reached devices limit %d.", l.Max), nil)
	}
	return err
}
