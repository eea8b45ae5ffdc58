package restapi

import (
	"net/http"
	"strconv"
	"strings"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) inventoryRoutes() []route {
	const one = "/inventory/managedObjects/{id}"
	return []route{
		{method: "GET", path: one + "/availability", access: user, serve: readAvailability,
			doc: doc{Does: "Read when a device was heard of last", Gives: "availability"}},
		{method: "GET", path: one + "/supportedMeasurements", access: user, serve: readSupported("c8y_SupportedMeasurements", fragmentOf),
			doc: doc{Does: "List the fragments of a device's measurements", Gives: "supportedMeasurements"}},
		{method: "GET", path: one + "/supportedSeries", access: user, serve: readSupported("c8y_SupportedSeries", fullName),
			doc: doc{Does: "List the series of a device's measurements", Gives: "supportedSeries"}},
		{method: "GET", path: one + "/user", access: user, serve: readObjectUser,
			doc: doc{Does: "Read the device user of a managed object", Gives: "managedObjectUser"}},
		{method: "PUT", path: one + "/user", access: user, serve: updateObjectUser,
			doc: doc{Does: "Switch the device user of a managed object off or on", Takes: "userSwitch", Gives: "managedObjectUser"}},
	}
}

func (a *API) managedObjectRoutes() []route {
	const all, one = "/inventory/managedObjects", "/inventory/managedObjects/{id}"
	return []route{
		{method: "GET", path: all, access: user, serve: listObjects,
			doc: doc{Does: "List managed objects", Query: objectQuery + ", " + objectView + ", paging", Gives: "managedObjectCollection", Also: "422"}},
		{method: "POST", path: all, access: having(inventoryCreators...), serve: createObject,
			doc: doc{Does: "Create a managed object, or up to 50", Takes: "newManagedObject | newManagedObjects", Gives: "managedObject | managedObjects", Also: "409"}},
		{method: "PUT", path: all, access: user, serve: updateObjects,
			doc: doc{Does: "Change up to 50 managed objects", Takes: "newManagedObjects", Gives: "managedObjects", Also: "404"}},
		{method: "DELETE", path: all, access: having(inventoryAdmins...), serve: deleteObjects,
			doc: doc{Does: "Delete the managed objects that a filter selects", Query: objectQuery + ", cascade: boolean, forceCascade: boolean, withDeviceUser: boolean", Also: "422"}},
		{method: "GET", path: all + "/count", access: user, serve: countObjects,
			doc: doc{Does: "Count managed objects", Query: objectQuery, Gives: "count", Also: "422"}},
		{method: "GET", path: one, access: user, serve: readObject,
			doc: doc{Does: "Read a managed object", Query: objectView, Gives: "managedObject"}},
		{method: "PUT", path: one, access: user, serve: updateObject,
			doc: doc{Does: "Change a managed object: fragments are replaced whole, null removes one", Takes: "managedObjectChange", Gives: "managedObject"}},
		{method: "DELETE", path: one, access: user, serve: deleteObject,
			doc: doc{Does: "Delete a managed object", Query: "cascade: boolean, forceCascade: boolean, withDeviceUser: boolean", Also: "409"}},
	}
}

func objectLink(c *call, id platform.ID) string {
	return c.base() + c8yjson.PathManagedObjects + id.String()
}

func listObjects(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	f, err := objectFilter(c, inventoryReaders)
	if err != nil {
		return err
	}
	return objectsBy(c, f, p, c8yjson.MediaManagedObjects, "managedObjects", func(w *c8yjson.Writer, o platform.ManagedObject, r c8yjson.Relatives) {
		c8yjson.ManagedObject(w, c.base(), o, r)
	})
}

// objectsBy answers with a page of the objects that f finds, each written by write
// with what it is related to.
func objectsBy(c *call, f platform.ObjectFilter, p c8yjson.Paging, media, name string, write func(*c8yjson.Writer, platform.ManagedObject, c8yjson.Relatives)) error {
	list, err := c.api.Inventory.Objects(c.ctx(), c.tenant(), f, p.Page)
	if err != nil {
		return err
	}
	all, err := c.relativesOf(list.Items)
	if err != nil {
		return err
	}
	collection(c, media, name, p, list, func(w *c8yjson.Writer, o platform.ManagedObject) { write(w, o, all[o.ID]) })
	return nil
}

