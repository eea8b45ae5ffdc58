package restapi

import (
	"net/http"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/operation"
	"mooring/server/platform"
)

var (
	operationAdmins  = []platform.Role{platform.RoleDeviceControlAdmin}
	operationReaders = []platform.Role{platform.RoleDeviceControlRead, platform.RoleDeviceControlAdmin}
)

// operationQuery are the filters of operations.
const operationQuery = "deviceId: id, agentId: id, bulkOperationId: id, status, fragmentType, dateFrom, dateTo"

func (a *API) operationRoutes() []route {
	const all, one = "/devicecontrol/operations", "/devicecontrol/operations/{id}"
	return []route{
		{method: "GET", path: all, access: user, serve: listOperations,
			doc: doc{Does: "List operations", Query: operationQuery + ", revert: boolean, paging", Gives: "operationCollection", Also: "404 422"}},
		{method: "POST", path: all, access: user, serve: createOperation,
			doc: doc{Does: "Order an operation of a device", Takes: "newOperation", Gives: "operation", Also: "404"}},
		{method: "DELETE", path: all, access: having(operationAdmins...), serve: deleteOperations,
			doc: doc{Does: "Remove operations, those that the query selects", Query: operationQuery, Also: "422"}},
		{method: "GET", path: one, access: user, serve: readOperation,
			doc: doc{Does: "Read an operation", Gives: "operation"}},
		{method: "PUT", path: one, access: user, serve: updateOperation,
			doc: doc{Does: "Move an operation on, or cancel it by FAILED", Takes: "operationChange", Gives: "operation", Also: "409"}},
	}
}

// operationFilter reads the filters of rest.md §6.7.
func operationFilter(c *call) (platform.OperationFilter, error) {
	f := platform.OperationFilter{Fragment: c.query.Get("fragmentType"), NewestFirst: c.revert()}
	for name, into := range map[string]*platform.ID{"deviceId": &f.Device, "agentId": &f.Agent, "bulkOperationId": &f.Bulk} {
		text := c.query.Get(name)
		if text == "" {
			continue
		}
		var ok bool
		if *into, ok = platform.ParseID(text); !ok {
			return f, problem.New(problem.Unprocessable, "'"+name+"' must be an identifier.", nil)
		}
	}
	var err error
	if text := c.query.Get("status"); text != "" {
		if f.Status, err = c8yjson.ParseOperationStatus(text); err != nil {
			return f, err
		}
	}
	if text := c.query.Get("dateFrom"); text != "" {
		if f.From, err = c8yjson.ParseQueryTime(text); err != nil {
			return f, err
		}
	}
	if text := c.query.Get("dateTo"); text != "" {
		f.To, err = c8yjson.ParseQueryTime(text)
	}
	return f, err
}

// listOperations: who has no role lists the operations of a device or an agent
// that is theirs.
func listOperations(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	f, err := operationFilter(c)
	if err != nil {
		return err
	}
	if !c.who.HasAny(operationReaders...) {
		of := f.Device
		if of == 0 {
			of = f.Agent
		}
		if of == 0 {
			return forbidden()
		}
		if err := c.maySee(of, operationReaders); err != nil {
			return err
		}
	}
	list, err := c.api.Operations.Operations(c.ctx(), c.tenant(), f, p.Page)
	if err != nil {
		return err
	}
	names, err := namesOfDevices(c, f, list.Items)
	if err != nil {
		return err
	}
	base := c.base()
	collection(c, c8yjson.MediaOperations, "operations", p, list, func(w *c8yjson.Writer, o platform.Operation) {
		c8yjson.Operation(w, base, o, names[o.Device])
	})
	return nil
}

// namesOfDevices reads the external IDs of the devices in a list, which it shows
// when it is asked for by agent.
func namesOfDevices(c *call, f platform.OperationFilter, ops []platform.Operation) (map[platform.ID][]platform.ExternalID, error) {
	if f.Agent == 0 {
		return nil, nil
	}
	names := map[platform.ID][]platform.ExternalID{}
	for _, o := range ops {
		if _, known := names[o.Device]; known {
			continue
		}
		xids, err := c.api.Inventory.ExternalIDs(c.ctx(), c.tenant(), o.Device)
		if err != nil && problem.KindOf(err) != problem.NotFound {
			return nil, err
		}
		names[o.Device] = append([]platform.ExternalID{}, xids...)
	}
	return names, nil
}

func createOperation(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	device, fragments, err := c8yjson.ParseOperation(body)
	if err != nil {
		return err
	}
	if err := c.mayUse(device, operationAdmins); err != nil && problem.KindOf(err) != problem.NotFound {
		return err
	}
	o, err := c.api.Operations.Create(c.ctx(), c.actor(), device, fragments)
	if err != nil {
		return err
	}
	c.created(c.base()+c8yjson.PathOperations+o.ID.String(), c8yjson.MediaOperation, func(w *c8yjson.Writer) {
		c8yjson.Operation(w, c.base(), o, nil)
	})
	return nil
}

// operationOf reads the operation of the path and holds the caller to its device,
// or to the agent that passes it on.
func operationOf(c *call, roles []platform.Role) (platform.Operation, error) {
	id, ok := platform.ParseID(c.param("id"))
	if !ok {
		return platform.Operation{}, problem.New(problem.NotFound,
			"Finding device data from database failed : No operation for gid '"+cut(c.param("id"))+"'!", nil)
	}
	o, err := c.api.Operations.Operation(c.ctx(), c.tenant(), id)
	if err != nil {
		return o, err
	}
	if err = c.maySee(o.Device, roles); problem.KindOf(err) == problem.Forbidden && o.Agent != o.Device {
		err = c.maySee(o.Agent, roles)
	}
	return o, err
}

func readOperation(c *call) error {
	o, err := operationOf(c, operationReaders)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaOperation, func(w *c8yjson.Writer) { c8yjson.Operation(w, c.base(), o, nil) })
	return nil
}

func updateOperation(c *call) error {
	o, err := operationOf(c, operationAdmins)
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	in, err := c8yjson.ParseOperationUpdate(body)
	if err != nil {
		return err
	}
	o, err = c.api.Operations.Update(c.ctx(), c.actor(), o.ID, operation.Change{
		Status: in.Status, FailureReason: in.FailureReason, Set: in.Set, Remove: in.Remove})
	if err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.MediaOperation, func(w *c8yjson.Writer) { c8yjson.Operation(w, c.base(), o, nil) })
	return nil
}

// deleteOperations removes the operations that the filters select; without any,
// all of the tenant.
func deleteOperations(c *call) error {
	f, err := operationFilter(c)
	if err != nil {
		return err
	}
	if err := c.api.Operations.Delete(c.ctx(), c.actor(), f); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
