package platform

import "context"

// InventoryRole is a set of permissions that people get on single objects and what
// is below them (rest.md §6: "or a permission on the object").
type InventoryRole struct {
	ID          ID // 1 to 3: those every tenant has; others come from the sequence of the instance
	Tenant      TenantID
	Name        string // unique in the tenant
	Description string
	Permissions []Permission
}

// Permission allows one thing in one area. Its values are those of the wire.
type Permission struct {
	ID    ID     `json:"id"`
	Level string `json:"permission"` // "READ", "ADMIN", "*"
	Scope string `json:"scope"`      // "ALARM", "AUDIT", "EVENT", "MANAGED_OBJECT", "MEASUREMENT", "OPERATION", "*"
	Type  string `json:"type"`       // "*": of any type
}

// InventoryAssignment gives a person roles on an object and what is below it.
type InventoryAssignment struct {
	ID     ID
	Tenant TenantID
	User   string
	Object ID
	Roles  []ID
}

// InventoryRoles keeps the inventory roles that tenants made, and who has which.
type InventoryRoles interface {
	// InventoryRoles lists the roles of a tenant in the order of their IDs.
	InventoryRoles(ctx context.Context, tenant TenantID) ([]InventoryRole, error)
	// PutInventoryRole creates or replaces a role; Conflict if another has the name.
	PutInventoryRole(ctx context.Context, r InventoryRole, audit ...AuditRecord) error
	// DeleteInventoryRole removes a role, from whoever has it, too.
	DeleteInventoryRole(ctx context.Context, tenant TenantID, id ID, audit ...AuditRecord) error

	// InventoryAssignments lists what a person has, in the order of IDs. They go
	// with their person and with their object.
	InventoryAssignments(ctx context.Context, tenant TenantID, user string) ([]InventoryAssignment, error)
	// PutInventoryAssignment creates or replaces an assignment. It is NotFound if
	// there is no such person or object, Conflict if another assignment of the person
	// is for the object.
	PutInventoryAssignment(ctx context.Context, a InventoryAssignment, audit ...AuditRecord) error
	DeleteInventoryAssignment(ctx context.Context, tenant TenantID, user string, id ID, audit ...AuditRecord) error
}
