package restapi

import (
	"net/http"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) identityRoutes() []route {
	const byName, byObject = "/identity/externalIds/{type}/{externalId}", "/identity/globalIds/{id}/externalIds"
	return []route{
		{method: "POST", path: "/identity/search", access: user, serve: searchExternalIDs,
			doc: doc{Does: "Find the managed objects of several external IDs", Takes: "externalIdSearch", Gives: "externalIdCollection", Status: http.StatusOK}},
		{method: "GET", path: byName, access: user, serve: readExternalID,
			doc: doc{Does: "Find the managed object of an external ID", Gives: "externalId"}},
		{method: "DELETE", path: byName, access: user, serve: deleteExternalID,
			doc: doc{Does: "Delete an external ID"}},
		{method: "GET", path: byObject, access: user, serve: listExternalIDs,
			doc: doc{Does: "List the external IDs of a managed object", Gives: "externalIdCollection"}},
		{method: "POST", path: byObject, access: user, serve: createExternalID,
			doc: doc{Does: "Give a managed object an external ID", Takes: "newExternalId", Gives: "externalId", Also: "409"}},
	}
}

// resolve finds the object of the name in the path and holds the caller to it.
func resolve(c *call, roles []platform.Role) (platform.ID, platform.ExternalID, error) {
	xid := platform.ExternalID{Type: c.param("type"), Value: c.param("externalId")}
	id, err := c.api.Inventory.Resolve(c.ctx(), c.tenant(), xid)
	if err != nil {
		return 0, xid, err
	}
	return id, xid, c.mayUse(id, roles)
}

func readExternalID(c *call) error {
	id, xid, err := resolve(c, identityReaders)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaExternalID, func(w *c8yjson.Writer) { c8yjson.ExternalID(w, c.base(), id, xid) })
	return nil
}

func deleteExternalID(c *call) error {
	_, xid, err := resolve(c, identityAdmins)
	if err != nil {
		return err
	}
	if err := c.api.Inventory.Unbind(c.ctx(), c.tenant(), xid); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

func listExternalIDs(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	xids, err := c.api.Inventory.ExternalIDs(c.ctx(), c.tenant(), id)
	if err != nil {
		return err
	}
	if err := c.mayUse(id, identityReaders); err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaExternalIDs, func(w *c8yjson.Writer) { c8yjson.ExternalIDs(w, c.base(), id, xids) })
	return nil
}

func createExternalID(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	if _, err := c.api.Inventory.ExternalIDs(c.ctx(), c.tenant(), id); err != nil {
		return err // "Global ID not found", before anything is said about rights
	}
	if err := c.mayUse(id, identityAdmins); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	xid, err := c8yjson.ParseExternalID(body)
	if err != nil {
		return err
	}
	if err := c.api.Inventory.MayClaim(c.ctx(), c.tenant(), c.who.User, xid); err != nil {
		return err
	}
	if err := c.api.Inventory.Bind(c.ctx(), c.tenant(), id, xid); err != nil {
		return err
	}
	c.created(c8yjson.ExternalIDLink(c.base(), xid), c8yjson.MediaExternalID, func(w *c8yjson.Writer) {
		c8yjson.ExternalID(w, c.base(), id, xid)
	})
	return nil
}

// maxSearched bounds the external IDs that are looked up at once.
const maxSearched = 1000

// searchExternalIDs answers with those of the names that are bound, to objects
// that the caller may see.
func searchExternalIDs(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	xids, err := c8yjson.ParseExternalIDs(body)
	if err != nil || len(xids) == 0 || len(xids) > maxSearched {
		return problem.WithCode(problem.Invalid, "identity/Bad Request", "'externalIds' must be a list of 1 to 1000 types and externalIds.", err)
	}
	var found []c8yjson.BoundID
	for _, x := range xids {
		id, err := c.api.Inventory.Resolve(c.ctx(), c.tenant(), x)
		if err == nil {
			err = c.mayUse(id, identityReaders)
		}
		switch problem.KindOf(err) {
		case problem.NotFound, problem.Forbidden:
			continue
		}
		if err != nil {
			return err
		}
		found = append(found, c8yjson.BoundID{Object: id, ExternalID: x})
	}
	c.answer(http.StatusOK, c8yjson.MediaExternalIDs, func(w *c8yjson.Writer) {
		c8yjson.BoundIDs(w, c.base(), found, "/identity/search")
	})
	return nil
}
