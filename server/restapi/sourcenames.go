package restapi

import (
	"mooring/internal/problem"
	"mooring/server/platform"
)

// nameEvents adds the names of their sources, which clients show.
func (c *call) nameEvents(list ...*platform.Event) {
	nameSources(c, list, func(e *platform.Event) (platform.ID, *string) { return e.Source, &e.SourceName })
}

// nameAlarms is nameEvents for alarms.
func (c *call) nameAlarms(list ...*platform.Alarm) {
	nameSources(c, list, func(a *platform.Alarm) (platform.ID, *string) { return a.Source, &a.SourceName })
}

// nameSources looks all names up at once. A source that is gone has none, and
// an answer is not worth less for want of names.
func nameSources[T any](c *call, list []*T, of func(*T) (platform.ID, *string)) {
	if len(list) == 0 {
		return
	}
	met := map[platform.ID]bool{}
	var ids []platform.ID
	for _, v := range list {
		if id, _ := of(v); !met[id] {
			met[id] = true
			ids = append(ids, id)
		}
	}
	names, err := c.api.Inventory.Names(c.ctx(), c.tenant(), ids)
	if err != nil {
		c.logFailure(problem.KindOf(err), err)
		return
	}
	for _, v := range list {
		id, name := of(v)
		*name = names[id]
	}
}

// pointers gives the addresses of the elements of a list.
func pointers[T any](list []T) []*T {
	all := make([]*T, len(list))
	for i := range list {
		all[i] = &list[i]
	}
	return all
}
