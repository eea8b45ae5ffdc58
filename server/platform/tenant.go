package platform

import (
	"context"
	"time"
)

// Tenant is an isolated customer space.
type Tenant struct {
	ID      TenantID
	Domain  string // host name under which its clients reach it, "t1000.example.com"
	Created time.Time
}

// Role is a permission, written as on the wire: "ROLE_TENANT_ADMIN".
type Role string

// Roles of the contract (rest.md §0.3, §2, §3, §6).
const (
	RoleTenantAdmin           Role = "ROLE_TENANT_ADMIN"
	RoleTenantManagementAdmin Role = "ROLE_TENANT_MANAGEMENT_ADMIN"
	RoleTenantManagementRead  Role = "ROLE_TENANT_MANAGEMENT_READ"
	RoleDevice                Role = "ROLE_DEVICE"
	RoleDeviceBootstrap       Role = "ROLE_DEVICE_BOOTSTRAP"
	RoleDeviceControlAdmin    Role = "ROLE_DEVICE_CONTROL_ADMIN"
	RoleDeviceControlRead     Role = "ROLE_DEVICE_CONTROL_READ"
	RoleInventoryAdmin        Role = "ROLE_INVENTORY_ADMIN"
	RoleInventoryRead         Role = "ROLE_INVENTORY_READ"
	RoleInventoryCreate       Role = "ROLE_INVENTORY_CREATE"
	RoleManagedObjectAdmin    Role = "ROLE_MANAGED_OBJECT_ADMIN"
	RoleManagedObjectRead     Role = "ROLE_MANAGED_OBJECT_READ"
	RoleManagedObjectCreate   Role = "ROLE_MANAGED_OBJECT_CREATE"
	RoleBinaryAdmin           Role = "ROLE_BINARY_ADMIN"
	RoleBinaryRead            Role = "ROLE_BINARY_READ"
	RoleBinaryCreate          Role = "ROLE_BINARY_CREATE"
	RoleIdentityAdmin         Role = "ROLE_IDENTITY_ADMIN"
	RoleIdentityRead          Role = "ROLE_IDENTITY_READ"
	RoleMeasurementAdmin      Role = "ROLE_MEASUREMENT_ADMIN"
	RoleMeasurementRead       Role = "ROLE_MEASUREMENT_READ"
	RoleEventAdmin            Role = "ROLE_EVENT_ADMIN"
	RoleEventRead             Role = "ROLE_EVENT_READ"
	RoleAlarmAdmin            Role = "ROLE_ALARM_ADMIN"
	RoleAlarmRead             Role = "ROLE_ALARM_READ"
	RoleAuditAdmin            Role = "ROLE_AUDIT_ADMIN"
	RoleAuditRead             Role = "ROLE_AUDIT_READ"
	RoleRetentionAdmin        Role = "ROLE_RETENTION_RULE_ADMIN"
	RoleRetentionRead         Role = "ROLE_RETENTION_RULE_READ"
	RoleOptionAdmin           Role = "ROLE_OPTION_MANAGEMENT_ADMIN"
	RoleOptionRead            Role = "ROLE_OPTION_MANAGEMENT_READ"
	RoleUserAdmin             Role = "ROLE_USER_MANAGEMENT_ADMIN"
	RoleUserRead              Role = "ROLE_USER_MANAGEMENT_READ"
	RoleUserOwnRead           Role = "ROLE_USER_MANAGEMENT_OWN_READ"
	RoleMQTTServiceAdmin      Role = "ROLE_MQTT_SERVICE_ADMIN"
	RoleMQTTServiceRead       Role = "ROLE_MQTT_SERVICE_MESSAGING_TOPICS_READ"
	RoleMQTTServiceUpdate     Role = "ROLE_MQTT_SERVICE_MESSAGING_TOPICS_UPDATE"
	RoleNotificationAdmin     Role = "ROLE_NOTIFICATION_2_ADMIN"
)

// AdminRoles is what the initial administrator of a tenant may do: everything
// within the tenant.
var AdminRoles = []Role{
	RoleTenantAdmin, RoleTenantManagementAdmin, RoleTenantManagementRead,
	RoleDeviceControlAdmin, RoleDeviceControlRead, RoleInventoryAdmin, RoleInventoryRead, RoleInventoryCreate,
	RoleIdentityAdmin, RoleIdentityRead, RoleMeasurementAdmin, RoleMeasurementRead, RoleEventAdmin, RoleEventRead,
	RoleAlarmAdmin, RoleAlarmRead, RoleAuditAdmin, RoleAuditRead, RoleOptionAdmin, RoleOptionRead,
	RoleUserAdmin, RoleUserRead, RoleUserOwnRead, RoleRetentionAdmin, RoleRetentionRead, RoleNotificationAdmin,
	RoleMQTTServiceAdmin, RoleMQTTServiceRead, RoleMQTTServiceUpdate,
	RoleManagedObjectAdmin, RoleManagedObjectRead, RoleManagedObjectCreate, RoleBinaryAdmin, RoleBinaryRead, RoleBinaryCreate,
}

