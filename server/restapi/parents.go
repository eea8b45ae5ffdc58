package restapi

import (
	"net/http"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// listParents serves the lists that an object's deviceParents, assetParents and
// additionParents link to (rest.md §6.1). Who has no role to read the inventory
// sees of the parents what is theirs.
func listParents(c *call, kind platform.ChildKind) error {
	narrow := func(f *platform.ObjectFilter, id platform.ID) error {
		if err := parentsOnly(c, f, id.String(), kind); err != nil {
			return err
		}
		return c.onlyOwn(f, inventoryReaders)
	}
	return c.listRelatives(narrow, func(w *c8yjson.Writer, id platform.ID, o platform.ManagedObject, r c8yjson.Relatives) {
		c8yjson.ParentReference(w, c.base(), id, kind, o, r)
	})
}

// readParent serves one of them.
func readParent(c *call, kind platform.ChildKind) error {
	link := platform.ChildLink{Kind: kind}
	var err error
	if link.Child, err = c.id("id"); err != nil {
		return err
	}
	if link.Parent, err = c.id("parent"); err != nil {
		return err
	}
	for _, id := range []platform.ID{link.Child, link.Parent} {
		if err := c.mayUse(id, inventoryReaders); err != nil {
			return err
		}
	}
	if _, err := c.api.Inventory.Child(c.ctx(), c.tenant(), link); err != nil {
		return err
	}
	parent, err := c.api.Inventory.Object(c.ctx(), c.tenant(), link.Parent)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaManagedObjectReference, func(w *c8yjson.Writer) {
		c8yjson.ParentReference(w, c.base(), link.Child, kind, parent, nil)
	})
	return nil
}
