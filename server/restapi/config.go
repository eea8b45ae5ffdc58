package restapi

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"time"

	"mooring/internal/secret"
	"mooring/server/account"
	"mooring/server/binary"
	"mooring/server/inventory"
	"mooring/server/openapi"
	"mooring/server/operation"
	"mooring/server/platform"
	"mooring/server/registration"
	"mooring/server/telemetry"
	"mooring/server/trust"
)

// Config is the services the API speaks for.
type Config struct {
	Auth          Authenticator
	Accounts      Accounts
	DeviceUsers   DeviceUsers
	Inventory     Inventory
	Files         Files
	IDs           IDs
	Telemetry     Telemetry
	Operations    Operations
	Audit         Audit
	Retention     Retention
	Legacy        LegacyTemplates
	Trust         Trust
	Authority     Authority
	Tokens        Tokens
	Registrations Registrations
	Refusals      Refusals
	Attestations  Attestations

	Notifications      Notifications
	NotificationTokens NotificationTokens

	// Described are calls of other front ends, for the description of the API.
	Described []openapi.Call

	// Version is what clients read as the system's version at login.
	Version string
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil discards
}

// Authenticator finds out who sends a request: server/httpauth.
type Authenticator interface {
	Principal(r *http.Request) (platform.Principal, error)
	Tenant(r *http.Request) (platform.TenantID, error)
	// ReEnrolling is Principal that takes a certificate within its grace window too.
	ReEnrolling(r *http.Request) (platform.Principal, error)
	// Verdict is the decision on the client certificate of r, whatever it is.
	Verdict(r *http.Request) (platform.Verdict, error)
}

// Accounts is tenants, people, options and features: server/account.
type Accounts interface {
	Tenant(ctx context.Context, id platform.TenantID) (platform.Tenant, error)

	User(ctx context.Context, tenant platform.TenantID, name string) (platform.User, error)
	TenantForHost(ctx context.Context, host string) (platform.TenantID, error)
	CreateTenant(ctx context.Context, t platform.Tenant, adminName string, password secret.String) error
	Authenticate(ctx context.Context, tenant platform.TenantID, user string, password secret.String, address string) (platform.Principal, error)
	Logout(ctx context.Context, p platform.Principal) error
	LogoutAll(ctx context.Context, actor platform.Principal) error
	SetEditable(ctx context.Context, actor platform.Principal, key platform.OptionKey, editable bool) error

	CreateUser(ctx context.Context, actor platform.Principal, u platform.User, password secret.String) error
	UpdateUser(ctx context.Context, actor platform.Principal, u platform.User, password secret.String) error
	DeleteUser(ctx context.Context, actor platform.Principal, tenant platform.TenantID, name string) error
	ChangeOwnPassword(ctx context.Context, actor platform.Principal, current, next secret.String, address string) error
	Groups(ctx context.Context, tenant platform.TenantID) ([]platform.Group, error)
	Group(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Group, error)
	GroupByName(ctx context.Context, tenant platform.TenantID, name string) (platform.Group, error)
	CreateGroup(ctx context.Context, actor platform.Principal, g platform.Group) (platform.Group, error)
	UpdateGroup(ctx context.Context, actor platform.Principal, g platform.Group) error
	DeleteGroup(ctx context.Context, actor platform.Principal, tenant platform.TenantID, id platform.ID) error
	EffectiveRoles(ctx context.Context, u platform.User) ([]platform.Role, error)
	Users(ctx context.Context, tenant platform.TenantID, f platform.UserFilter, page platform.Page) (platform.List[platform.User], error)

	Option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (value string, set bool, err error)
	Options(ctx context.Context, tenant platform.TenantID, category string) ([]platform.Option, error)
	SetOptions(ctx context.Context, actor platform.Principal, tenant platform.TenantID, options []platform.Option) error
	DeleteOption(ctx context.Context, actor platform.Principal, tenant platform.TenantID, key platform.OptionKey) error

	InventoryRoles(ctx context.Context, tenant platform.TenantID) ([]platform.InventoryRole, error)
	InventoryRole(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.InventoryRole, error)
	PutInventoryRole(ctx context.Context, actor platform.Principal, r platform.InventoryRole) (platform.InventoryRole, error)
	DeleteInventoryRole(ctx context.Context, actor platform.Principal, tenant platform.TenantID, id platform.ID) error
	InventoryAssignments(ctx context.Context, tenant platform.TenantID, user string) ([]platform.InventoryAssignment, error)
	PutInventoryAssignment(ctx context.Context, actor platform.Principal, a platform.InventoryAssignment) (platform.InventoryAssignment, error)
	DeleteInventoryAssignment(ctx context.Context, actor platform.Principal, tenant platform.TenantID, user string, id platform.ID) error
	Grants(ctx context.Context, tenant platform.TenantID, user string) ([]account.Grant, error)
	Features(ctx context.Context, tenant platform.TenantID) ([]account.Feature, error)
	FeatureOf(ctx context.Context, tenant platform.TenantID, key string) (account.Feature, error)
	SetFeature(ctx context.Context, actor platform.Principal, tenant platform.TenantID, key string, active bool) error
	ResetFeature(ctx context.Context, actor platform.Principal, tenant platform.TenantID, key string) error
	Tenants(ctx context.Context) ([]platform.Tenant, error)
}

