package restapi

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) managedObjectRoutes() []route {
	const all, one = "/inventory/managedObjects", "/inventory/managedObjects/{id}"
	return []route{
		{method: "GET", path: all, access: user, serve: listObjects,
			doc: doc{Does: "List managed objects", Query: "type, owner, fragmentType, name, text, ids, childDeviceId: id, childAssetId: id, childAdditionId: id, onlyRoots: boolean, query, q, withChildren: boolean, withParents: boolean, paging", Gives: "managedObjectCollection", Also: "422"}},
		{method: "POST", path: all, access: having(platform.RoleInventoryAdmin, platform.RoleInventoryCreate), serve: createObject,
			doc: doc{Does: "Create a managed object", Takes: "newManagedObject", Gives: "managedObject", Also: "409"}},
		{method: "GET", path: all + "/count", access: user, serve: countObjects,
			doc: doc{Does: "Count managed objects", Query: "type, owner, fragmentType, name, text, ids, childDeviceId: id, childAssetId: id, childAdditionId: id, onlyRoots: boolean, query, q", Gives: "count", Also: "422"}},
		{method: "GET", path: one, access: user, serve: readObject,
			doc: doc{Does: "Read a managed object", Query: "withChildren: boolean, withParents: boolean", Gives: "managedObject"}},
		{method: "PUT", path: one, access: user, serve: updateObject,
			doc: doc{Does: "Change a managed object: fragments are replaced whole, null removes one", Takes: "managedObjectChange", Gives: "managedObject"}},
		{method: "DELETE", path: one, access: user, serve: deleteObject,
			doc: doc{Does: "Delete a managed object", Query: "cascade: boolean, forceCascade: boolean, withDeviceUser: boolean", Also: "409"}},
		{method: "GET", path: one + "/user", access: user, serve: readObjectUser,
			doc: doc{Does: "Read the device user of a managed object", Gives: "managedObjectUser"}},
		{method: "PUT", path: one + "/user", access: user, serve: updateObjectUser,
			doc: doc{Does: "Switch the device user of a managed object off or on", Takes: "userSwitch", Gives: "managedObjectUser"}},
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
	f, err := objectFilter(c)
	if err != nil {
		return err
	}
	list, err := c.api.Inventory.Objects(c.ctx(), c.tenant(), f, p.Page)
	if err != nil {
		return err
	}
	all, err := c.relativesOf(list.Items)
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaManagedObjects, "managedObjects", p, list, func(w *c8yjson.Writer, o platform.ManagedObject) {
		c8yjson.ManagedObject(w, c.base(), o, all[o.ID])
	})
	return nil
}

