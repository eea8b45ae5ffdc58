package platform

import (
	"context"
	"time"
)

// AuditRecord is one line of the audit log (rest.md §1.9, §6.8).
type AuditRecord struct {
	ID       ID // given by the store if it is zero
	Tenant   TenantID
	At       time.Time
	Type     string // "TenantCertificateAuthority", "TrustedCertificates", "User", …
	Activity string
	Text     string
	User     string // who did it; empty: the server
	Severity string // "information" if empty
	Source   string // what it was done to: an object's ID, a fingerprint, a user name

	Application string
	Changes     string    // JSON array of what changed, as a client sent it; empty: none
	Created     time.Time // when it was stored; zero: At
}

// AuditFilter selects audit records. Zero fields select all.
type AuditFilter struct {
	Type        string
	User        string
	Source      string
	Application string
	From        time.Time // inclusive
	To          time.Time // exclusive
	// OldestFirst orders by ID ascending; the default is newest first.
	OldestFirst bool
}

// Audits keeps the audit log. Rows that belong to a command are written by
// that command; AppendAudit is for those that stand alone.
type Audits interface {
	AppendAudit(ctx context.Context, records ...AuditRecord) error
	AuditRecord(ctx context.Context, tenant TenantID, id ID) (AuditRecord, error)
	AuditRecords(ctx context.Context, tenant TenantID, f AuditFilter, page Page) (List[AuditRecord], error)
}

// Refusals keeps the reasons why somebody was refused.
type Refusals interface {
	// SaveRefusals keeps at most perCN newest for each (tenant, CN).
	SaveRefusals(ctx context.Context, refusals []Refusal, perCN int) error
	// Refusals lists those of a CN, newest first; all CNs if it is empty.
	Refusals(ctx context.Context, tenant TenantID, cn string, page Page) (List[Refusal], error)
}

// ChangeKind says what a change row is about.
type ChangeKind string

// The kinds, each with what its Key holds.
const (
	ChangeTenant     ChangeKind = "tenant"     // empty
	ChangeUser       ChangeKind = "user"       // user name
	ChangeGroup      ChangeKind = "group"      // ID of a group of people
	ChangeSession    ChangeKind = "session"    // ID of a login
	ChangeOption     ChangeKind = "option"     // "category/key"
	ChangeTrust      ChangeKind = "trust"      // fingerprint of a trusted certificate
	ChangeRevocation ChangeKind = "revocation" // serial in hex; empty: many
	ChangeDeviceUser ChangeKind = "deviceuser" // external ID
	ChangeObject     ChangeKind = "object"     // ID
	ChangeName       ChangeKind = "name"       // "type/value" of a name that an object was given, other than of SerialType
	ChangeOperation  ChangeKind = "operation"  // "<agent>/<ID>"
	// ChangeSubscription and ChangeConsumer are about notifications.
	ChangeSubscription ChangeKind = "subscription" // ID
	ChangeConsumer     ChangeKind = "consumer"     // "topic/subscriber"
)

// Change is one row of the change log, by which nodes and front ends learn
// what to forget. It is written in the transaction of what it reports.
type Change struct {
	Number int64 // ascending; may have gaps
	Tenant TenantID
	Kind   ChangeKind
	Key    string
}

// Changes is the change log.
type Changes interface {
	// ChangesAfter lists at most limit changes with Number > after. It never
	// skips a number that a running transaction may still fill.
	ChangesAfter(ctx context.Context, after int64, limit int) ([]Change, error)
	// LastChange is the newest number, zero if there is none.
	LastChange(ctx context.Context) (int64, error)
}

// ChangeNudges is the ability of a store that several nodes share to say at once
// that there are changes. A nudge may come for nothing, and may fail to come.
type ChangeNudges interface {
	// FollowChanges calls nudge at its start and after each commit, of any node,
	// that made changes. It returns with an error when it no longer can, or ctx ends.
	FollowChanges(ctx context.Context, nudge func()) error
}

// MaxBroadcast bounds a broadcast: below the 8,000 bytes of PostgreSQL's NOTIFY.
const MaxBroadcast = 7900

// Broadcasts is the ability of a store that several nodes share to carry short
// texts between them. One may be lost; those of one node come in their order.
type Broadcasts interface {
	// Broadcast tells all nodes, this one included. problem.NotFound if there are
	// no others.
	Broadcast(ctx context.Context, text string) error
	// FollowBroadcasts calls ready when it begins to hear and hear for each text. It
	// returns with an error when it no longer can, or ctx ends.
	FollowBroadcasts(ctx context.Context, ready func(), hear func(text string)) error
}

// Store is everything a store plays, for those who open, wire or test one.
// Services ask for the roles they need.
type Store interface {
	Tenants
	Users
	Groups
	InventoryRoles
	Attestations
	Options
	DeviceUsers
	Registrations
	TrustedCertificates
	Revocations
	Issuers
	IssuerRenewals
	Turns
	Approvals
	SealedKeys
	Inventory
	Presences
	IDs
	Operations
	BulkOperations
	Telemetry
	Wills
	MessageSessions
	Binaries
	Notifications
	Audits
	Refusals
	Changes
	RetentionRules
	Expiry
	// SetMeta and Meta keep single facts about the instance, e.g. the "dev" stamp.
	SetMeta(ctx context.Context, key, value string) error
	Meta(ctx context.Context, key string) (string, error)
	Close() error
}