// RolesMQTTService are those of which one makes a person an application on the
// MQTT Service, which hears devices; other users are devices to it.
var RolesMQTTService = []Role{RoleMQTTServiceAdmin, RoleMQTTServiceRead, RoleMQTTServiceUpdate, RoleInventoryAdmin}

// DeviceRoles is what a device user may do. Everything else it may do follows
// from owning its managed object.
var DeviceRoles = []Role{RoleDevice, RoleUserOwnRead, RoleInventoryCreate}

// User is a person or a program of a tenant. Device users are DeviceUser.
type User struct {
	Tenant       TenantID
	Name         string
	PasswordHash string // argon2id in PHC form; empty: no password login
	Roles        []Role
	Groups       []ID // in ascending order; they hold further roles
	Enabled      bool
	Email        string
	FirstName    string
	LastName     string
	Created      time.Time
	PasswordSet  time.Time

	Phone         string
	DisplayName   string
	ResetPassword bool      // is asked to choose a new password
	Custom        Fragments // customProperties; nil: none
}

// UserFilter selects users. Empty fields select all.
type UserFilter struct {
	Prefix   string // of the user name, without regard to case
	Contains string // in the user name, without regard to case
	Group    ID     // member of it; devices are in none
}

// Principal is who is calling, after authentication.
type Principal struct {
	Tenant TenantID
	User   string // "admin", "device_dev1"
	Device string // external ID if the caller is a device, else empty
	Roles  []Role
	Method AuthMethod
	Serial string // serial of the certificate behind the session (lower-case hex), if any
	Login  *Login // of a person who came by token; else nil
	// Origin is of the certificate behind the session or the device token; nil: none.
	Origin *Origin
}

// Origin is what the trust in a device's certificate rests on.
type Origin struct {
	AnchorKey [16]byte // as in Verdict
	Serials   []string // leaf first, lower-case hex; those that must not be revoked
}

// Login is a person's session, as their token tells it.
type Login struct {
	ID      string
	XSRF    string // what a browser must repeat in a header
	At      time.Time
	Expires time.Time
}

// AuthMethod is how a principal proved who it is.
type AuthMethod string

// The methods.
const (
	ByPassword    AuthMethod = "password"
	ByToken       AuthMethod = "token"
	ByCertificate AuthMethod = "certificate"
	ByAdminSocket AuthMethod = "admin-socket" // owner of the data directory
)

// Has reports whether p holds role.
func (p Principal) Has(role Role) bool {
	for _, r := range p.Roles {
		if r == role {
			return true
		}
	}
	return false
}

// HasAny reports whether p holds one of roles.
func (p Principal) HasAny(roles ...Role) bool {
	for _, r := range roles {
		if p.Has(r) {
			return true
		}
	}
	return false
}

// IsDevice reports whether p acts for one device.
func (p Principal) IsDevice() bool { return p.Device != "" }

// OptionKey names a tenant option, "configuration"/"crl.offline.check.enabled".
type OptionKey struct{ Category, Key string }

// Option is a tenant option. Values are text on the wire and in the store.
type Option struct {
	OptionKey
	Value string
}