func countObjects(c *call) error {
	f, err := objectFilter(c)
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

// objectFilter reads the filters of rest.md §6.1. Who has no role to read the
// inventory sees what is their own.
func objectFilter(c *call) (platform.ObjectFilter, error) {
	q := c.query
	f := platform.ObjectFilter{Type: q.Get("type"), Owner: q.Get("owner"), FragmentType: q.Get("fragmentType"),
		Name: q.Get("name"), Text: q.Get("text"), OnlyRoots: q.Get("onlyRoots") == "true"}
	if q.Get("query") != "" || q.Get("q") != "" {
		return f, problem.WithCode(problem.Unprocessable, "inventory/Invalid Data",
			"Find by filter query failed : Query could not be understood.", nil)
	}
	if !c.who.HasAny(inventoryReaders...) {
		f.Owner = c.who.User
	}
	for _, list := range q["ids"] {
		for text := range strings.SplitSeq(list, ",") {
			if id, ok := platform.ParseID(strings.TrimSpace(text)); ok {
				f.IDs = append(f.IDs, id)
			}
		}
	}
	if q.Has("ids") && len(f.IDs) == 0 {
		f.IDs = []platform.ID{-1} // ids that are none match nothing, not everything
	}
	for name, kind := range map[string]platform.ChildKind{"childDeviceId": platform.ChildDevices,
		"childAssetId": platform.ChildAssets, "childAdditionId": platform.ChildAdditions} {
		if q.Get(name) == "" {
			continue
		}
		if err := parentsOnly(c, &f, q.Get(name), kind); err != nil {
			return f, err
		}
	}
	return f, nil
}

// parentsOnly narrows f to the parents of a child.
func parentsOnly(c *call, f *platform.ObjectFilter, child string, kind platform.ChildKind) error {
	id, ok := platform.ParseID(child)
	if !ok {
		f.IDs = []platform.ID{-1}
		return nil
	}
	parents, err := c.api.Inventory.Parents(c.ctx(), c.tenant(), id, kind)
	if err != nil && !errors.Is(err, problem.NotFound) {
		return err
	}
	ids := []platform.ID{-1}
	for _, p := range parents {
		if len(f.IDs) == 0 || slices.Contains(f.IDs, p.ID) {
			ids = append(ids, p.ID)
		}
	}
	f.IDs = ids
	return nil
}

func createObject(c *call) error {
	o, err := newObject(c, nil)
	if err != nil {
		return err
	}
	c.created(objectLink(c, o.ID), c8yjson.MediaManagedObject, func(w *c8yjson.Writer) {
		c8yjson.ManagedObject(w, c.base(), o, nil)
	})
	return nil
}

// newObject creates the object in the body, below parent if that is set.
func newObject(c *call, parent *platform.ChildLink) (platform.ManagedObject, error) {
	body, err := c.body()
	if err != nil {
		return platform.ManagedObject{}, err
	}
	return newObjectOf(c, body, parent)
}

func newObjectOf(c *call, body c8yjson.Object, parent *platform.ChildLink) (platform.ManagedObject, error) {
	if body.Has("managedObjects") {
		return platform.ManagedObject{}, problem.WithCode(problem.Unprocessable, "inventory/Invalid Data",
			"Create managed objects one by one.", nil)
	}
	in, err := c8yjson.ParseManagedObject(body)
	if err != nil {
		return platform.ManagedObject{}, err
	}
	o := platform.ManagedObject{Name: c8yjson.Text(in.Name), Type: c8yjson.Text(in.Type), Owner: c.who.User, Fragments: in.Set}
	if owner := c8yjson.Text(in.Owner); owner != "" && c.who.Has(platform.RoleInventoryAdmin) {
		o.Owner = owner
	}
	return c.api.Inventory.Create(c.ctx(), c.tenant(), platform.CreateObject{Object: o, ExternalIDs: in.ExternalIDs, Parent: parent})
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
	in, err := c8yjson.ParseManagedObject(body)
	if err != nil {
		return err
	}
	if !c.who.Has(platform.RoleInventoryAdmin) {
		in.Owner = nil // clients send the whole object back; only an administrator gives it away
	}
	o, err := c.api.Inventory.Update(c.ctx(), c.tenant(),
		platform.UpdateObject{ID: id, Name: in.Name, Type: in.Type, Owner: in.Owner, Set: in.Set, Remove: in.Remove})
	if err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.MediaManagedObject, func(w *c8yjson.Writer) {
		c8yjson.ManagedObject(w, c.base(), o, nil)
	})
	return nil
}

func deleteObject(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	if err := c.mayUse(id, inventoryAdmins); err != nil {
		return err
	}
	cascade := c.query.Get("cascade") == "true" || c.query.Get("forceCascade") == "true"
	if err := c.api.Inventory.Delete(c.ctx(), c.actor(), c.tenant(), id, cascade); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

// relativesOf reads what the query asks to see around objects: withChildren
// and withParents, both off by default (rest.md §6.1, §8).
func (c *call) relativesOf(objects []platform.ManagedObject) (map[platform.ID]c8yjson.Relatives, error) {
	children, parents := c.query.Get("withChildren") == "true", c.query.Get("withParents") == "true"
	all := map[platform.ID]c8yjson.Relatives{}
	if !children && !parents {
		return all, nil
	}
	for _, o := range objects {
		r := c8yjson.Relatives{}
		for _, kind := range []platform.ChildKind{platform.ChildDevices, platform.ChildAssets, platform.ChildAdditions} {
			if children {
				list, err := c.api.Inventory.Children(c.ctx(), c.tenant(), o.ID, kind, platform.Page{Number: 1, Size: platform.MaxPageSize})
				if err != nil {
					return nil, err
				}
				r[string(kind)] = list.Items
			}
			if parents {
				list, err := c.api.Inventory.Parents(c.ctx(), c.tenant(), o.ID, kind)
				if err != nil {
					return nil, err
				}
				r[c8yjson.ParentsOf[kind]] = list
			}
		}
		all[o.ID] = r
	}
	return all, nil
}
