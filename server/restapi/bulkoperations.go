package restapi

import (
	"net/http"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/operation"
	"mooring/server/platform"
)

func (a *API) bulkOperationRoutes() []route {
	const all, one = "/devicecontrol/bulkoperations", "/devicecontrol/bulkoperations/{id}"
	return []route{
		{method: "GET", path: all, access: having(operationReaders...), serve: listBulkOperations,
			doc: doc{Does: "List bulk operations", Query: "paging", Gives: "bulkOperationCollection"}},
		{method: "POST", path: all, access: having(operationAdmins...), serve: createBulkOperation,
			doc: doc{Does: "Order an operation of all devices of a group, one after the other", Takes: "newBulkOperation", Gives: "bulkOperation", Also: "404"}},
		{method: "GET", path: one, access: having(operationReaders...), serve: readBulkOperation,
			doc: doc{Does: "Read a bulk operation", Gives: "bulkOperation"}},
		{method: "PUT", path: one, access: having(operationAdmins...), serve: updateBulkOperation,
			doc: doc{Does: "Change a bulk operation that has not ended", Takes: "bulkOperationChange", Gives: "bulkOperation", Also: "409"}},
		{method: "DELETE", path: one, access: having(operationAdmins...), serve: cancelBulkOperation,
			doc: doc{Does: "Cancel a bulk operation; operations that exist stay", Also: "409 422"}},
	}
}

// answerBulk writes a bulk operation with its progress.
func answerBulk(c *call, b platform.BulkOperation, answer func(func(*c8yjson.Writer))) error {
	p, err := c.api.Operations.BulkProgress(c.ctx(), c.tenant(), b.ID)
	if err != nil {
		return err
	}
	answer(func(w *c8yjson.Writer) { c8yjson.BulkOperation(w, c.base(), b, p) })
	return nil
}

func listBulkOperations(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	list, err := c.api.Operations.Bulks(c.ctx(), c.tenant(), p.Page)
	if err != nil {
		return err
	}
	progress := map[platform.ID]c8yjson.BulkProgress{}
	for _, b := range list.Items {
		if progress[b.ID], err = c.api.Operations.BulkProgress(c.ctx(), c.tenant(), b.ID); err != nil {
			return err
		}
	}
	base := c.base()
	collection(c, c8yjson.MediaBulkOperations, "bulkOperations", p, list, func(w *c8yjson.Writer, b platform.BulkOperation) {
		c8yjson.BulkOperation(w, base, b, progress[b.ID])
	})
	return nil
}

func createBulkOperation(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	in, err := c8yjson.ParseBulkOperation(body)
	if err != nil {
		return err
	}
	b, err := c.api.Operations.CreateBulk(c.ctx(), c.actor(), platform.BulkOperation{
		Group: in.Group, Parent: in.Parent, Start: *in.Start, Ramp: *in.Ramp, Note: c8yjson.Text(in.Note), Prototype: in.Prototype})
	if err != nil {
		return err
	}
	return answerBulk(c, b, func(encode func(*c8yjson.Writer)) {
		c.created(c.base()+c8yjson.PathBulkOperations+b.ID.String(), c8yjson.MediaBulkOperation, encode)
	})
}

// bulkID reads the ID of the path.
func bulkID(c *call) (platform.ID, error) {
	id, ok := platform.ParseID(c.param("id"))
	if !ok {
		return 0, problem.New(problem.NotFound,
			"Finding device data from database failed : No bulkOperation for gid '"+cut(c.param("id"))+"'!", nil)
	}
	return id, nil
}

func readBulkOperation(c *call) error {
	id, err := bulkID(c)
	if err != nil {
		return err
	}
	b, err := c.api.Operations.Bulk(c.ctx(), c.tenant(), id)
	if err != nil {
		return err
	}
	return answerBulk(c, b, func(encode func(*c8yjson.Writer)) { c.answer(http.StatusOK, c8yjson.MediaBulkOperation, encode) })
}

func updateBulkOperation(c *call) error {
	id, err := bulkID(c)
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	in, err := c8yjson.ParseBulkOperationUpdate(body)
	if err != nil {
		return err
	}
	b, err := c.api.Operations.UpdateBulk(c.ctx(), c.actor(), id, operation.BulkChange{
		Ramp: in.Ramp, Start: in.Start, Note: in.Note, Prototype: in.Prototype})
	if err != nil {
		return err
	}
	return answerBulk(c, b, func(encode func(*c8yjson.Writer)) { c.written(http.StatusOK, c8yjson.MediaBulkOperation, encode) })
}

func cancelBulkOperation(c *call) error {
	id, err := bulkID(c)
	if err != nil {
		return err
	}
	if _, err := c.api.Operations.UpdateBulk(c.ctx(), c.actor(), id, operation.BulkChange{Cancel: true}); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
