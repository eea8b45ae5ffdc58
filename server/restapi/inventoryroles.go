package restapi

import (
	"net/http"
	"slices"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) inventoryRoleRoutes() []route {
	const roles, role = "/user/inventoryroles", "/user/inventoryroles/{id}"
	const all, one = "/user/{tenant}/users/{user}/roles/inventory", "/user/{tenant}/users/{user}/roles/inventory/{id}"
	reader, admin := having(userReaders...), having(userAdmins...)
	return []route{
		{method: "GET", path: roles, access: reader, serve: listInventoryRoles,
			doc: doc{Does: "List inventory roles", Query: "paging", Gives: "inventoryRoleCollection"}},
		{method: "POST", path: roles, access: admin, serve: createInventoryRole,
			doc: doc{Does: "Create an inventory role", Takes: "newInventoryRole", Gives: "inventoryRole", Also: "409"}},
		{method: "GET", path: role, access: reader, serve: readInventoryRole,
			doc: doc{Does: "Read an inventory role", Gives: "inventoryRole"}},
		{method: "PUT", path: role, access: admin, serve: updateInventoryRole,
			doc: doc{Does: "Change an inventory role", Takes: "newInventoryRole", Gives: "inventoryRole", Also: "409"}},
		{method: "DELETE", path: role, access: admin, serve: deleteInventoryRole,
			doc: doc{Does: "Delete an inventory role"}},
		{method: "GET", path: all, access: reader, serve: listInventoryAssignments,
			doc: doc{Does: "List the inventory roles of a person", Gives: "inventoryAssignments"}},
		{method: "POST", path: all, access: admin, serve: createInventoryAssignment,
			doc: doc{Does: "Give a person inventory roles on an object", Takes: "newInventoryAssignment", Gives: "inventoryAssignment", Status: http.StatusOK}},
		{method: "GET", path: one, access: reader, serve: readInventoryAssignment,
			doc: doc{Does: "Read what inventory roles a person has on an object", Gives: "inventoryAssignment"}},
		{method: "PUT", path: one, access: admin, serve: updateInventoryAssignment,
			doc: doc{Does: "Change what inventory roles a person has on an object", Takes: "newInventoryAssignment", Gives: "inventoryAssignment", Also: "409"}},
		{method: "DELETE", path: one, access: admin, serve: deleteInventoryAssignment,
			doc: doc{Does: "Take inventory roles on an object from a person"}},
	}
}

// inventoryRole is the role that the path names.
func inventoryRole(c *call) (platform.InventoryRole, error) {
	id, _ := platform.ParseID(c.param("id")) // zero is found nowhere
	return c.api.Accounts.InventoryRole(c.ctx(), c.tenant(), id)
}

// mayGive keeps who may manage users from giving anybody more than they have
// themselves, as mayGrant does.
func (c *call) mayGive(permissions []platform.Permission) error {
	for role, p := range permissionOf {
		one := []platform.Role{role}
		given := slices.ContainsFunc(permissions, func(g platform.Permission) bool { g.Type = "*"; return allows(g, one) })
		if given && !c.who.HasAny(equivalents(p)...) {
			return forbidden()
		}
	}
	return nil
}

// equivalents are the roles that allow what p does.
func equivalents(p permission) []platform.Role {
	var roles []platform.Role
	for role, other := range permissionOf {
		if other == p {
			roles = append(roles, role)
		}
	}
	return roles
}

func listInventoryRoles(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	list, err := c.api.Accounts.InventoryRoles(c.ctx(), c.tenant())
	if err != nil {
		return err
	}
	collection(c, c8yjson.Media("inventoryRoleCollection"), "roles", p, cutPage(list, p.Page), func(w *c8yjson.Writer, r platform.InventoryRole) {
		c8yjson.InventoryRole(w, c.base(), r)
	})
	return nil
}

func readInventoryRole(c *call) error {
	r, err := inventoryRole(c)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.Media("inventoryRole"), func(w *c8yjson.Writer) { c8yjson.InventoryRole(w, c.base(), r) })
	return nil
}

// storeInventoryRole reads the body into r and stores it.
func storeInventoryRole(c *call, r platform.InventoryRole) (platform.InventoryRole, error) {
	body, err := c.body()
	if err != nil {
		return r, err
	}
	if err := c8yjson.ReadInventoryRole(body, &r); err != nil {
		return r, err
	}
	if r.Name == "" {
		return r, c8yjson.Missing("name")
	}
	if err := c.mayGive(r.Permissions); err != nil {
		return r, err
	}
	return c.api.Accounts.PutInventoryRole(c.ctx(), c.actor(), r)
}

func createInventoryRole(c *call) error {
	r, err := storeInventoryRole(c, platform.InventoryRole{Tenant: c.tenant()})
	if err != nil {
		return err
	}
	c.created(c.base()+c8yjson.PathInventoryRoles+r.ID.String(), c8yjson.Media("inventoryRole"), func(w *c8yjson.Writer) { c8yjson.InventoryRole(w, c.base(), r) })
	return nil
}

func updateInventoryRole(c *call) error {
	r, err := inventoryRole(c)
	if err != nil {
		return err
	}
	r.Tenant = c.tenant()
	if r, err = storeInventoryRole(c, r); err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.Media("inventoryRole"), func(w *c8yjson.Writer) { c8yjson.InventoryRole(w, c.base(), r) })
	return nil
}

func deleteInventoryRole(c *call) error {
	id, _ := platform.ParseID(c.param("id")) // zero is found nowhere
	if err := c.api.Accounts.DeleteInventoryRole(c.ctx(), c.actor(), c.tenant(), id); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
