package platform

import (
	"context"
	"time"
)

// OperationStatus is the state of an operation.
type OperationStatus string

// The states; the last two are final.
const (
	OperationPending    OperationStatus = "PENDING"
	OperationExecuting  OperationStatus = "EXECUTING"
	OperationSuccessful OperationStatus = "SUCCESSFUL"
	OperationFailed     OperationStatus = "FAILED"
)

// Final reports whether nothing follows the state.
func (s OperationStatus) Final() bool { return s == OperationSuccessful || s == OperationFailed }

// Operation is what a device is told to do (rest.md §6.7, mqtt.md §5).
type Operation struct {
	ID     ID
	Tenant TenantID
	Device ID // the object it is for
	// Agent is the object of the device over whose connection it travels: Device
	// itself or an ancestor.
	Agent         ID
	DeviceName    string // when the operation was created
	Status        OperationStatus
	FailureReason string
	Created       time.Time
	Updated       time.Time // when the status changed last
	Creator       string    // user name
	Bulk          ID        // bulk operation it belongs to; zero: none
	Fragments     Fragments // everything else, description included
	// Deliveries are the newest times at which the device has got it, oldest first,
	// at most MaxDeliveries.
	Deliveries []time.Time
}

// MaxDeliveries bounds Operation.Deliveries: a device that asks for its pending
// operations every minute and never answers would make them grow for ever.
const MaxDeliveries = 20

// Forwarded is when the device got the operation last; zero: never.
func (o *Operation) Forwarded() time.Time {
	if n := len(o.Deliveries); n > 0 {
		return o.Deliveries[n-1]
	}
	return time.Time{}
}

// AddressedOperation is an operation on its way to a device.
type AddressedOperation struct {
	Operation
	// Target names the device to its agent: SerialType where it has such a name,
	// else any other; zero if it has none.
	Target ExternalID
	// SoftwareTypes: the device tells software apart by type (template 143).
	SoftwareTypes bool
}

// OperationFilter selects operations. Zero fields select all.
type OperationFilter struct {
	Device   ID
	Agent    ID
	Bulk     ID
	Status   OperationStatus
	Fragment string    // has this fragment
	From     time.Time // created, inclusive
	To       time.Time // created, exclusive
	// Before selects those whose status changed last before it.
	Before      time.Time
	After       ID // only higher IDs
	NewestFirst bool
}

// UpdateOperation is the command that moves an operation on.
type UpdateOperation struct {
	ID ID
	At time.Time
	// From are the states it must be in; none: any.
	From   []OperationStatus
	Status OperationStatus // empty: unchanged
	// FailureReason is set with Status, unless it is empty.
	FailureReason string
	Set           Fragments
	// Merge puts members into fragments that are objects: of c8y_Command only
	// "result" changes.
	Merge  map[string]Fragments
	Remove []string
}

// OperationDelivery says that a device has got an operation.
type OperationDelivery struct {
	Tenant TenantID
	ID     ID
	At     time.Time
}

// GoneOperation is what is left of an operation that was removed.
type GoneOperation struct{ ID, Device ID }

// Operations keeps operations. Change: ChangeOperation, key "<agent>/<ID>".
type Operations interface {
	CreateOperations(ctx context.Context, tenant TenantID, ops []Operation, audit ...AuditRecord) error
	Operation(ctx context.Context, tenant TenantID, id ID) (Operation, error)
	// Operations lists in the order of IDs.
	Operations(ctx context.Context, tenant TenantID, f OperationFilter, page Page) (List[Operation], error)
	// UpdateOperation is Conflict unless the status is one of cmd.From.
	UpdateOperation(ctx context.Context, tenant TenantID, cmd UpdateOperation, audit ...AuditRecord) (Operation, error)
	// DeleteOperations removes at most limit that match, oldest IDs first, and
	// names them. NewestFirst does not count.
	DeleteOperations(ctx context.Context, tenant TenantID, f OperationFilter, limit int, audit ...AuditRecord) ([]GoneOperation, error)
	// RecordDeliveries notes deliveries; operations that are gone are passed over.
	// It is no change of the operation.
	RecordDeliveries(ctx context.Context, deliveries []OperationDelivery) error
}

// BulkOperation orders one operation for many devices, one after the other.
type BulkOperation struct {
	ID      ID
	Status  BulkStatus
	Next    time.Time // when the next operation is due
	Start   time.Time
	Ramp    time.Duration // between two operations
	Group   ID            // whose devices; zero: those that failed in Parent
	Parent  ID
	Creator string
	Note    string
	Targets []ID // the devices, in order; known once it executes
	Done    int  // how many of them have their operation
	// Prototype are the fragments of each operation.
	Prototype Fragments
}

// OpenBulkOperation is a bulk operation that has something to do at Next.
type OpenBulkOperation struct {
	Tenant TenantID
	ID     ID
	Next   time.Time
}

// BulkStatus is how far a bulk operation has come.
type BulkStatus string

// The states.
const (
	BulkScheduled BulkStatus = "SCHEDULED"
	BulkExecuting BulkStatus = "EXECUTING" // operations are being created
	BulkCompleted BulkStatus = "COMPLETED" // all of them were
	BulkCanceled  BulkStatus = "CANCELED"
)

// BulkOperations keeps bulk operations.
type BulkOperations interface {
	CreateBulkOperation(ctx context.Context, tenant TenantID, b BulkOperation, audit ...AuditRecord) error
	BulkOperation(ctx context.Context, tenant TenantID, id ID) (BulkOperation, error)
	// BulkOperations lists in the order of IDs.
	BulkOperations(ctx context.Context, tenant TenantID, page Page) (List[BulkOperation], error)
	// UpdateBulkOperation replaces have by next and creates ops; Conflict unless the
	// store has the status and Done of have.
	UpdateBulkOperation(ctx context.Context, tenant TenantID, have, next BulkOperation, ops []Operation, audit ...AuditRecord) error
	// OpenBulkOperations lists those of all tenants, at most limit, that are
	// scheduled or executing, by Next.
	OpenBulkOperations(ctx context.Context, limit int) ([]OpenBulkOperation, error)
	// CountOperations counts the operations of a bulk operation by status.
	CountOperations(ctx context.Context, tenant TenantID, bulk ID) (map[OperationStatus]int64, error)
}