// DeviceUsers shows and switches the users of devices; platform.DeviceUsers
// has these methods.
type DeviceUsers interface {
	DeviceUser(ctx context.Context, tenant platform.TenantID, externalID string) (platform.DeviceUser, error)
	DeviceUsers(ctx context.Context, tenant platform.TenantID, f platform.UserFilter, page platform.Page) (platform.List[platform.DeviceUser], error)
	DeleteDeviceUser(ctx context.Context, tenant platform.TenantID, externalID string, audit ...platform.AuditRecord) error
	SetDeviceUserEnabled(ctx context.Context, tenant platform.TenantID, externalID string, enabled bool, audit ...platform.AuditRecord) error
}

// Inventory is managed objects and their names: server/inventory.
type Inventory interface {
	Owner(ctx context.Context, tenant platform.TenantID, id platform.ID) (string, error)
	Within(ctx context.Context, tenant platform.TenantID, id platform.ID, user string) (bool, error)
	Create(ctx context.Context, tenant platform.TenantID, cmd platform.CreateObject) (platform.ManagedObject, error)
	CreateAll(ctx context.Context, tenant platform.TenantID, cmds []platform.CreateObject) ([]platform.ManagedObject, error)
	Update(ctx context.Context, tenant platform.TenantID, cmd platform.UpdateObject) (platform.ManagedObject, error)
	UpdateAll(ctx context.Context, tenant platform.TenantID, cmds []platform.UpdateObject) ([]platform.ManagedObject, error)
	Delete(ctx context.Context, actor platform.Principal, tenant platform.TenantID, id platform.ID, cascade platform.Cascade) error
	Object(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.ManagedObject, error)
	Objects(ctx context.Context, tenant platform.TenantID, f platform.ObjectFilter, page platform.Page) (platform.List[platform.ManagedObject], error)

	Resolve(ctx context.Context, tenant platform.TenantID, xid platform.ExternalID) (platform.ID, error)
	ExternalIDs(ctx context.Context, tenant platform.TenantID, id platform.ID) ([]platform.ExternalID, error)
	Bind(ctx context.Context, tenant platform.TenantID, id platform.ID, xid platform.ExternalID) error
	// MayClaim is problem.Forbidden for a device that wants the name of another.
	MayClaim(ctx context.Context, tenant platform.TenantID, user string, xids ...platform.ExternalID) error
	Unbind(ctx context.Context, tenant platform.TenantID, xid platform.ExternalID) error

	AddChild(ctx context.Context, tenant platform.TenantID, links ...platform.ChildLink) error
	RemoveChild(ctx context.Context, tenant platform.TenantID, links ...platform.ChildLink) error
	Child(ctx context.Context, tenant platform.TenantID, link platform.ChildLink) (platform.ManagedObject, error)
	Names(ctx context.Context, tenant platform.TenantID, ids []platform.ID) (map[platform.ID]string, error)
	// Descendants lists what is below an object, at most limit, in no order.
	Descendants(ctx context.Context, tenant platform.TenantID, root platform.ID, kinds []platform.ChildKind, limit int) ([]platform.ID, error)
	Parents(ctx context.Context, tenant platform.TenantID, child platform.ID, kind platform.ChildKind) ([]platform.ManagedObject, error)
	ChildrenOf(ctx context.Context, tenant platform.TenantID, parents []platform.ID) ([]platform.Relative, error)
	CountChildrenOf(ctx context.Context, tenant platform.TenantID, parents []platform.ID) (map[platform.ID]map[platform.ChildKind]int64, error)
	ParentsOf(ctx context.Context, tenant platform.TenantID, children []platform.ID, ancestors bool) ([]platform.Relative, error)

	// Software is the advanced software list of a device.
	Software(ctx context.Context, tenant platform.TenantID, device platform.ID) ([]inventory.Software, error)
	// MirrorParameters takes over what a device reports as its parameters.
	MirrorParameters(ctx context.Context, tenant platform.TenantID, device platform.ID, parameters json.RawMessage) error
}

