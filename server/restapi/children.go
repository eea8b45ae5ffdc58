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
				doc: doc{Does: "List " + words[kind], Query: "query, q, " + objectView + ", paging", Gives: "managedObjectReferenceCollection", Also: "422"}},
			route{method: "POST", path: all, access: user, serve: func(c *call) error { return addChildren(c, kind) },
				doc: doc{Does: "Add " + words[kind] + ", known or new", Takes: "newChildren", Gives: "managedObjectReference | managedObjectReferences | managedObject", Also: "409"}},
			route{method: "DELETE", path: all, access: user, serve: func(c *call) error { return removeChildren(c, kind) },
				doc: doc{Does: "Remove several " + words[kind], Takes: "newChildren"}},
			route{method: "GET", path: one, access: user, serve: func(c *call) error { return readChild(c, kind) },
				doc: doc{Does: "Read one of the " + words[kind], Gives: "managedObjectReference", Also: "422"}},
			route{method: "DELETE", path: one, access: user, serve: func(c *call) error { return removeChild(c, kind) },
				doc: doc{Does: "Remove one of the " + words[kind], Also: "422"}},
		)
		parents := "/inventory/managedObjects/{id}/" + c8yjson.ParentsOf[kind]
		routes = append(routes,
			route{method: "GET", path: parents, access: user, serve: func(c *call) error { return listParents(c, kind) },
				doc: doc{Does: "List the objects that have it among their " + words[kind], Query: "query, q, " + objectView + ", paging", Gives: "managedObjectReferenceCollection", Also: "422"}},
			route{method: "GET", path: parents + "/{parent}", access: user, serve: func(c *call) error { return readParent(c, kind) },
				doc: doc{Does: "Read one of the objects that have it among their " + words[kind], Gives: "managedObjectReference", Also: "422"}},
		)
	}
	return routes
}

func listChildren(c *call, kind platform.ChildKind) error {
	narrow := func(f *platform.ObjectFilter, id platform.ID) error {
		f.ParentID, f.ParentKind = id, kind
		return nil
	}
	return c.listRelatives(narrow, func(w *c8yjson.Writer, id platform.ID, o platform.ManagedObject, r c8yjson.Relatives) {
		c8yjson.Reference(w, c.base(), id, kind, o, r)
	})
}

// listRelatives lists what narrow lets through of the objects that stand above or
// below the one of the path.
func (c *call) listRelatives(narrow func(*platform.ObjectFilter, platform.ID) error,
	write func(*c8yjson.Writer, platform.ID, platform.ManagedObject, c8yjson.Relatives)) error {
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
	var f platform.ObjectFilter
	if err := readQuery(c, &f); err != nil {
		return err
	}
	if err := narrow(&f, id); err != nil {
		return err
	}
	return objectsBy(c, f, p, c8yjson.MediaManagedObjectReferences, "references", func(w *c8yjson.Writer, o platform.ManagedObject, r c8yjson.Relatives) {
		write(w, id, o, r)
	})
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
	links := make([]platform.ChildLink, len(ids))
	for i, child := range ids {
		if err := c.mayUse(child, inventoryAdmins); err != nil {
			return err
		}
		links[i] = platform.ChildLink{Parent: id, Kind: kind, Child: child}
	}
	if err := c.api.Inventory.AddChild(c.ctx(), c.tenant(), links...); err != nil {
		return err
	}
	if body.Has("references") {
		return createdReferences(c, id, kind, ids)
	}
	child, err := c.api.Inventory.Object(c.ctx(), c.tenant(), ids[0])
	if err != nil {
		return err
	}
	return createdReference(c, id, kind, child)
}

// createdReferences answers who added several children at once.
func createdReferences(c *call, parent platform.ID, kind platform.ChildKind, ids []platform.ID) error {
	list, err := c.api.Inventory.Objects(c.ctx(), c.tenant(), platform.ObjectFilter{IDs: ids}, platform.Page{Number: 1, Size: platform.MaxPageSize})
	if err != nil {
		return err
	}
	c.created(objectLink(c, parent)+"/"+string(kind), c8yjson.MediaManagedObjectReferences, func(w *c8yjson.Writer) {
		c8yjson.References(w, c.base(), parent, kind, list.Items)
	})
	return nil
}

func createChild(c *call, body c8yjson.Object, link platform.ChildLink) error {
	if !c.who.HasAny(inventoryCreators...) {
		return forbidden()
	}
	child, err := newObject(c, body, &link)
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
		c8yjson.Reference(w, c.base(), parent, kind, child, nil)
	})
	return nil
}

// childLink reads the link that a path names.
func childLink(c *call, kind platform.ChildKind) (link platform.ChildLink, err error) {
	link.Kind = kind
	if link.Parent, err = c.id("id"); err == nil {
		link.Child, err = c.id("child")
	}
	return link, err
}

func readChild(c *call, kind platform.ChildKind) error {
	link, err := childLink(c, kind)
	if err != nil {
		return err
	}
	if err := c.mayUse(link.Parent, inventoryReaders); err != nil {
		return err
	}
	child, err := c.api.Inventory.Child(c.ctx(), c.tenant(), link)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaManagedObjectReference, func(w *c8yjson.Writer) {
		c8yjson.Reference(w, c.base(), link.Parent, kind, child, nil)
	})
	return nil
}

func removeChild(c *call, kind platform.ChildKind) error {
	link, err := childLink(c, kind)
	if err != nil {
		return err
	}
	return c.unlink([]platform.ChildLink{link})
}

func removeChildren(c *call, kind platform.ChildKind) error {
	id, err := c.id("id")
	if err != nil {
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
		return c8yjson.Missing("references")
	}
	links := make([]platform.ChildLink, len(ids))
	for i, child := range ids {
		links[i] = platform.ChildLink{Parent: id, Kind: kind, Child: child}
	}
	return c.unlink(links)
}

// unlink takes children away, if the caller may change each of the parents or
// the child (OpenAPI document, removal of children).
func (c *call) unlink(links []platform.ChildLink) error {
	for _, link := range links {
		err := c.mayUse(link.Parent, inventoryAdmins)
		if problem.KindOf(err) == problem.Forbidden && c.mayUse(link.Child, inventoryAdmins) == nil {
			err = nil
		}
		if err != nil {
			return err
		}
	}
	if err := c.api.Inventory.RemoveChild(c.ctx(), c.tenant(), links...); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
