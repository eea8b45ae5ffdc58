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

// apiDocument answers with links to what a part of the API has.
func apiDocument(media, path string, members func(w *c8yjson.Writer, base string)) func(*call) error {
	return func(c *call) error {
		c.answer(http.StatusOK, media, func(w *c8yjson.Writer) {
			w.Open('{')
			w.Link("self", c.base(), path)
			members(w, c.base())
			w.Close('}')
		})
		return nil
	}
}

func inventoryAPI(w *c8yjson.Writer, base string) {
	const path = "/inventory/managedObjects"
	w.Key("managedObjects")
	w.Open('{')
	w.Link("self", base, path)
	w.Key("references")
	w.Open('[')
	w.Close(']')
	w.Close('}')
	w.Link("managedObjectsForType", base, path, "?type={type}")
	w.Link("managedObjectsForFragmentType", base, path, "?fragmentType={fragmentType}")
	w.Link("managedObjectsForListOfIds", base, path, "?ids={ids}")
}

func identityAPI(w *c8yjson.Writer, base string) {
	w.Link("externalId", base, "/identity/externalIds/{type}/{externalId}")
	w.Link("externalIdsOfGlobalId", base, "/identity/globalIds/{globalId}/externalIds")
}
