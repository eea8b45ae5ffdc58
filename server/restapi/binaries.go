package restapi

import (
	"net/http"
	"strings"

	"mooring/internal/problem"
	"mooring/internal/query"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// fragmentIsBinary marks the managed object of a file.
const fragmentIsBinary = "c8y_IsBinary"

func isBinary(o platform.ManagedObject) bool { return o.Fragments[fragmentIsBinary] != nil }

func (a *API) binaryRoutes() []route {
	const all, one = "/inventory/binaries", "/inventory/binaries/{id}"
	return []route{
		{method: "GET", path: all, access: user, serve: listBinaries,
			doc: doc{Does: "List the managed objects of files", Query: objectQuery + ", " + objectView + ", paging", Gives: "managedObjectCollection", Also: "422"}},
		{method: "POST", path: all, access: having(binaryCreators...), serve: createBinary, maxBody: a.maxUpload(),
			doc: doc{Does: "Upload a file", Takes: "form file object? | */*", Gives: "managedObject", Also: "413 422"}},
		{method: "GET", path: one, access: user, serve: readBinary,
			doc: doc{Does: "Download a file, or ranges of it", Gives: "*/*", Also: "206 304 412 416"}},
		{method: "PUT", path: one, access: user, serve: replaceBinary, maxBody: a.maxUpload(),
			doc: doc{Does: "Upload another content of a file", Takes: "form file object? | */*", Gives: "managedObject", Status: http.StatusCreated, Also: "413"}},
		{method: "DELETE", path: one, access: user, serve: deleteBinary,
			doc: doc{Does: "Delete a file and its managed object"}},
	}
}

// binary is the managed object of the file that the path names, if the caller
// may use it.
func (c *call) binary(roles []platform.Role) (platform.ManagedObject, error) {
	id, err := c.id("id")
	if err != nil {
		return platform.ManagedObject{}, err
	}
	if err := c.mayUse(id, roles); err != nil {
		return platform.ManagedObject{}, err
	}
	o, err := c.api.Inventory.Object(c.ctx(), c.tenant(), id)
	if err == nil && !isBinary(o) {
		err = noFile(id)
	}
	return o, err
}

func noFile(id platform.ID) error {
	return problem.WithCode(problem.NotFound, "inventory/Not Found", "Finding binary data from database failed : No file with id '"+id.String()+"'!", nil)
}

func listBinaries(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	f, err := objectFilter(c, binaryReaders)
	if err != nil {
		return err
	}
	f.Query.Filter = both(&query.Node{Kind: query.Has, Paths: []query.Path{{fragmentIsBinary}}}, f.Query.Filter)
	list, err := c.api.Inventory.Objects(c.ctx(), c.tenant(), f, p.Page)
	if err != nil {
		return err
	}
	all, err := c.relativesOf(list.Items)
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaManagedObjects, "managedObjects", p, list, func(w *c8yjson.Writer, o platform.ManagedObject) {
		c8yjson.Binary(w, c.base(), o, all[o.ID])
	})
	return nil
}

// createBinary stores the bytes first, under the ID that the object will have:
// nobody ever sees a file that is not there.
func createBinary(c *call) error {
	id, err := c.api.IDs.NewID(c.ctx())
	if err != nil {
		return err
	}
	up, err := receive(c, id)
	if err == nil {
		err = createFileObject(c, id, up)
	}
	if err != nil && up.stored {
		c.forgetFile(id)
	}
	return err
}

func createFileObject(c *call, id platform.ID, up upload) error {
	if !up.stored {
		return c8yjson.Missing("file")
	}
	cmd, err := creation(c, up.object, nil)
	if err != nil {
		return err
	}
	cmd.Object.ID = id
	up.describe(&cmd.Object)
	o, err := c.api.Inventory.Create(c.ctx(), c.tenant(), cmd)
	if err != nil {
		return err
	}
	c.created(c.base()+c8yjson.PathBinaries+id.String(), c8yjson.MediaManagedObject, func(w *c8yjson.Writer) {
		c8yjson.Binary(w, c.base(), o, nil)
	})
	return nil
}

// replaceBinary takes the content as the whole body, or as a form like
// createBinary.
func replaceBinary(c *call) error {
	o, err := c.binary(binaryAdmins)
	if err != nil {
		return err
	}
	up, err := receive(c, o.ID)
	if err != nil {
		return err
	}
	if !up.stored {
		return c8yjson.Missing("file")
	}
	cmd, err := change(c, o.ID, up.object)
	if err != nil {
		return err
	}
	if cmd.Set == nil {
		cmd.Set = platform.Fragments{}
	}
	cmd.Set["length"] = up.length()
	if up.media != "" && up.media != octets {
		cmd.Set["contentType"] = quoted(up.media)
	}
	if o, err = c.api.Inventory.Update(c.ctx(), c.tenant(), cmd); err != nil {
		return err
	}
	c.written(http.StatusCreated, c8yjson.MediaManagedObject, func(w *c8yjson.Writer) { c8yjson.Binary(w, c.base(), o, nil) })
	return nil
}

func deleteBinary(c *call) error {
	o, err := c.binary(binaryAdmins)
	if err != nil {
		return err
	}
	if err := c.api.Inventory.Delete(c.ctx(), c.actor(), c.tenant(), o.ID, platform.DeleteAlone); err != nil {
		return err
	}
	c.forgetFile(o.ID)
	c.empty(http.StatusNoContent)
	return nil
}

// forgetFile removes bytes whose object is gone. If that fails they are found
// by the sweep.
func (c *call) forgetFile(id platform.ID) {
	if err := c.api.Files.Delete(c.ctx(), c.tenant(), id); err != nil && problem.KindOf(err) != problem.NotFound {
		c.api.log.WarnContext(c.ctx(), "a file without object will be removed later", "tenant", c.tenant(), "id", id.String(), "err", err)
	}
}

func readBinary(c *call) error {
	o, err := c.readableFile()
	if err != nil {
		return err
	}
	content, err := c.api.Files.Open(c.ctx(), c.tenant(), o.ID)
	if problem.KindOf(err) == problem.NotFound {
		return noFile(o.ID)
	}
	if err != nil {
		return err
	}
	media := fragmentText(o, "contentType")
	if media == "" && strings.Contains(o.Type, "/") {
		media = o.Type
	}
	c.download(content, o.Name, media)
	return nil
}
