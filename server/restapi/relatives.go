package restapi

import (
	"strings"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// objectView are the parameters that say what is shown around objects.
const objectView = "withChildren: boolean, withChildrenCount: boolean, withParents: boolean, withGroups: boolean, skipChildrenNames: boolean, withLatestValues: boolean"

// asks reports whether a parameter is "true", in any case: Python writes "True".
func (c *call) asks(name string) bool { return strings.EqualFold(c.query.Get(name), "true") }

// relativesOf reads what the query asks to see in and around objects; nothing by
// default (rest.md §6.1, §8), but children where the tenant has it so. withGroups shows the groups an object is in,
// withParents the ancestors of all levels.
func (c *call) relativesOf(objects []platform.ManagedObject) (map[platform.ID]c8yjson.Relatives, error) {
	if err := c.withLatest(objects); err != nil {
		return nil, err
	}
	all := map[platform.ID]c8yjson.Relatives{}
	ids := make([]platform.ID, len(objects))
	for i, o := range objects {
		ids[i], all[o.ID] = o.ID, c8yjson.Relatives{}
	}
	if err := c.childrenOf(ids, all); err != nil {
		return nil, err
	}
	groups, parents := c.asks("withGroups"), c.asks("withParents")
	if !groups && !parents {
		return all, nil
	}
	list, err := c.api.Inventory.ParentsOf(c.ctx(), c.tenant(), ids, parents)
	for _, r := range list {
		if name := c8yjson.ParentsOf[r.Kind]; parents || r.Kind == platform.ChildAssets {
			all[r.Of].Add(name, r)
		}
	}
	return all, err
}

func (c *call) childrenOf(ids []platform.ID, all map[platform.ID]c8yjson.Relatives) error {
	wanted, err := c.wantsChildren()
	if err != nil {
		return err
	}
	if wanted {
		list, err := c.api.Inventory.ChildrenOf(c.ctx(), c.tenant(), ids)
		if err != nil {
			return err
		}
		for _, r := range list {
			if c.asks("skipChildrenNames") {
				r.Name = ""
			}
			all[r.Of].Add(string(r.Kind), r)
		}
	}
	if c.asks("withChildrenCount") {
		counts, err := c.api.Inventory.CountChildrenOf(c.ctx(), c.tenant(), ids)
		if err != nil {
			return err
		}
		for id, kinds := range counts {
			for kind, n := range kinds {
				all[id].Count(string(kind), n)
			}
		}
	}
	return nil
}

// wantsChildren reports whether children are to be shown: as the query says, else
// as the tenant has it.
func (c *call) wantsChildren() (bool, error) {
	if c.query.Has("withChildren") {
		return c.asks("withChildren"), nil
	}
	f, err := c.api.Accounts.FeatureOf(c.ctx(), c.tenant(), platform.FeatureWithoutChildren)
	return !f.Active, err
}
