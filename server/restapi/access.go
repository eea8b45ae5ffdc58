package restapi

import (
	"mooring/internal/problem"
	"mooring/server/httpauth"
	"mooring/server/platform"
)

// access says who may make a call at all; handlers decide about single objects.
type access struct {
	open             bool            // without authentication
	roles            []platform.Role // one of them; none: whoever is authenticated
	certificatesOnly bool            // where client certificates count; elsewhere the path is not there
	bootstrap        bool            // also the user by which devices fetch their passwords
}

// anyone may call without authentication; user if authenticated; having with
// one of the roles.
var (
	anyone = access{open: true}
	user   = access{}
)

func having(roles ...platform.Role) access { return access{roles: roles} }

// Roles that often go together.
var (
	tenantAdmins  = []platform.Role{platform.RoleTenantAdmin, platform.RoleTenantManagementAdmin}
	tenantReaders = []platform.Role{platform.RoleTenantAdmin, platform.RoleTenantManagementAdmin, platform.RoleTenantManagementRead}

	inventoryAdmins   = []platform.Role{platform.RoleInventoryAdmin, platform.RoleManagedObjectAdmin}
	inventoryReaders  = []platform.Role{platform.RoleInventoryRead, platform.RoleInventoryAdmin, platform.RoleManagedObjectRead, platform.RoleManagedObjectAdmin}
	inventoryCreators = []platform.Role{platform.RoleInventoryAdmin, platform.RoleInventoryCreate, platform.RoleManagedObjectAdmin, platform.RoleManagedObjectCreate}

	binaryAdmins   = append([]platform.Role{platform.RoleBinaryAdmin}, inventoryAdmins...)
	binaryReaders  = append([]platform.Role{platform.RoleBinaryRead, platform.RoleBinaryAdmin}, inventoryReaders...)
	binaryCreators = append([]platform.Role{platform.RoleBinaryAdmin, platform.RoleBinaryCreate}, inventoryCreators...)

	identityAdmins  = []platform.Role{platform.RoleIdentityAdmin}
	identityReaders = []platform.Role{platform.RoleIdentityRead, platform.RoleIdentityAdmin}
)

// admit authenticates the call and checks the roles of its route. The user by
// which devices fetch their passwords may do that alone (rest.md §0.3).
func (c *call) admit() error {
	a := c.route.access
	if a.certificatesOnly && !httpauth.ClientCertificates(c.r) {
		return problem.WithCode(problem.NotFound, "Not Found", "This feature is disabled, please contact system administrator.", nil)
	}
	if a.open {
		return nil
	}
	var err error
	if c.who, err = c.api.auth.Principal(c.r); err != nil {
		return err
	}
	if len(a.roles) > 0 && !c.who.HasAny(a.roles...) || c.who.Has(platform.RoleDeviceBootstrap) && len(a.roles) == 0 && !a.bootstrap {
		return forbidden()
	}
	return nil
}

// mayUse allows a call on an object to who holds one of roles or owns it, to a
// device that owns one above it, and to a person with a permission on it or on one
// above it (rest.md §6). An object that is not there
// is problem.NotFound to everybody.
func (c *call) mayUse(id platform.ID, roles []platform.Role) error {
	owner, err := c.api.Inventory.Owner(c.ctx(), c.tenant(), id)
	if err != nil || c.who.HasAny(roles...) || owner != "" && owner == c.who.User {
		return err
	}
	if c.who.IsDevice() {
		if within, err := c.api.Inventory.Within(c.ctx(), c.tenant(), id, c.who.User); within || err != nil {
			return err
		}
	}
	if permitted, err := c.permitted(id, roles); permitted || err != nil {
		return err
	}
	return forbidden()
}

// ownTenant refuses a path that names another tenant: not there for who
// administers just one, denied to who may see that it exists.
func (c *call) ownTenant() error {
	if platform.TenantID(c.param("tenant")) == c.tenant() {
		return nil
	}
	return problem.WithCode(problem.NotFound, "security/Not Found", "There is no tenant with id = "+cut(c.param("tenant")), nil)
}

// management refuses who neither belongs to the management tenant nor owns the
// instance.
func (c *call) management() error {
	if c.tenant() != platform.Management && c.who.Method != platform.ByAdminSocket {
		return forbidden()
	}
	return nil
}

// maySee is mayUse for telemetry, which outlives its source: who holds one of
// roles sees it all the same.
func (c *call) maySee(source platform.ID, roles []platform.Role) error {
	if c.who.HasAny(roles...) {
		return nil
	}
	err := c.mayUse(source, roles)
	if problem.KindOf(err) == problem.NotFound {
		return forbidden()
	}
	return err
}
