package registration

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// Credentials are what a device gets for its external ID, once.
type Credentials struct {
	Tenant     platform.TenantID
	ExternalID string
	User       string
	Password   secret.String
}

// Fetch is a device's question for its password (rest.md §5.3). The first one
// makes the registration wait for the operator; after the operator's word the
// device gets a password, once, and the registration is gone.
//
// Hint is the tenant of the host name that the device used, if it has one: it
// decides between several tenants that wait for the same external ID.
//
// Errors: problem.NotFound while there is nothing to fetch, whatever the
// reason; devices ask again.
func (s *Service) Fetch(ctx context.Context, hint platform.TenantID, externalID string, token secret.String) (Credentials, error) {
	if externalID == "" {
		return Credentials{}, problem.WithCode(problem.Unprocessable, validationCode, "Following mandatory fields should be included: id", nil)
	}
	if err := checkID(externalID); err != nil {
		return Credentials{}, nothingYet(externalID)
	}
	r, err := s.awaited(ctx, hint, externalID)
	if err != nil {
		return Credentials{}, err
	}
	switch r.Status {
	case platform.StatusWaiting:
		return Credentials{}, s.ask(ctx, r, token)
	case platform.StatusAccepted:
		return s.handOut(ctx, r)
	}
	return Credentials{}, nothingYet(externalID)
}

// Announce is Fetch that gives nothing: it makes a registration that waits for its
// device wait for the operator.
func (s *Service) Announce(ctx context.Context, hint platform.TenantID, externalID string, token secret.String) error {
	if checkID(externalID) != nil {
		return nil
	}
	r, err := s.awaited(ctx, hint, externalID)
	if err == nil && r.Status == platform.StatusWaiting {
		err = s.ask(ctx, r, token)
	}
	if errors.Is(err, problem.NotFound) {
		return nil
	}
	return err
}

func nothingYet(externalID string) error {
	return problem.WithCode(problem.NotFound, "devicecontrol/Not Found", "There is no accepted newDeviceRequest with ID "+externalID, nil)
}

func (s *Service) awaited(ctx context.Context, hint platform.TenantID, externalID string) (platform.Registration, error) {
	all, err := s.store.Awaited(ctx, externalID)
	if err != nil {
		return platform.Registration{}, fmt.Errorf("read registrations: %w", err)
	}
	for _, r := range all {
		if r.Tenant == hint {
			return r, nil
		}
	}
	if len(all) != 1 {
		return platform.Registration{}, nothingYet(externalID)
	}
	return all[0], nil
}

// ask notes that the device is there. A device that does not know the token
// that the operator gave beforehand changes nothing.
func (s *Service) ask(ctx context.Context, have platform.Registration, token secret.String) error {
	if len(token.Reveal()) > maxTokenBytes {
		return nothingYet(have.ExternalID)
	}
	policy, err := s.Policy(ctx, have.Tenant)
	if err != nil {
		return err
	}
	next := have
	next.Status = platform.StatusPending
	if policy != TokenIgnored {
		if have.OperatorToken.KeyID != "" {
			right, err := s.macs.CheckMAC(ctx, have.Tenant, have.ExternalID, token, have.OperatorToken)
			if err != nil {
				return err
			}
			if !right {
				return nothingYet(have.ExternalID)
			}
		}
		if !token.IsZero() {
			if next.DeviceToken, err = s.macs.MAC(ctx, have.Tenant, have.ExternalID, token); err != nil {
				return fmt.Errorf("hash security token: %w", err)
			}
		}
	}
	err = s.store.AdvanceRegistration(ctx, have, next)
	if err != nil && !errors.Is(err, problem.Conflict) { // Conflict: it asked twice at once
		return fmt.Errorf("note that the device asked: %w", err)
	}
	return nothingYet(have.ExternalID)
}

func (s *Service) handOut(ctx context.Context, r platform.Registration) (Credentials, error) {
	now := platform.Millis(s.now())
	c := Credentials{Tenant: r.Tenant, ExternalID: r.ExternalID, User: deviceid.DeviceUser(r.ExternalID), Password: secret.New(rand.Text())}
	mac, err := s.macs.MAC(ctx, r.Tenant, c.User, c.Password)
	if err != nil {
		return Credentials{}, fmt.Errorf("hash password: %w", err)
	}
	cmd := platform.RegisterDevice{Registration: r, User: &platform.DeviceUser{Tenant: r.Tenant, ExternalID: r.ExternalID,
		Credential: platform.CredentialPassword, Password: mac, Enabled: true, Created: now}}
	if err := s.addObject(ctx, &cmd, now); err != nil {
		return Credentials{}, err
	}
	device := platform.Principal{Tenant: r.Tenant, User: c.User}
	done, err := s.store.HandOut(ctx, cmd, record(r, device, "given its password", now))
	if errors.Is(err, problem.Conflict) { // somebody was faster
		return Credentials{}, nothingYet(r.ExternalID)
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("hand out password: %w", err)
	}
	if err := s.tell(ctx, cmd, done); err != nil {
		s.log.Error("cannot tell of a new device", "tenant", r.Tenant, "external_id", r.ExternalID, "err", err)
	}
	return c, nil
}

// addObject makes the device's managed object if the request says what to do
// with it: a group, or further properties. Else the device makes its own.
func (s *Service) addObject(ctx context.Context, cmd *platform.RegisterDevice, now time.Time) error {
	r := cmd.Registration
	if r.GroupID == 0 && len(r.Custom) == 0 {
		return nil
	}
	id, err := s.ids.NewID(ctx)
	if err != nil {
		return fmt.Errorf("new ID: %w", err)
	}
	fragments := platform.Fragments{platform.FragmentIsDevice: json.RawMessage("{}")}
	for name, value := range r.Custom {
		fragments[name] = value
	}
	cmd.Object = platform.ManagedObject{ID: id, Tenant: r.Tenant, Name: r.ExternalID, Type: r.Type,
		Owner: deviceid.DeviceUser(r.ExternalID), Created: now, Updated: now, Fragments: fragments}
	cmd.ExternalIDs = []platform.ExternalID{{Type: platform.SerialType, Value: r.ExternalID}}
	return nil
}
