package platform

import (
	"context"
	"time"
)

// Any is what a field of a retention rule says if it selects everything.
const Any = "*"

// RetentionRule says what is removed when it is old (OpenAPI, Retention API).
// Rules are independent of each other: of two that select the same thing, the
// shorter counts.
type RetentionRule struct {
	ID           ID
	DataType     string // one of RetentionDataTypes
	FragmentType string // or Any; events, measurements and operations
	Type         string // or Any; alarms, audit records, events and measurements
	Source       string // ID of an object, or Any
	MaximumAge   int    // days
	Editable     bool   // else only the management tenant may change it
}

// RetentionDataTypes are what a rule can be about.
var RetentionDataTypes = []string{Any, "ALARM", "AUDIT", "BULK_OPERATION", "EVENT", "MEASUREMENT", "OPERATION"}

// DefaultRetentionDays is how long a new tenant keeps everything.
const DefaultRetentionDays = 60

// RetentionRules keeps the rules. CreateTenant gives a tenant its first one.
type RetentionRules interface {
	RetentionRules(ctx context.Context, tenant TenantID) ([]RetentionRule, error)
	RetentionRule(ctx context.Context, tenant TenantID, id ID) (RetentionRule, error)
	// PutRetentionRule creates or replaces a rule; a new one is Conflict when the
	// tenant has MaxRetentionRules.
	PutRetentionRule(ctx context.Context, tenant TenantID, r RetentionRule, audit ...AuditRecord) error
	DeleteRetentionRule(ctx context.Context, tenant TenantID, id ID, audit ...AuditRecord) error
}

// MaxRetentionRules bounds the rules of a tenant.
const MaxRetentionRules = 200

// Expiry removes what is old, at most MaxDeleted rows a call and the oldest
// first, and tells how many it removed.
type Expiry interface {
	// DropAudits removes audit records that f selects.
	DropAudits(ctx context.Context, tenant TenantID, f AuditFilter) (int, error)
	// DropRefusals removes refusals of all tenants from before a time.
	DropRefusals(ctx context.Context, before time.Time) (int, error)
	// DropChanges removes changes with Number ≤ upTo. The newest of all stays.
	DropChanges(ctx context.Context, upTo int64) (int, error)
}
