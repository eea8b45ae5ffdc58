package platform

import (
	"context"
	"time"
)

// CredentialKind is how a device user authenticates.
type CredentialKind string

// The kinds. A user set up with a password cannot use a certificate until an
// enrolment with that password converts it (mqtt.md §1.6).
const (
	CredentialCertificate CredentialKind = "certificate"
	CredentialPassword    CredentialKind = "password"
)

// DeviceUser is the platform user "device_<ExternalID>" that acts for one device.
type DeviceUser struct {
	Tenant      TenantID
	ExternalID  string // the device's own name, without "device_"
	Credential  CredentialKind
	Password    SecretMAC // set only for CredentialPassword
	Enabled     bool
	Created     time.Time
	Provisioned []ProvisionedCertificate // newest notBefore first, at most MaxProvisioned
}

// MaxProvisioned is how many certificates a device user remembers (rest.md §6.11).
const MaxProvisioned = 5

// ProvisionedCertificate is a certificate seen in a successful handshake.
type ProvisionedCertificate struct {
	Serial    string // lower-case hex without leading zeros
	NotBefore time.Time
	NotAfter  time.Time
	FirstSeen time.Time
}

// SecretMAC is HMAC-SHA-256 over (tenant, user, secret) under the random
// server key KeyID (design decision 9). The zero value matches nothing.
type SecretMAC struct {
	KeyID string
	MAC   []byte // 32 bytes
}

// DeviceUsers keeps device users. Change: ChangeDeviceUser, key = external ID.
type DeviceUsers interface {
	DeviceUser(ctx context.Context, tenant TenantID, externalID string) (DeviceUser, error)
	// DeviceUsers lists those whose user names match f.
	DeviceUsers(ctx context.Context, tenant TenantID, f UserFilter, page Page) (List[DeviceUser], error)
	// CreateDeviceUser is Conflict if the user exists.
	CreateDeviceUser(ctx context.Context, u DeviceUser, audit ...AuditRecord) error
	SetDeviceUserEnabled(ctx context.Context, tenant TenantID, externalID string, enabled bool, audit ...AuditRecord) error
	// SetDevicePassword is Conflict for a device that is set up for certificates.
	SetDevicePassword(ctx context.Context, tenant TenantID, externalID string, password SecretMAC, audit ...AuditRecord) error
	DeleteDeviceUser(ctx context.Context, tenant TenantID, externalID string, audit ...AuditRecord) error
	// RecordProvisioned adds c, keeping the MaxProvisioned certificates with the
	// newest NotBefore. recorded is false, and the audit rows are not written, if
	// the serial was known already.
	RecordProvisioned(ctx context.Context, tenant TenantID, externalID string, c ProvisionedCertificate, audit ...AuditRecord) (recorded bool, err error)
}

// RegistrationStatus is the state of a registration (rest.md §5.1).
type RegistrationStatus string

// The states.
const (
	StatusWaiting  RegistrationStatus = "WAITING_FOR_CONNECTION"
	StatusPending  RegistrationStatus = "PENDING_ACCEPTANCE"
	StatusAccepted RegistrationStatus = "ACCEPTED"
	StatusBlocked  RegistrationStatus = "BLOCKED"
)

// Registration is the operator's record "this external ID may enrol with this
// OTP". There is at most one for each (tenant, external ID).
type Registration struct {
	Tenant     TenantID
	ExternalID string
	Status     RegistrationStatus
	Owner      string    // user who registered it
	OTP        SecretMAC // zero: no enrolment by OTP
	OTPSpent   *SpentOTP // nil while the OTP may still be used
	Type       string
	GroupID    ID // zero: none
	Created    time.Time
	Epoch      int64 // counts registrations of this external ID; set by the store
	// AskedKey is the SHA-256 of the SubjectPublicKeyInfo that asked to enrol and
	// waits for the operator's word (StatusPending) or has it (StatusAccepted).
	// Zero: none asked.
	AskedKey [32]byte

	// HandsOut is set while the device may fetch a password (rest.md §5.3).
	HandsOut bool
	// OperatorToken and DeviceToken are the security token as the operator gave
	// it beforehand and as the device sent it; zero: none (rest.md §5.4).
	OperatorToken SecretMAC
	DeviceToken   SecretMAC
	Tries         int       // wrong security tokens given at acceptance
	Custom        Fragments // customProperties; nil: none
	// Extra are further members of the request as a client sent it, beside
	// customProperties; nil: none. No name of Custom is empty.
	Extra Fragments
}

// SpentOTP tells what the OTP bought, so that a lost answer can be given again
// to the same key (design decision 10).
type SpentOTP struct {
	KeyHash     [32]byte // SHA-256 of the CSR's SubjectPublicKeyInfo
	Serial      string   // serial of the certificate that was issued, lower-case hex
	Certificate []byte   // its DER
	At          time.Time
}

// RegisterDevice is one row of a registration: everything that exists at once
// after it. The store does all of it or nothing.
type RegisterDevice struct {
	Registration Registration
	// Object is created with its external IDs unless the first of ExternalIDs is
	// bound already, in which case the existing object stays as it is. A zero
	// Object.ID means that no object is wanted (single registration).
	Object      ManagedObject
	ExternalIDs []ExternalID
	// User is created, or its credential replaced if it exists; nil: none.
	User *DeviceUser
	// Groups is the path of group names to put the object in, outermost first;
	// groups that do not exist under that path are created with GroupIDs. Without
	// an object the last group becomes the registration's.
	Groups   []string
	GroupIDs []ID // one for each of Groups, used only for those that are created
}

// Registered tells what a registration did.
type Registered struct {
	Created           bool // the device user or request is new
	CredentialUpdated bool
	ObjectID          ID // of the created or existing object; zero if none
}

// MaxAwaited bounds how many tenants may wait for devices of one external ID
// before the question whose it is has no answer anyway.
const MaxAwaited = 16

// Registrations keeps registrations and issues enrolment certificates.
type Registrations interface {
	// Register carries out one row. A registration that exists is replaced, with
	// a new Epoch and an unspent OTP.
	Register(ctx context.Context, r RegisterDevice, audit ...AuditRecord) (Registered, error)
	Registration(ctx context.Context, tenant TenantID, externalID string) (Registration, error)
	Registrations(ctx context.Context, tenant TenantID, page Page) (List[Registration], error)
	DeleteRegistration(ctx context.Context, tenant TenantID, externalID string, audit ...AuditRecord) error
	// AdvanceRegistration stores status, security tokens and tries of next. It is
	// Conflict unless the epoch, status and tries in the store are those of have.
	AdvanceRegistration(ctx context.Context, have, next Registration, audit ...AuditRecord) error
	// HandOut ends cmd.Registration, which must be accepted and hand out a
	// password, and makes the rest of cmd as Register does. Conflict if the
	// registration is no longer there as it was read.
	HandOut(ctx context.Context, cmd RegisterDevice, audit ...AuditRecord) (Registered, error)
	// Awaited lists the registrations of all tenants, at most MaxAwaited, under
	// which a device of that external ID may fetch a password.
	Awaited(ctx context.Context, externalID string) ([]Registration, error)
}
