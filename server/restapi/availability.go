package restapi

import (
	"net/http"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// readAvailability tells when a device was heard of last, from the fragments
// in which that is kept. A device without them is not monitored.
func readAvailability(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	if err := c.mayUse(id, inventoryReaders); err != nil {
		return err
	}
	o, err := c.api.Inventory.Object(c.ctx(), c.tenant(), id)
	if err != nil {
		return err
	}
	p, _ := platform.ReadPresence(o.Fragments)
	if p == (platform.Presence{}) {
		return problem.WithCode(problem.NotFound, "inventory/Not Found", "Device with id '"+id.String()+"' is not monitored.", nil)
	}
	xids, err := c.api.Inventory.ExternalIDs(c.ctx(), c.tenant(), id)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) { c8yjson.Availability(w, id, xids, p) })
	return nil
}