// Files is the bytes of files: server/binary.
type Files interface {
	Store(ctx context.Context, tenant platform.TenantID, object platform.ID, r io.Reader) (platform.Binary, error)
	Open(ctx context.Context, tenant platform.TenantID, object platform.ID) (*binary.Content, error)
	Delete(ctx context.Context, tenant platform.TenantID, object platform.ID) error
	// Bound is how many bytes a file may have.
	Bound() int64
}

// IDs gives out identifiers of the instance.
type IDs interface {
	NewID(ctx context.Context) (platform.ID, error)
}

// Telemetry is measurements, events and alarms: server/telemetry.
type Telemetry interface {
	CreateMeasurements(ctx context.Context, tenant platform.TenantID, ms []platform.Measurement) ([]platform.Measurement, error)
	Measurement(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Measurement, error)
	Measurements(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter, page platform.Page) (platform.List[platform.Measurement], error)
	DeleteMeasurements(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter) error
	Series(ctx context.Context, tenant platform.TenantID, q telemetry.SeriesQuery) (telemetry.SeriesResult, error)
	SeriesOf(ctx context.Context, tenant platform.TenantID, source platform.ID) ([]platform.SeriesName, error)
	Latest(ctx context.Context, tenant platform.TenantID, source platform.ID) ([]telemetry.LatestValue, error)
	DeleteMeasurement(ctx context.Context, tenant platform.TenantID, id platform.ID) error

	CreateEvent(ctx context.Context, tenant platform.TenantID, e platform.Event) (platform.Event, error)
	Event(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Event, error)
	Events(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter, page platform.Page) (platform.List[platform.Event], error)
	UpdateEvent(ctx context.Context, tenant platform.TenantID, u platform.EventUpdate) (platform.Event, error)
	DeleteEvents(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter) error
	DeleteEvent(ctx context.Context, tenant platform.TenantID, id platform.ID) error

	RaiseAlarm(ctx context.Context, tenant platform.TenantID, by string, a platform.Alarm) (platform.Alarm, error)
	Alarm(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Alarm, error)
	Alarms(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter, page platform.Page) (platform.List[platform.Alarm], error)
	UpsertAlarm(ctx context.Context, tenant platform.TenantID, u platform.AlarmUpsert) (before *platform.Alarm, after platform.Alarm, err error)
	SetAlarmStatus(ctx context.Context, tenant platform.TenantID, by string, f platform.TelemetryFilter, status platform.AlarmStatus) error
	DeleteAlarms(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter) error
	CountAlarms(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter) (int64, error)
	UpdateAlarm(ctx context.Context, tenant platform.TenantID, u platform.AlarmUpdate) (platform.Alarm, error)
}

// Operations is what devices are told to do: server/operation.
type Operations interface {
	Create(ctx context.Context, actor platform.Principal, device platform.ID, fragments platform.Fragments) (platform.Operation, error)
	Operation(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Operation, error)
	Operations(ctx context.Context, tenant platform.TenantID, f platform.OperationFilter, page platform.Page) (platform.List[platform.Operation], error)
	Update(ctx context.Context, actor platform.Principal, id platform.ID, ch operation.Change) (platform.Operation, error)
	Delete(ctx context.Context, actor platform.Principal, f platform.OperationFilter) error

	CreateBulk(ctx context.Context, actor platform.Principal, b platform.BulkOperation) (platform.BulkOperation, error)
	Bulk(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.BulkOperation, error)
	Bulks(ctx context.Context, tenant platform.TenantID, page platform.Page) (platform.List[platform.BulkOperation], error)
	BulkProgress(ctx context.Context, tenant platform.TenantID, id platform.ID) (map[platform.OperationStatus]int64, error)
	UpdateBulk(ctx context.Context, actor platform.Principal, id platform.ID, ch operation.BulkChange) (platform.BulkOperation, error)
}

// Audit is the audit log: server/audit.
type Audit interface {
	Append(ctx context.Context, actor platform.Principal, r platform.AuditRecord) (platform.AuditRecord, error)
	Record(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.AuditRecord, error)
	List(ctx context.Context, tenant platform.TenantID, f platform.AuditFilter, page platform.Page) (platform.List[platform.AuditRecord], error)
}

