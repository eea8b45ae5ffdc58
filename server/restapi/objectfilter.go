package restapi

import (
	"errors"
	"slices"
	"strings"

	"mooring/internal/problem"
	"mooring/internal/query"
	"mooring/server/platform"
)

// objectQuery are the filters of lists of managed objects.
const objectQuery = "type, owner, fragmentType, name, text, ids, childDeviceId: id, childAssetId: id, childAdditionId: id, onlyRoots: boolean, query, q"

// objectFilter reads the filters of rest.md §6.1. Who has no role to read the
// inventory sees what is their own.
func objectFilter(c *call, readers []platform.Role) (platform.ObjectFilter, error) {
	q := c.query
	f := platform.ObjectFilter{Type: q.Get("type"), Owner: q.Get("owner"), FragmentType: q.Get("fragmentType"),
		Name: q.Get("name"), Text: q.Get("text"), OnlyRoots: c.asks("onlyRoots")}
	if err := readQuery(c, &f); err != nil {
		return f, err
	}
	readIDs(&f, q["ids"])
	for name, kind := range map[string]platform.ChildKind{"childDeviceId": platform.ChildDevices,
		"childAssetId": platform.ChildAssets, "childAdditionId": platform.ChildAdditions} {
		if q.Get(name) == "" {
			continue
		}
		if err := parentsOnly(c, &f, q.Get(name), kind); err != nil {
			return f, err
		}
	}
	return f, c.onlyOwn(&f, readers)
}

// onlyOwn holds a caller without one of roles to what is theirs: a device to
// what it owns and what is below that, a person to what they own and what they have
// permissions on.
func (c *call) onlyOwn(f *platform.ObjectFilter, roles []platform.Role) error {
	if c.who.HasAny(roles...) {
		return nil
	}
	if c.who.IsDevice() {
		f.Within = c.who.User
		return nil
	}
	on, err := c.granted(roles)
	switch {
	case err != nil:
		return err
	case len(on) > 0:
		c.onlyPermitted(f, on)
	case f.Owner == "" || f.Owner == c.who.User:
		f.Owner = c.who.User
	default:
		f.IDs = []platform.ID{-1}
	}
	return nil
}

// readQuery reads query and q, which asks for devices. The type of the URL does
// not count beside them (rest.md §6.1).
func readQuery(c *call, f *platform.ObjectFilter) error {
	for _, name := range []string{"query", "q"} {
		text := c.query.Get(name)
		if text == "" {
			continue
		}
		parsed, err := query.Parse(text)
		if err != nil {
			return problem.WithCode(problem.Unprocessable, "inventory/Invalid Data",
				"Find by filter query failed : Query could not be understood.", err)
		}
		f.Type = ""
		f.Query.Filter = both(f.Query.Filter, parsed.Filter)
		f.Query.Order = append(f.Query.Order, parsed.Order...)
	}
	if c.query.Has("q") {
		isDevice := &query.Node{Kind: query.Has, Paths: []query.Path{{platform.FragmentIsDevice}}}
		f.Query.Filter = both(isDevice, f.Query.Filter)
	}
	return nil
}

func both(a, b *query.Node) *query.Node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &query.Node{Kind: query.And, Kids: []*query.Node{a, b}}
}

// readIDs reads IDs given by commas or by repetition.
func readIDs(f *platform.ObjectFilter, lists []string) {
	if len(lists) == 0 {
		return
	}
	for _, list := range lists {
		for text := range strings.SplitSeq(list, ",") {
			if id, ok := platform.ParseID(strings.TrimSpace(text)); ok {
				f.IDs = append(f.IDs, id)
			}
		}
	}
	if len(f.IDs) == 0 {
		f.IDs = []platform.ID{-1} // ids that are none match nothing, not everything
	}
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
