package restapi

import (
	"net/http"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) childRoutes() []route {
	var routes []route
	words := map[platform.ChildKind]string{platform.ChildDevices: "child devices", platform.ChildAssets: "child assets", platform.ChildAdditions: "child additions"}
	for _, kind := range []platform.ChildKind{platform.ChildDevices, platform.ChildAssets, platform.ChildAdditions} {
		all := "/inventory/managedObjects/{id}/" + string(kind)
		one := all + "/{child}"
		routes = append(routes,
			route{method: "GET", path: all, access: user, serve: func(c *call) error { return listChildren(c, kind) },
				doc: doc{Does: "List " + words[kind], Query: "query, withChildren: boolean, paging", Gives: "managedObjectReferenceCollection"}},
			route{method: "POST", path: all, access: user, serve: func(c *call) error { return addChildren(c, kind) },
				doc: doc{Does: "Add " + words[kind] + ", known or new", Takes: "newChildren", Gives: "managedObjectReference | managedObject", Also: "409"}},
			route{method: "DELETE", path: all, access: user, serve: func(c *call) error { return removeChildren(c, kind) },
				doc: doc{Does: "Remove several " + words[kind], Takes: "newChildren"}},
			route{method: "GET", path: one, access: user, serve: func(c *call) error { return readChild(c, kind) },
				doc: doc{Does: "Read one of the " + words[kind], Gives: "managedObjectReference", Also: "422"}},
			route{method: "DELETE", path: one, access: user, serve: func(c *call) error { return removeChild(c, kind) },
				doc: doc{Does: "Remove one of the " + words[kind], Also: "422"}},
		)
	}
	return routes
}

func listChildren(c *call, kind platform.ChildKind) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	if err := c.mayUse(id, inventoryReaders); err != nil {
		return err
	}
	p, err := c.paging()
	if err != nil {
		return err
	}
	list, err := c.api.Inventory.Children(c.ctx(), c.tenant(), id, kind, p.Page)
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaManagedObjectReferences, "references", p, list, func(w *c8yjson.Writer, o platform.ManagedObject) {
		c8yjson.Reference(w, c.base(), id, kind, o)
	})
	return nil
}

// addChildren takes a reference, a list of them, or a new object.
func addChildren(c *call, kind platform.ChildKind) error {
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
	ids, referred, err := c8yjson.ParseReferences(body)
	if err != nil {
		return err
	}
	if !referred {
		return createChild(c, body, platform.ChildLink{Parent: id, Kind: kind})
	}
	for _, child := range ids {
		if err := c.mayUse(child, inventoryAdmins); err != nil {
			return err
		}
	}
	var last platform.ManagedObject
	for _, child := range ids {
		link := platform.ChildLink{Parent: id, Kind: kind, Child: child}
		if err := c.api.Inventory.AddChild(c.ctx(), c.tenant(), link); err != nil {
			return err
		}
		if last, err = c.api.Inventory.Object(c.ctx(), c.tenant(), child); err != nil {
			return err
		}
	}
	return createdReference(c, id, kind, last)
}

func createChild(c *call, body c8yjson.Object, link platform.ChildLink) error {
	if !c.who.HasAny(platform.RoleInventoryAdmin, platform.RoleInventoryCreate) {
		return forbidden()
	}
	child, err := newObjectOf(c, body, &link)
	if err != nil {
		return err
	}
	// The object itself, not a reference: go-c8y and @c8y/client read its ID.
	c.created(objectLink(c, child.ID), c8yjson.MediaManagedObject, func(w *c8yjson.Writer) { c8yjson.ManagedObject(w, c.base(), child, nil) })
	return nil
}

func createdReference(c *call, parent platform.ID, kind platform.ChildKind, child platform.ManagedObject) error {
	location := objectLink(c, parent) + "/" + string(kind) + "/" + child.ID.String()
	c.created(location, c8yjson.MediaManagedObjectReference, func(w *c8yjson.Writer) {
		c8yjson.Reference(w, c.base(), parent, kind, child)
	})
	return nil
}

func childLink(c *call, kind platform.ChildKind, roles []platform.Role) (platform.ChildLink, error) {
	link := platform.ChildLink{Kind: kind}
	var err error
	if link.Parent, err = c.id("id"); err != nil {
		return link, err
	}
	if err := c.mayUse(link.Parent, roles); err != nil {
		return link, err
	}
	link.Child, err = c.id("child")
	return link, err
}

func readChild(c *call, kind platform.ChildKind) error {
	link, err := childLink(c, kind, inventoryReaders)
	if err != nil {
		return err
	}
	child, err := c.api.Inventory.Child(c.ctx(), c.tenant(), link)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaManagedObjectReference, func(w *c8yjson.Writer) {
		c8yjson.Reference(w, c.base(), link.Parent, kind, child)
	})
	return nil
}

func removeChild(c *call, kind platform.ChildKind) error {
	link, err := childLink(c, kind, inventoryAdmins)
	if err != nil {
		return err
	}
	if err := c.api.Inventory.RemoveChild(c.ctx(), c.tenant(), link); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

func removeChildren(c *call, kind platform.ChildKind) error {
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
	ids, found, err := c8yjson.ParseReferences(body)
	if err != nil {
		return err
	}
	if !found {
		return problem.WithCode(problem.Unprocessable, "undefined/validationError", "Following mandatory fields should be included: references", nil)
	}
	for _, child := range ids {
		link := platform.ChildLink{Parent: id, Kind: kind, Child: child}
		if err := c.api.Inventory.RemoveChild(c.ctx(), c.tenant(), link); err != nil {
			return err
		}
	}
	c.empty(http.StatusNoContent)
	return nil
}
