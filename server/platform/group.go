package platform

import "context"

// Group is a set of roles that people of a tenant are put into (rest.md §6.10).
type Group struct {
	ID          ID // 1 to 4: those every tenant has; others come from the sequence of the instance
	Tenant      TenantID
	Name        string // unique in the tenant
	Description string
	Roles       []Role
	Custom      Fragments // customProperties; nil: none
}

// Groups keeps the groups of people that a tenant made or changed. Those that
// every tenant has from the start are known to the service alone until a tenant
// changes them.
type Groups interface {
	// Groups lists the groups of a tenant in the order of their IDs.
	Groups(ctx context.Context, tenant TenantID) ([]Group, error)
	// PutGroup creates or replaces a group; Conflict if another one has the name.
	// Change: ChangeGroup, key = ID.
	PutGroup(ctx context.Context, g Group, audit ...AuditRecord) error
	// DeleteGroup removes a group, and everybody from it. Change: ChangeGroup.
	DeleteGroup(ctx context.Context, tenant TenantID, id ID, audit ...AuditRecord) error
}
