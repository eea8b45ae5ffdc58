package restapi

import (
	"net/http"

	"mooring/server/c8yjson"
	"mooring/server/inventory"
	"mooring/server/platform"
)

var (
	eventAdmins  = []platform.Role{platform.RoleEventAdmin}
	eventReaders = []platform.Role{platform.RoleEventRead, platform.RoleEventAdmin}
)

// What the filters of a list are called, for the description of the API.
const (
	familyFilters = "withSourceDevices: boolean, withSourceAssets: boolean, withSourceAdditions: boolean, withSourceChildren: boolean"
	eventFilters  = "source: id, type, fragmentType, fragmentValue, dateFrom, dateTo, createdFrom, createdTo, lastUpdatedFrom, lastUpdatedTo, " + familyFilters
	alarmFilters  = "source: id, type, status, severity, resolved: boolean, dateFrom, dateTo, createdFrom, createdTo, lastUpdatedFrom, lastUpdatedTo, " + familyFilters
)

func (a *API) eventRoutes() []route {
	const all, one = "/event/events", "/event/events/{id}"
	return []route{
		{method: "GET", path: all, access: user, serve: listEvents,
			doc: doc{Does: "List events", Query: eventFilters + ", revert: boolean, paging", Gives: "eventCollection", Also: "404 422"}},
		{method: "POST", path: all, access: user, serve: createEvent,
			doc: doc{Does: "Create an event", Takes: "newEvent", Gives: "event", Also: "404"}},
		{method: "DELETE", path: all, access: having(eventAdmins...), serve: deleteEvents,
			doc: doc{Does: "Delete events", Query: eventFilters, Also: "422"}},
		{method: "GET", path: one, access: user, serve: readEvent,
			doc: doc{Does: "Read an event", Gives: "event"}},
		{method: "PUT", path: one, access: user, serve: updateEvent,
			doc: doc{Does: "Change an event", Takes: "change", Gives: "event"}},
		{method: "DELETE", path: one, access: user, serve: deleteEvent,
			doc: doc{Does: "Delete an event"}},
	}
}

func listEvents(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	f, err := telemetryFilter(c, eventReaders)
	if err != nil {
		return err
	}
	f.NewestFirst = !c.revert()
	list, err := c.api.Telemetry.Events(c.ctx(), c.tenant(), f, p.Page)
	if err != nil {
		return err
	}
	c.nameEvents(pointers(list.Items)...)
	base := c.base()
	collection(c, c8yjson.MediaEvents, "events", p, list, func(w *c8yjson.Writer, e platform.Event) { c8yjson.Event(w, base, e) })
	return nil
}

func createEvent(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	e, err := c8yjson.ParseEvent(body)
	if err != nil {
		return err
	}
	if err := c.mayUse(e.Source, eventAdmins); err != nil {
		return err
	}
	if e, err = c.api.Telemetry.CreateEvent(c.ctx(), c.tenant(), e); err != nil {
		return err
	}
	if e.Type == inventory.TypeParameterUpdate {
		if err := c.api.Inventory.MirrorParameters(c.ctx(), c.tenant(), e.Source, e.Body); err != nil {
			return err
		}
	}
	c.nameEvents(&e)
	c.created(c.base()+c8yjson.PathEvents+e.ID.String(), c8yjson.MediaEvent, func(w *c8yjson.Writer) { c8yjson.Event(w, c.base(), e) })
	return nil
}

// eventOf reads the event of the path and holds the caller to its source.
func eventOf(c *call, roles []platform.Role) (platform.Event, error) {
	id, err := c.id("id")
	if err != nil {
		return platform.Event{}, err
	}
	e, err := c.api.Telemetry.Event(c.ctx(), c.tenant(), id)
	if err != nil {
		return e, err
	}
	return e, c.maySee(e.Source, roles)
}

func readEvent(c *call) error {
	e, err := eventOf(c, eventReaders)
	if err != nil {
		return err
	}
	c.nameEvents(&e)
	c.answer(http.StatusOK, c8yjson.MediaEvent, func(w *c8yjson.Writer) { c8yjson.Event(w, c.base(), e) })
	return nil
}

func updateEvent(c *call) error {
	e, err := eventOf(c, eventAdmins)
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	u, err := c8yjson.ParseEventUpdate(e.ID, body)
	if err != nil {
		return err
	}
	if e, err = c.api.Telemetry.UpdateEvent(c.ctx(), c.tenant(), u); err != nil {
		return err
	}
	c.nameEvents(&e)
	c.written(http.StatusOK, c8yjson.MediaEvent, func(w *c8yjson.Writer) { c8yjson.Event(w, c.base(), e) })
	return nil
}

func deleteEvents(c *call) error {
	if err := c.named("source", "dateFrom", "dateTo", "createdFrom", "createdTo"); err != nil {
		return err
	}
	f, err := telemetryFilter(c, eventAdmins)
	if err != nil {
		return err
	}
	if err := c.api.Telemetry.DeleteEvents(c.ctx(), c.tenant(), f); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

func deleteEvent(c *call) error {
	e, err := eventOf(c, eventAdmins)
	if err != nil {
		return err
	}
	if err := c.api.Telemetry.DeleteEvent(c.ctx(), c.tenant(), e.ID); err != nil {
		return err
	}
	if attached(e) {
		c.forgetFile(e.ID)
	}
	c.empty(http.StatusNoContent)
	return nil
}
