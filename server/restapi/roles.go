package restapi

import (
	"net/http"
	"slices"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func listRoles(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaRoles, "roles", p, cutPage(platform.AdminRoles, p.Page), func(w *c8yjson.Writer, r platform.Role) {
		c8yjson.Role(w, c.base(), r)
	})
	return nil
}

func readRole(c *call) error {
	r := platform.Role(c.param("role"))
	if !slices.Contains(platform.AdminRoles, r) {
		return problem.WithCode(problem.NotFound, "users/Not Found", "There is no role '"+cut(string(r))+"'.", nil)
	}
	c.answer(http.StatusOK, c8yjson.MediaRole, func(w *c8yjson.Writer) { c8yjson.Role(w, c.base(), r) })
	return nil
}

func addRole(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	name, err := referred(c, "role")
	if err != nil {
		return err
	}
	role := platform.Role(name)
	u, err := changePerson(c, c.param("user"), func(u *platform.User) error {
		if !slices.Contains(u.Roles, role) {
			u.Roles = append(slices.Clone(u.Roles), role)
		}
		return c.mayGrant([]platform.Role{role})
	})
	if err != nil {
		return err
	}
	c.written(http.StatusCreated, c8yjson.MediaRoleReference, func(w *c8yjson.Writer) {
		c8yjson.RoleReference(w, c.base(), c8yjson.UserPath(u.Tenant, u.Name), role)
	})
	return nil
}

func removeRole(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	_, err := changePerson(c, c.param("user"), func(u *platform.User) error {
		u.Roles = slices.DeleteFunc(slices.Clone(u.Roles), func(r platform.Role) bool { return string(r) == c.param("role") })
		return nil
	})
	if err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

func listRolesOfUser(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	u, err := c.api.Accounts.User(c.ctx(), c.tenant(), c.param("user"))
	if err != nil {
		return err
	}
	return roleReferences(c, c8yjson.UserPath(u.Tenant, u.Name), u.Roles)
}

func listRolesOfGroup(c *call) error {
	g, err := group(c)
	if err != nil {
		return err
	}
	return roleReferences(c, c8yjson.GroupPath(g.Tenant, g.ID), g.Roles)
}

func roleReferences(c *call, owner string, roles []platform.Role) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaRoleReferences, "references", p, cutPage(roles, p.Page), func(w *c8yjson.Writer, r platform.Role) {
		c8yjson.RoleReference(w, c.base(), owner, r)
	})
	return nil
}

func addGroupRole(c *call) error {
	g, err := group(c)
	if err != nil {
		return err
	}
	name, err := referred(c, "role")
	if err != nil {
		return err
	}
	role := platform.Role(name)
	if err := c.mayGrant([]platform.Role{role}); err != nil {
		return err
	}
	if !slices.Contains(g.Roles, role) {
		g.Roles = append(slices.Clone(g.Roles), role)
		if err := c.api.Accounts.UpdateGroup(c.ctx(), c.actor(), g); err != nil {
			return err
		}
	}
	c.written(http.StatusCreated, c8yjson.MediaRoleReference, func(w *c8yjson.Writer) {
		c8yjson.RoleReference(w, c.base(), c8yjson.GroupPath(g.Tenant, g.ID), role)
	})
	return nil
}

func removeGroupRole(c *call) error {
	g, err := group(c)
	if err != nil {
		return err
	}
	role := platform.Role(c.param("role"))
	if !slices.Contains(g.Roles, role) {
		return problem.WithCode(problem.NotFound, "users/Not Found", "The group has no role '"+cut(string(role))+"'.", nil)
	}
	if err := c.mayGrant(g.Roles); err != nil {
		return err
	}
	g.Roles = slices.DeleteFunc(slices.Clone(g.Roles), func(r platform.Role) bool { return r == role })
	if err := c.api.Accounts.UpdateGroup(c.ctx(), c.actor(), g); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
