package restapi

import (
	"net/http"
	"slices"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// assignments lists what the person in the path has, and how each is written.
func assignments(c *call) ([]platform.InventoryAssignment, func(*c8yjson.Writer, platform.InventoryAssignment), error) {
	if err := c.ownTenant(); err != nil {
		return nil, nil, err
	}
	list, err := c.api.Accounts.InventoryAssignments(c.ctx(), c.tenant(), c.param("user"))
	if err != nil {
		return nil, nil, err
	}
	roles, err := c.api.Accounts.InventoryRoles(c.ctx(), c.tenant())
	return list, func(w *c8yjson.Writer, a platform.InventoryAssignment) {
		c8yjson.InventoryAssignment(w, c.base(), a, rolesIn(roles, a.Roles))
	}, err
}

func rolesIn(roles []platform.InventoryRole, ids []platform.ID) []platform.InventoryRole {
	var in []platform.InventoryRole
	for _, r := range roles {
		if slices.Contains(ids, r.ID) {
			in = append(in, r)
		}
	}
	return in
}

func listInventoryAssignments(c *call) error {
	list, write, err := assignments(c)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.Media("inventoryAssignmentCollection"), func(w *c8yjson.Writer) {
		w.Open('{')
		w.Link("self", c.self().String())
		w.Key("inventoryAssignments")
		w.Open('[')
		for _, a := range list {
			write(w, a)
		}
		w.Close(']')
		w.Close('}')
	})
	return nil
}

// assignment is the one that the path names.
func assignment(c *call) (platform.InventoryAssignment, error) {
	list, _, err := assignments(c)
	if err != nil {
		return platform.InventoryAssignment{}, err
	}
	id := c.param("id")
	if i := slices.IndexFunc(list, func(a platform.InventoryAssignment) bool { return a.ID.String() == id }); i >= 0 {
		return list[i], nil
	}
	return platform.InventoryAssignment{}, problem.WithCode(problem.NotFound, "users/Not Found", "There is no assignment with id '"+cut(id)+"'.", nil)
}

func readInventoryAssignment(c *call) error {
	a, err := assignment(c)
	if err != nil {
		return err
	}
	return answerAssignment(c, a)
}

func answerAssignment(c *call, a platform.InventoryAssignment) error {
	_, write, err := assignments(c)
	if err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.Media("inventoryAssignment"), func(w *c8yjson.Writer) { write(w, a) })
	return nil
}

// storeInventoryAssignment reads the body into a and stores it.
func storeInventoryAssignment(c *call, a platform.InventoryAssignment) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	if err := c8yjson.ReadInventoryAssignment(body, &a); err != nil {
		return err
	}
	if a.Object == 0 || len(a.Roles) == 0 {
		return c8yjson.Missing("managedObject", "roles")
	}
	roles, err := c.api.Accounts.InventoryRoles(c.ctx(), c.tenant())
	if err != nil {
		return err
	}
	for _, r := range rolesIn(roles, a.Roles) {
		if err := c.mayGive(r.Permissions); err != nil {
			return err
		}
	}
	if _, err := c.api.Inventory.Owner(c.ctx(), c.tenant(), a.Object); err != nil {
		return err
	}
	if a, err = c.api.Accounts.PutInventoryAssignment(c.ctx(), c.actor(), a); err != nil {
		return err
	}
	return answerAssignment(c, a)
}

func createInventoryAssignment(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	return storeInventoryAssignment(c, platform.InventoryAssignment{Tenant: c.tenant(), User: c.param("user")})
}

func updateInventoryAssignment(c *call) error {
	a, err := assignment(c)
	if err != nil {
		return err
	}
	return storeInventoryAssignment(c, a)
}

func deleteInventoryAssignment(c *call) error {
	a, err := assignment(c)
	if err != nil {
		return err
	}
	if err := c.api.Accounts.DeleteInventoryAssignment(c.ctx(), c.actor(), c.tenant(), a.User, a.ID); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