// Options that the server itself reads.
var (
	OptionOfflineCheck = OptionKey{"configuration", "crl.offline.check.enabled"}
	OptionOnlineCheck  = OptionKey{"configuration", "crl.online.check.enabled"}
	// OptionOnlineFailure is "refuse" if a device is refused whose issuer's list
	// cannot be had; whatever else it is, such a device is accepted.
	OptionOnlineFailure = OptionKey{"configuration", "crl.online.check.failure"}
	OptionTokenLifespan = OptionKey{"oauth.internal", "device-token.lifespan.seconds"}
	OptionLoginLifespan = OptionKey{"oauth.internal", "basic-token.lifespan.seconds"}
	// OptionLoginsFrom is when all logins of the tenant were ended, in Unix
	// milliseconds.
	OptionLoginsFrom = OptionKey{"mooring", "logins.from"}
	// OptionTokenPolicy is REQUIRED, OPTIONAL or IGNORED (rest.md §5.4).
	OptionTokenPolicy = OptionKey{"device-registration", "security-token.policy"}
	// OptionDeviceLimit is how many devices a tenant may have; unset: any number.
	OptionDeviceLimit = OptionKey{"device-registration", "device.limit"}

	// OptionPasswordBesideCertificate is "true" if a device that sends a certificate
	// that is refused may log in by the password it sends with it. Else the
	// certificate decides (mqtt.md §1.2).
	OptionPasswordBesideCertificate = OptionKey{"mqtt", "password.beside.certificate"}
	// OptionPublishRate is how many publishes a second one device may send in the
	// long run, and OptionPublishBurst how many at once; decimal numbers.
	OptionPublishRate  = OptionKey{"mqtt", "device.publish.rate"}
	OptionPublishBurst = OptionKey{"mqtt", "device.publish.burst"}

	// OptionPendingTimeout and OptionExecutingTimeout are after how many minutes
	// an operation fails that the device did not start or finish; unset: never.
	OptionPendingTimeout   = OptionKey{"device-control", "operation.pending.timeout.minutes"}
	OptionExecutingTimeout = OptionKey{"device-control", "operation.executing.timeout.minutes"}

	// OptionServiceIsolation is "false" if the devices of a tenant hear each other on
	// the MQTT Service; whatever else it is, they do not (mqtt.md §1.9).
	OptionServiceIsolation = OptionKey{"mqtt-service", "device.isolation"}

	// OptionServiceRestricted is "false" if the MQTT Service offers all of MQTT.
	// Whatever else it is, the service is as narrow as the vendor's (mqtt.md §1.9): no
	// session that outlives its connection, nothing retained, QoS 0 and 1, one filter
	// in a SUBSCRIBE.
	OptionServiceRestricted = OptionKey{"mqtt-service", "restricted"}

	// OptionApproval is "manual" if an operator accepts each first enrolment.
	OptionApproval = OptionKey{"certificate-authority", "enrolment.approval"}
	// OptionGraceDays is for how many days after its end a leaf may still re-enrol.
	OptionGraceDays = OptionKey{"certificate-authority", "re-enrolment.grace.days"}
	// OptionStrictSubject is "true" if the subject must stay as it is, byte for byte.
	OptionStrictSubject = OptionKey{"certificate-authority", "re-enrolment.strict.subject"}
	// OptionTLSUnique is "true" if a request must carry the tls-unique of its
	// connection (RFC 7030 §3.5).
	OptionTLSUnique = OptionKey{"certificate-authority", "tls-unique.required"}
	// OptionAttestation says whether devices prove that a TPM holds their keys:
	// AttestationOff, AttestationOptional or AttestationRequired. Unset is off; any
	// other value is required.
	OptionAttestation = OptionKey{"certificate-authority", "enrolment.attestation"}
	// OptionSameTPM is "refuse" if a TPM that holds the key of one device may not hold
	// that of another. Whatever else it is, the audit log tells of it.
	OptionSameTPM = OptionKey{"certificate-authority", "enrolment.attestation.same-tpm"}
)

// Values of OptionAttestation.
const (
	AttestationOff = "off"
	// AttestationOptional takes devices without proof. One that has given proof does so
	// at its renewals, too.
	AttestationOptional = "optional"
	AttestationRequired = "required"
)

// FeatureCertificateAuthority switches the tenant certificate authority
// (rest.md §2.2). Overrides of a feature are tenant options of category
// FeatureCategory with "true" or "false".
const (
	FeatureCertificateAuthority = "certificate-authority"
	// FeatureWithoutChildren leaves the children out of managed objects unless a
	// query asks for them (rest.md §6.1).
	FeatureWithoutChildren = "core.inventory.without.children"
	FeatureCategory        = "features"
)

// Tenants keeps tenants.
type Tenants interface {
	// CreateTenant adds the tenant and its first user together. Conflict if the ID or the domain is taken.
	CreateTenant(ctx context.Context, t Tenant, admin User, audit ...AuditRecord) error
	Tenant(ctx context.Context, id TenantID) (Tenant, error)
	// Tenants lists all tenants in the order of their creation.
	Tenants(ctx context.Context) ([]Tenant, error)
}

// Users keeps the users that are not device users.
type Users interface {
	User(ctx context.Context, tenant TenantID, name string) (User, error)
	Users(ctx context.Context, tenant TenantID, f UserFilter, page Page) (List[User], error)
	// PutUser creates or replaces a user. Change: ChangeUser.
	PutUser(ctx context.Context, u User, audit ...AuditRecord) error
	// CreateUser is Conflict if the user exists. Change: ChangeUser.
	CreateUser(ctx context.Context, u User, audit ...AuditRecord) error
	DeleteUser(ctx context.Context, tenant TenantID, name string, audit ...AuditRecord) error

	// EndSession keeps the ID of a login until it would expire, and drops those
	// that expired before now. Change: ChangeSession.
	EndSession(ctx context.Context, tenant TenantID, id string, until, now time.Time) error
	SessionEnded(ctx context.Context, tenant TenantID, id string) (bool, error)
}

// Options keeps tenant options. Change: ChangeOption, key "category/key".
type Options interface {
	Option(ctx context.Context, tenant TenantID, key OptionKey) (Option, error)
	// Options lists the options of a category in key order; all categories if it is empty.
	Options(ctx context.Context, tenant TenantID, category string) ([]Option, error)
	SetOptions(ctx context.Context, tenant TenantID, options []Option, audit ...AuditRecord) error
	DeleteOption(ctx context.Context, tenant TenantID, key OptionKey, audit ...AuditRecord) error
}