func countObjects(c *call) error {
	f, err := objectFilter(c, inventoryReaders)
	if err != nil {
		return err
	}
	list, err := c.api.Inventory.Objects(c.ctx(), c.tenant(), f, platform.Page{Number: 1, Size: 1, WithTotal: true})
	if err != nil {
		return err
	}
	c.bytes(http.StatusOK, c8yjson.MediaJSON, strconv.AppendInt(nil, list.Total, 10))
	return nil
}

// createObject takes one object, or several of which all are made or none.
func createObject(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	if body.Has("managedObjects") {
		return createObjects(c, body)
	}
	o, err := newObject(c, body, nil)
	if err != nil {
		return err
	}
	c.created(objectLink(c, o.ID), c8yjson.MediaManagedObject, func(w *c8yjson.Writer) {
		c8yjson.ManagedObject(w, c.base(), o, nil)
	})
	return nil
}

func createObjects(c *call, body c8yjson.Object) error {
	items, err := body.Objects("managedObjects")
	if err != nil {
		return err
	}
	cmds := make([]platform.CreateObject, len(items))
	for i, item := range items {
		if cmds[i], err = creation(c, item, nil); err != nil {
			return err
		}
	}
	list, err := c.api.Inventory.CreateAll(c.ctx(), c.tenant(), cmds)
	if err != nil {
		return err
	}
	c.created(c.base()+strings.TrimSuffix(c8yjson.PathManagedObjects, "/"), c8yjson.MediaManagedObjects, func(w *c8yjson.Writer) {
		c8yjson.ManagedObjects(w, c.base(), list)
	})
	return nil
}

// newObject creates the object in a body, below parent if that is set.
func newObject(c *call, body c8yjson.Object, parent *platform.ChildLink) (platform.ManagedObject, error) {
	cmd, err := creation(c, body, parent)
	if err != nil {
		return platform.ManagedObject{}, err
	}
	return c.api.Inventory.Create(c.ctx(), c.tenant(), cmd)
}

func creation(c *call, body c8yjson.Object, parent *platform.ChildLink) (platform.CreateObject, error) {
	in, err := c8yjson.ParseManagedObject(body)
	if err != nil {
		return platform.CreateObject{}, err
	}
	o := platform.ManagedObject{Name: c8yjson.Text(in.Name), Type: c8yjson.Text(in.Type), Owner: c.who.User, Fragments: in.Set}
	if owner := c8yjson.Text(in.Owner); owner != "" && c.who.HasAny(inventoryAdmins...) {
		o.Owner = owner
	}
	return platform.CreateObject{Object: o, ExternalIDs: in.ExternalIDs, Parent: parent}, nil
}

func readObject(c *call) error {
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
	relatives, err := c.relativesOf([]platform.ManagedObject{o})
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaManagedObject, func(w *c8yjson.Writer) {
		c8yjson.ManagedObject(w, c.base(), o, relatives[id])
	})
	return nil
}

func updateObject(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	if err := c.mayUse(id, inventoryAdmins); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	cmd, err := change(c, id, body)
	if err != nil {
		return err
	}
	o, err := c.api.Inventory.Update(c.ctx(), c.tenant(), cmd)
	if err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.MediaManagedObject, func(w *c8yjson.Writer) {
		c8yjson.ManagedObject(w, c.base(), o, nil)
	})
	return nil
}

// change reads what a body changes of an object.
func change(c *call, id platform.ID, body c8yjson.Object) (platform.UpdateObject, error) {
	in, err := c8yjson.ParseManagedObject(body)
	if err != nil {
		return platform.UpdateObject{}, err
	}
	if !c.who.HasAny(inventoryAdmins...) {
		in.Owner = nil // clients send the whole object back; only an administrator gives it away
	}
	return platform.UpdateObject{ID: id, Name: in.Name, Type: in.Type, Owner: in.Owner, Set: in.Set, Remove: in.Remove}, nil
}

// updateObjects changes several objects, all of them or none.
func updateObjects(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	items, err := body.Objects("managedObjects")
	if err != nil {
		return err
	}
	cmds := make([]platform.UpdateObject, len(items))
	for i, item := range items {
		id, err := item.ID("id")
		if err != nil {
			return err
		}
		if id == 0 {
			return c8yjson.Missing("id")
		}
		if err := c.mayUse(id, inventoryAdmins); err != nil {
			return err
		}
		if cmds[i], err = change(c, id, item); err != nil {
			return err
		}
	}
	list, err := c.api.Inventory.UpdateAll(c.ctx(), c.tenant(), cmds)
	if err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.MediaManagedObjects, func(w *c8yjson.Writer) {
		c8yjson.ManagedObjects(w, c.base(), list)
	})
	return nil
}
