package platform

import (
	"context"
	"time"

	"mooring/internal/query"
)

// Fragment names that the server itself reads or writes.
const (
	FragmentIsDevice             = "c8y_IsDevice"
	FragmentAgent                = "com_cumulocity_model_Agent"
	FragmentIsDeviceGroup        = "c8y_IsDeviceGroup"
	FragmentSupportedOperations  = "c8y_SupportedOperations"
	FragmentRequiredAvailability = "c8y_RequiredAvailability"
)

// SerialType is the type of the external ID under which a device connects.
const SerialType = "c8y_Serial"

// ExternalID is a device's own name with the type of that name.
type ExternalID struct{ Type, Value string }

// ManagedObject is a device's (or group's, or service's) record in the inventory.
type ManagedObject struct {
	ID        ID
	Tenant    TenantID
	Name      string // empty: absent on the wire
	Type      string // empty: absent on the wire
	Owner     string // user name, "device_dev1"
	Created   time.Time
	Updated   time.Time
	Fragments Fragments
}

// ChildKind is one of the three hierarchies (rest.md §6.2).
type ChildKind string

// The kinds, by their name in paths.
const (
	ChildDevices   ChildKind = "childDevices"
	ChildAssets    ChildKind = "childAssets"
	ChildAdditions ChildKind = "childAdditions"
)

// ChildLink places Child under Parent.
type ChildLink struct {
	Parent ID
	Kind   ChildKind
	Child  ID
}

// CreateObject is the command that adds an object, with its names and place.
type CreateObject struct {
	Object      ManagedObject
	ExternalIDs []ExternalID // Conflict if one is bound already
	Parent      *ChildLink   // Child is ignored: it is the new object
}

// UpdateObject changes the parts of an object that are set. Fragments are
// replaced one by one as a whole; those in Remove are removed; fragments in
// IfAbsent are set only if the object has none of that name.
type UpdateObject struct {
	ID       ID
	At       time.Time
	Name     *string
	Type     *string
	Owner    *string
	Set      Fragments
	IfAbsent Fragments
	Remove   []string
}

// ObjectFilter selects managed objects. Set fields are combined with "and";
// the zero value selects all.
type ObjectFilter struct {
	IDs          []ID
	Type         string
	Owner        string
	FragmentType string
	Name         string
	// Text is words that must occur, in any case, in ID, name, type, owner or an
	// external ID; in double quotes it is one.
	Text       string
	ParentID   ID // direct children of this object, of kind ParentKind
	ParentKind ChildKind
	OnlyRoots  bool
	// Query is a further condition, and the order of the list.
	Query query.Query
	// Within is the user of a device: what they own and what is below that.
	Within string
}

// Cascade says what goes with an object that is deleted.
type Cascade int

// What goes with it.
const (
	DeleteAlone     Cascade = iota
	DeleteSubgroups         // the groups within a group, and those within them
	DeleteHierarchy         // everything below it, of every kind
)

// Relative is an object in a list of children or parents of another.
type Relative struct {
	Of   ID
	Kind ChildKind
	ID   ID
	Name string
}

// Inventory keeps managed objects, their external IDs and hierarchies.
// Changes: ChangeObject, key = ID; ChangeName where an object is given a name.
type Inventory interface {
	CreateObject(ctx context.Context, tenant TenantID, cmd CreateObject, audit ...AuditRecord) error
	UpdateObject(ctx context.Context, tenant TenantID, cmd UpdateObject, audit ...AuditRecord) (ManagedObject, error)
	// CreateObjects does several or none.
	CreateObjects(ctx context.Context, tenant TenantID, cmds []CreateObject, audit ...AuditRecord) error
	// UpdateObjects does several or none.
	UpdateObjects(ctx context.Context, tenant TenantID, cmds []UpdateObject, audit ...AuditRecord) ([]ManagedObject, error)
	// Doomed lists id and what goes with it, those below before those above, at most
	// limit of them; it is NotFound if there is no such object.
	Doomed(ctx context.Context, tenant TenantID, id ID, cascade Cascade, limit int) ([]ID, error)
	// DeleteObjects removes objects with their external IDs, links and notification
	// subscriptions. It is NotFound if none of them is there. Telemetry stays until
	// retention.
	DeleteObjects(ctx context.Context, tenant TenantID, ids []ID, audit ...AuditRecord) error
	Object(ctx context.Context, tenant TenantID, id ID) (ManagedObject, error)
	// Objects lists in the order of the query, else of IDs.
	Objects(ctx context.Context, tenant TenantID, filter ObjectFilter, page Page) (List[ManagedObject], error)

	// ObjectByExternalID resolves a name.
	ObjectByExternalID(ctx context.Context, tenant TenantID, xid ExternalID) (ID, error)
	ExternalIDs(ctx context.Context, tenant TenantID, id ID) ([]ExternalID, error)
	// BindExternalID is NotFound if the object is missing, Conflict if the name is bound to another object.
	BindExternalID(ctx context.Context, tenant TenantID, id ID, xid ExternalID) error
	UnbindExternalID(ctx context.Context, tenant TenantID, xid ExternalID) error

	// AddChild does all or none. It is NotFound if an object is missing; adding
	// twice is fine.
	AddChild(ctx context.Context, tenant TenantID, links ...ChildLink) error
	// RemoveChild does all or none: NotFound if a link is not there.
	RemoveChild(ctx context.Context, tenant TenantID, links ...ChildLink) error
	// Children lists the direct children of a kind; Parents the direct parents.
	Children(ctx context.Context, tenant TenantID, parent ID, kind ChildKind, page Page) (List[ManagedObject], error)
	// ObjectNames gives the names of those of ids that are there, at most MaxPageSize.
	ObjectNames(ctx context.Context, tenant TenantID, ids []ID) (map[ID]string, error)
	// Descendants lists the IDs of what is below an object through links of these
	// kinds, at most limit of them, in no order and without the object itself.
	Descendants(ctx context.Context, tenant TenantID, root ID, kinds []ChildKind, limit int) ([]ID, error)
	Parents(ctx context.Context, tenant TenantID, child ID, kind ChildKind) ([]ManagedObject, error)
	// ChildrenOf lists the direct children of several objects, in the order of
	// parents and children, at most limit of each.
	ChildrenOf(ctx context.Context, tenant TenantID, parents []ID, limit int) ([]Relative, error)
	// CountChildrenOf counts them, for those that have any.
	CountChildrenOf(ctx context.Context, tenant TenantID, parents []ID) (map[ID]map[ChildKind]int64, error)
	// ParentsOf lists the direct parents of several objects, or the ancestors of
	// all levels, the nearest first, at most MaxAncestors.
	ParentsOf(ctx context.Context, tenant TenantID, children []ID, ancestors bool) ([]Relative, error)
	// BelowOwned tells whether an object above id is owned by owner.
	BelowOwned(ctx context.Context, tenant TenantID, id ID, owner string) (bool, error)
}

// MaxAncestors bounds the answer of ParentsOf.
const MaxAncestors = 20_000

// IDs hands out identifiers. A store reserves them from the instance's
// sequence in blocks of 1,000, so that NewID rarely touches the database.
type IDs interface {
	NewID(ctx context.Context) (ID, error)
}