// Retention is the rules by which data is removed: server/retention.
type Retention interface {
	List(ctx context.Context, tenant platform.TenantID, page platform.Page) (platform.List[platform.RetentionRule], error)
	Rule(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.RetentionRule, error)
	Create(ctx context.Context, actor platform.Principal, r platform.RetentionRule) (platform.RetentionRule, error)
	Update(ctx context.Context, actor platform.Principal, id platform.ID, change func(*platform.RetentionRule) error) (platform.RetentionRule, error)
	Delete(ctx context.Context, actor platform.Principal, id platform.ID) error
}

// Trust is trusted certificates and revocation: server/trust.
type Trust interface {
	Create(ctx context.Context, actor platform.Principal, tenant platform.TenantID, n trust.NewCertificate) (platform.TrustedCertificate, error)
	CreateAll(ctx context.Context, actor platform.Principal, tenant platform.TenantID, all []trust.NewCertificate) ([]platform.TrustedCertificate, error)
	List(ctx context.Context, tenant platform.TenantID, onlyCA bool, page platform.Page) (platform.List[platform.TrustedCertificate], error)
	Get(ctx context.Context, tenant platform.TenantID, fingerprint string) (platform.TrustedCertificate, error)
	Update(ctx context.Context, actor platform.Principal, tenant platform.TenantID, fingerprint string, ch trust.CertificateChange) (platform.TrustedCertificate, error)
	Delete(ctx context.Context, actor platform.Principal, tenant platform.TenantID, fingerprint string) error
	NewCode(ctx context.Context, actor platform.Principal, tenant platform.TenantID, fingerprint string) (platform.TrustedCertificate, error)
	Prove(ctx context.Context, actor platform.Principal, tenant platform.TenantID, fingerprint, signature string) (platform.TrustedCertificate, error)
	Confirm(ctx context.Context, actor platform.Principal, tenant platform.TenantID, fingerprint string) (platform.TrustedCertificate, error)
	Verify(chain []*x509.Certificate, now time.Time) platform.Verdict
	Revoke(ctx context.Context, actor platform.Principal, tenant platform.TenantID, entries []platform.Revocation) (added int, err error)
	Revocations(ctx context.Context, tenant platform.TenantID) ([]platform.Revocation, error)
}

// Authority is the tenants' certificate authorities: server/ca.
type Authority interface {
	Create(ctx context.Context, tenant platform.TenantID, actor platform.Principal) (platform.TrustedCertificate, error)
	// Renew gives it the next certificate, for the same key.
	Renew(ctx context.Context, tenant platform.TenantID, actor platform.Principal) (platform.TrustedCertificate, error)
	// CRL is the list of the authority's own revoked leaves, OfflineList any
	// other list signed by it; both in DER.
	CRL(ctx context.Context, tenant platform.TenantID) ([]byte, error)
	OfflineList(ctx context.Context, tenant platform.TenantID, entries []platform.Revocation) ([]byte, error)
}

// Tokens issues device tokens: server/devicetoken.
type Tokens interface {
	Issue(ctx context.Context, p platform.Principal, host string) (token string, err error)
	// IssueLogin issues one to a person who has proved their password.
	IssueLogin(ctx context.Context, p platform.Principal, host string) (token, xsrf string, err error)
	// LoginLifespan is how long logins of a tenant last.
	LoginLifespan(ctx context.Context, tenant platform.TenantID) (time.Duration, error)
}

// Registrations is who may enrol: server/registration.
type Registrations interface {
	Bulk(ctx context.Context, actor platform.Principal, csv io.Reader) (registration.BulkResult, error)
	Create(ctx context.Context, actor platform.Principal, r registration.NewRequest) (platform.Registration, error)
	Get(ctx context.Context, tenant platform.TenantID, externalID string) (platform.Registration, error)
	List(ctx context.Context, tenant platform.TenantID, page platform.Page) (platform.List[platform.Registration], error)
	Delete(ctx context.Context, actor platform.Principal, externalID string) error
	Accept(ctx context.Context, actor platform.Principal, externalID string, token secret.String) (platform.Registration, error)
	SetPassword(ctx context.Context, actor platform.Principal, tenant platform.TenantID, externalID string, password secret.String) error
	Limit(ctx context.Context, tenant platform.TenantID) (registration.Limit, error)
	Policy(ctx context.Context, tenant platform.TenantID) (registration.TokenPolicy, error)
	Fetch(ctx context.Context, hint platform.TenantID, externalID string, token secret.String) (registration.Credentials, error)
}

// Refusals lists why somebody was refused: server/refusal.
type Refusals interface {
	List(ctx context.Context, tenant platform.TenantID, cn string, page platform.Page) (platform.List[platform.Refusal], error)
}
