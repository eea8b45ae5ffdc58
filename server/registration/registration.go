// Package registration keeps the operator's word on which external IDs may
// become devices: one by one, or many in a CSV file (contract rest.md §5).
package registration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	CheckMAC(ctx context.Context, tenant platform.TenantID, user string, s secret.String, mac platform.SecretMAC) (bool, error)
}

// Store is the roles of a store that the service needs.
type Store interface {
	platform.Registrations
	DeviceUsers(ctx context.Context, tenant platform.TenantID, f platform.UserFilter, page platform.Page) (platform.List[platform.DeviceUser], error)
	SetDevicePassword(ctx context.Context, tenant platform.TenantID, externalID string, password platform.SecretMAC, audit ...platform.AuditRecord) error
	Object(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.ManagedObject, error)
}

// Config is what New needs.
type Config struct {
	Store   Store
	MACs    MACs
	IDs     platform.IDs
	Options Options          // nil: none is set
	Notices platform.Notices // hears of the objects made for devices; nil: nobody does
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil discards
}

// Service keeps registrations. It may be used by several goroutines. Whether
// the actor may register is for the front end to ask.
type Service struct {
	store   Store
	options Options
	notices platform.Notices
	macs    MACs
	ids     platform.IDs
	now     func() time.Time
	log     *slog.Logger
}

// New returns a service.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{store: c.Store, options: c.Options, notices: c.Notices, macs: c.MACs, ids: c.IDs, now: c.Now, log: c.Log}
}

// tell waits until those who listen are told of the object that a registration
// made, if it made one.
func (s *Service) tell(ctx context.Context, cmd platform.RegisterDevice, done platform.Registered) error {
	o, tenant := cmd.Object, cmd.Registration.Tenant
	if o.ID == 0 || done.ObjectID != o.ID || s.notices == nil || !s.notices.Wanted(tenant) {
		return nil
	}
	return platform.Tell(ctx, s.notices, platform.Notice{Tenant: tenant, API: platform.NoticeManagedObjects,
		Action: platform.NoticeCreate, Source: o.ID, ID: o.ID, Type: o.Type, Object: o})
}

// NewRequest registers one device.
type NewRequest struct {
	ExternalID string
	OTP        secret.String // with one, the device may enrol and there is nothing to accept
	Type       string
	GroupID    platform.ID
	Custom     platform.Fragments // further properties of the device
	Extra      platform.Fragments // further members of the request, which are kept with it
	// SecurityToken, if given, is what the device must send when it asks for its
	// password.
	SecurityToken secret.String
	// Tenant is another tenant than the actor's; the management tenant alone may
	// set it.
	Tenant platform.TenantID
}

// Create registers one device. A registration is replaced only when it has done
// its work: its OTP is spent, or it came of a bulk file and has none.
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
	if err := s.checkGroup(ctx, tenant, r.GroupID); err != nil {
		return platform.Registration{}, err
	}
	if err := s.checkLimit(ctx, tenant); err != nil {
		return platform.Registration{}, err
	}
	now := platform.Millis(s.now())
	cmd := platform.RegisterDevice{Registration: platform.Registration{
		Tenant: tenant, ExternalID: r.ExternalID, Status: platform.StatusWaiting, Owner: actor.User,
		Type: r.Type, GroupID: r.GroupID, Created: now, Custom: r.Custom, Extra: r.Extra,
	}}
	if err := s.addSecrets(ctx, &cmd.Registration, r); err != nil {
		return platform.Registration{}, err
	}
	if !cmd.Registration.HandsOut {
		if err := s.addObject(ctx, &cmd, now); err != nil {
			return platform.Registration{}, err
		}
	}
	reg := cmd.Registration
	done, err := s.store.Register(ctx, cmd, record(reg, actor, "registered", now))
	if err != nil {
		return platform.Registration{}, fmt.Errorf("register device: %w", err)
	}
	if err := s.tell(ctx, cmd, done); err != nil {
		return platform.Registration{}, err
	}
	return s.Get(ctx, tenant, r.ExternalID)
}

// addSecrets makes reg one for an enrolment, if there is an OTP, or else one
// under which the device fetches a password.
func (s *Service) addSecrets(ctx context.Context, reg *platform.Registration, r NewRequest) (err error) {
	if !r.OTP.IsZero() {
		reg.Status = platform.StatusAccepted
		reg.OTP, err = s.macs.MAC(ctx, reg.Tenant, reg.ExternalID, r.OTP)
	} else {
		reg.HandsOut = true
		if !r.SecurityToken.IsZero() {
			reg.OperatorToken, err = s.macs.MAC(ctx, reg.Tenant, reg.ExternalID, r.SecurityToken)
		}
	}
	if err != nil {
		return fmt.Errorf("hash one-time password or security token: %w", err)
	}
	return nil
}

func (s *Service) checkGroup(ctx context.Context, tenant platform.TenantID, group platform.ID) error {
	if group == 0 {
		return nil
	}
	_, err := s.store.Object(ctx, tenant, group)
	if errors.Is(err, problem.NotFound) {
		return problem.WithCode(problem.Unprocessable, validationCode, "There is no group with id "+group.String()+".", err)
	}
	return err
}

// maxCustomBytes bounds the further properties of a request; it is ours.
const maxCustomBytes = 16 << 10

func (r NewRequest) checkCustom() error {
	size := 0
	for name, value := range r.Custom {
		size += len(name) + len(value)
		if name == "" {
			return problem.WithCode(problem.Unprocessable, validationCode, "A property has no name.", nil)
		}
		if slices.Contains(reserved, name) {
			return problem.WithCode(problem.Unprocessable, validationCode, "The property '"+name+"' is reserved.", nil)
		}
	}
	for name, value := range r.Extra {
		size += len(name) + len(value)
	}
	if size > maxCustomBytes || len(r.SecurityToken.Reveal()) > maxTokenBytes {
		return problem.WithCode(problem.Unprocessable, validationCode, "customProperties and further members have at most 16384 bytes, a securityToken 256.", nil)
	}
	return nil
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
	if err := r.checkCustom(); err != nil {
		return err
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
	if have.Status == platform.StatusAccepted && !waitsForOTP && !have.HandsOut {
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
