package restapi

import (
	"net/http"
	"slices"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) groupRoutes() []route {
	const groups, one, users = "/user/{tenant}/groups", "/user/{tenant}/groups/{group}", "/user/{tenant}/users/{user}"
	reader, admin := having(userReaders...), having(userAdmins...)
	return []route{
		{method: "GET", path: "/user/roles", access: reader, serve: listRoles,
			doc: doc{Does: "List roles", Query: "paging", Gives: "roleCollection"}},
		{method: "GET", path: "/user/roles/{role}", access: reader, serve: readRole,
			doc: doc{Does: "Read a role", Gives: "role"}},
		{method: "GET", path: groups, access: reader, serve: listGroups,
			doc: doc{Does: "List groups of people", Query: "paging", Gives: "groupCollection"}},
		{method: "GET", path: one, access: reader, serve: readGroup,
			doc: doc{Does: "Read a group of people", Gives: "group"}},
		{method: "GET", path: "/user/{tenant}/groupByName/{name}", access: reader, serve: readGroup,
			doc: doc{Does: "Read a group of people", Gives: "group"}},
		{method: "GET", path: one + "/users", access: reader, serve: listMembers,
			doc: doc{Does: "List who is in a group", Query: "paging", Gives: "userReferenceCollection"}},
		{method: "POST", path: one + "/users", access: admin, serve: addMember,
			doc: doc{Does: "Put a person into a group", Takes: "userReference", Gives: "member"}},
		{method: "DELETE", path: one + "/users/{user}", access: admin, serve: removeMember,
			doc: doc{Does: "Take a person out of a group"}},
		{method: "GET", path: users + "/groups", access: reader, serve: listGroupsOfUser,
			doc: doc{Does: "List the groups of a person", Query: "paging", Gives: "groupReferenceCollection"}},
		{method: "POST", path: users + "/roles", access: admin, serve: addRole,
			doc: doc{Does: "Give a person a role", Takes: "roleReference", Gives: "memberRole"}},
		{method: "DELETE", path: users + "/roles/{role}", access: admin, serve: removeRole,
			doc: doc{Does: "Take a role from a person"}},
		{method: "POST", path: groups, access: admin, serve: createGroup,
			doc: doc{Does: "Create a group of people", Takes: "newGroup", Gives: "group", Also: "409"}},
		{method: "PUT", path: one, access: admin, serve: updateGroup,
			doc: doc{Does: "Change a group of people", Takes: "groupChange", Gives: "group", Also: "409"}},
		{method: "DELETE", path: one, access: admin, serve: deleteGroup,
			doc: doc{Does: "Delete a group of people"}},
		{method: "GET", path: one + "/roles", access: reader, serve: listRolesOfGroup,
			doc: doc{Does: "List the roles of a group", Query: "paging", Gives: "roleReferenceCollection"}},
		{method: "POST", path: one + "/roles", access: admin, serve: addGroupRole,
			doc: doc{Does: "Give a group a role", Takes: "roleReference", Gives: "memberRole"}},
		{method: "DELETE", path: one + "/roles/{role}", access: admin, serve: removeGroupRole,
			doc: doc{Does: "Take a role from a group", Also: "422"}},
		{method: "GET", path: users + "/roles", access: reader, serve: listRolesOfUser,
			doc: doc{Does: "List the roles of a person", Query: "paging", Gives: "roleReferenceCollection"}},
	}
}

// group is the group that the path names by number or by name.
func group(c *call) (platform.Group, error) {
	if err := c.ownTenant(); err != nil {
		return platform.Group{}, err
	}
	if name := c.param("name"); name != "" {
		return c.api.Accounts.GroupByName(c.ctx(), c.tenant(), name)
	}
	id, _ := platform.ParseID(c.param("group")) // zero is found nowhere
	return c.api.Accounts.Group(c.ctx(), c.tenant(), id)
}

func listGroups(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	p, err := c.paging()
	if err != nil {
		return err
	}
	list, err := c.api.Accounts.Groups(c.ctx(), c.tenant())
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaGroups, "groups", p, cutPage(list, p.Page), func(w *c8yjson.Writer, g platform.Group) { c8yjson.Group(w, c.base(), g) })
	return nil
}

func readGroup(c *call) error {
	g, err := group(c)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaGroup, func(w *c8yjson.Writer) { c8yjson.Group(w, c.base(), g) })
	return nil
}

func createGroup(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	g := platform.Group{Tenant: c.tenant()}
	if err := c8yjson.ReadGroup(body, &g); err != nil {
		return err
	}
	if g.Name == "" {
		return c8yjson.Missing("name")
	}
	if err := c.mayGrant(g.Roles); err != nil {
		return err
	}
	if g, err = c.api.Accounts.CreateGroup(c.ctx(), c.actor(), g); err != nil {
		return err
	}
	c.created(c.base()+c8yjson.GroupPath(g.Tenant, g.ID), c8yjson.MediaGroup, func(w *c8yjson.Writer) { c8yjson.Group(w, c.base(), g) })
	return nil
}

func updateGroup(c *call) error {
	g, err := group(c)
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	have := g.Roles
	if err := c8yjson.ReadGroup(body, &g); err != nil {
		return err
	}
	if err := c.mayGrant(slices.Concat(have, g.Roles)); err != nil {
		return err
	}
	if err := c.api.Accounts.UpdateGroup(c.ctx(), c.actor(), g); err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.MediaGroup, func(w *c8yjson.Writer) { c8yjson.Group(w, c.base(), g) })
	return nil
}

func deleteGroup(c *call) error {
	g, err := group(c)
	if err != nil {
		return err
	}
	if err := c.mayGrant(g.Roles); err != nil {
		return err
	}
	if err := c.api.Accounts.DeleteGroup(c.ctx(), c.actor(), g.Tenant, g.ID); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
