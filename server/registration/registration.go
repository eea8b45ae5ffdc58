// Package registration keeps the operator's word on which external IDs may
// become devices: one by one, or many in a CSV file (contract rest.md §5).
package registration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// MaxOTPChars is the longest enrolment OTP (rest.md §1.6).
const MaxOTPChars = 32

// maxTypeBytes bounds the type of a device; it is ours.
const maxTypeBytes = 254

// auditType marks the records of this package.
const auditType = "DeviceRegistration"

// MACs turns secrets into what is stored. An OTP is stored under the external
// ID, a device password under the name of the device user.
type MACs interface {
	MAC(ctx context.Context, tenant platform.TenantID, user string, s secret.String) (platform.SecretMAC, error)
}

// Config is what New needs.
type Config struct {
	Store platform.Registrations
	MACs  MACs
	IDs   platform.IDs
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil discards
}

// Service keeps registrations. It may be used by several goroutines. Whether
// the actor may register is for the front end to ask.
type Service struct {
	store platform.Registrations
	macs  MACs
	ids   platform.IDs
	now   func() time.Time
	log   *slog.Logger
}

// New returns a service.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{store: c.Store, macs: c.MACs, ids: c.IDs, now: c.Now, log: c.Log}
}

// NewRequest registers one device.
type NewRequest struct {
	ExternalID string
	OTP        secret.String // with one, the device may enrol and there is nothing to accept
	Type       string
	GroupID    platform.ID
	// Tenant is another tenant than the actor's; the management tenant alone may
	// set it.
	Tenant platform.TenantID
}

// Create registers one device. A registration is replaced only when it has done
// its work: its OTP is spent, or it is accepted and has none.
func (s *Service) Create(ctx context.Context, actor platform.Principal, r NewRequest) (platform.Registration, error) {
	tenant, err := tenantOf(actor, r.Tenant)
	if err != nil {
		return platform.Registration{}, err
	}
	if err := r.check(); err != nil {
		return platform.Registration{}, err
	}
	if err := s.checkFree(ctx, tenant, r.ExternalID); err != nil {
		return platform.Registration{}, err
	}
	now := platform.Millis(s.now())
	reg := platform.Registration{
		Tenant: tenant, ExternalID: r.ExternalID, Status: platform.StatusWaiting, Owner: actor.User,
		Type: r.Type, GroupID: r.GroupID, Created: now,
	}
	if !r.OTP.IsZero() {
		reg.Status = platform.StatusAccepted
		if reg.OTP, err = s.macs.MAC(ctx, tenant, r.ExternalID, r.OTP); err != nil {
			return platform.Registration{}, fmt.Errorf("hash one-time password: %w", err)
		}
	}
	if _, err := s.store.Register(ctx, platform.RegisterDevice{Registration: reg}, record(reg, actor, "registered", now)); err != nil {
		return platform.Registration{}, fmt.Errorf("register device: %w", err)
	}
	return s.Get(ctx, tenant, r.ExternalID)
}

func (r NewRequest) check() error {
	if r.ExternalID == "" {
		return problem.WithCode(problem.Unprocessable, validationCode, "Following mandatory fields should be included: id", nil)
	}
	if err := checkID(r.ExternalID); err != nil {
		return err
	}
	if len(r.Type) > maxTypeBytes {
		return problem.WithCode(problem.Unprocessable, validationCode, "Type is longer than 254 bytes.", nil)
	}
	return checkOTP(r.OTP)
}

func (s *Service) checkFree(ctx context.Context, tenant platform.TenantID, externalID string) error {
	have, err := s.store.Registration(ctx, tenant, externalID)
	if errors.Is(err, problem.NotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read registration: %w", err)
	}
	waitsForOTP := have.OTP.KeyID != "" && have.OTPSpent == nil
	if have.Status == platform.StatusAccepted && !waitsForOTP {
		return nil
	}
	return problem.WithCode(problem.Unprocessable, "devicecontrol/Non Unique Result",
		"NewDeviceRequest for id = "+externalID+" already exists.", nil)
}

// Get returns one registration.
func (s *Service) Get(ctx context.Context, tenant platform.TenantID, externalID string) (platform.Registration, error) {
	reg, err := s.store.Registration(ctx, tenant, externalID)
	return reg, notFound(err, externalID)
}

// List lists registrations, those of bulk files included.
func (s *Service) List(ctx context.Context, tenant platform.TenantID, page platform.Page) (platform.List[platform.Registration], error) {
	return s.store.Registrations(ctx, tenant, page)
}

// Delete removes a registration; the device that came of it stays.
func (s *Service) Delete(ctx context.Context, actor platform.Principal, externalID string) error {
	reg := platform.Registration{Tenant: actor.Tenant, ExternalID: externalID}
	err := s.store.DeleteRegistration(ctx, actor.Tenant, externalID, record(reg, actor, "registration deleted", platform.Millis(s.now())))
	return notFound(err, externalID)
}

// Accept accepts a registration that waits for its device or for acceptance.
func (s *Service) Accept(ctx context.Context, actor platform.Principal, externalID string) (platform.Registration, error) {
	reg, err := s.Get(ctx, actor.Tenant, externalID)
	if err != nil {
		return platform.Registration{}, err
	}
	if reg.Status != platform.StatusPending && reg.Status != platform.StatusWaiting {
		return platform.Registration{}, problem.WithCode(problem.Unprocessable, validationCode,
			fmt.Sprintf("NewDeviceRequest for device id %s is in state %s, not %s.", externalID, reg.Status, platform.StatusPending), nil)
	}
	reg.Status = platform.StatusAccepted
	now := platform.Millis(s.now())
	if _, err := s.store.Register(ctx, platform.RegisterDevice{Registration: reg}, record(reg, actor, "accepted", now)); err != nil {
		return platform.Registration{}, fmt.Errorf("accept registration: %w", err)
	}
	return s.Get(ctx, actor.Tenant, externalID)
}

const validationCode = "undefined/validationError"

func checkID(externalID string) error {
	if err := deviceid.ValidExternalID(externalID); err != nil {
		p, ok := errors.AsType[*problem.Error](err)
		if !ok {
			return err
		}
		return problem.WithCode(p.Kind, validationCode, p.Detail, p.Cause)
	}
	return nil
}

func checkOTP(otp secret.String) error {
	if n := utf8.RuneCountInString(otp.Reveal()); n > MaxOTPChars {
		return problem.WithCode(problem.Unprocessable, validationCode, "The one-time password has more than 32 characters.", nil)
	}
	return nil
}

// tenantOf returns the tenant that actor may register for: its own, or any for
// the management tenant.
func tenantOf(actor platform.Principal, wanted platform.TenantID) (platform.TenantID, error) {
	if wanted == "" || wanted == actor.Tenant {
		return actor.Tenant, nil
	}
	if actor.Tenant != platform.Management {
		return "", problem.WithCode(problem.Forbidden, "security/Forbidden", "Access is denied.", nil)
	}
	return wanted, nil
}

func notFound(err error, externalID string) error {
	if !errors.Is(err, problem.NotFound) {
		return err
	}
	return problem.WithCode(problem.NotFound, "devicecontrol/Not Found", "Could not find newDeviceRequest by ID "+externalID, err)
}

func record(r platform.Registration, actor platform.Principal, what string, now time.Time) platform.AuditRecord {
	return platform.AuditRecord{
		Tenant: r.Tenant, At: now, Type: auditType, User: actor.User, Source: r.ExternalID,
		Activity: "Device " + what, Text: fmt.Sprintf("Device '%s' %s by '%s'.", r.ExternalID, what, actor.User),
	}
}
