package restapi

import (
	"strings"

	"mooring/server/c8yjson"
	"mooring/server/inventory"
	"mooring/server/platform"
)

// softwareRoutes answer what devices have told by the SmartREST templates 140 to
// 142, as the real platform's service for advanced software management does.
func (a *API) softwareRoutes() []route {
	return []route{
		{method: "GET", path: "/service/advanced-software-mgmt/software", access: user, serve: listSoftware,
			doc: doc{Does: "List the software on a device", Query: "deviceId: id, name, version, type, paging", Gives: "softwareCollection", Also: "404 422"}},
	}
}

func listSoftware(c *call) error {
	device, ok := platform.ParseID(c.query.Get("deviceId"))
	if !ok {
		return c8yjson.Missing("deviceId")
	}
	p, err := c.paging()
	if err != nil {
		return err
	}
	if err := c.mayUse(device, inventoryReaders); err != nil {
		return err
	}
	all, err := c.api.Inventory.Software(c.ctx(), c.tenant(), device)
	if err != nil {
		return err
	}
	var found []inventory.Software
	for _, s := range all {
		if softwareMatches(c, s) {
			found = append(found, s)
		}
	}
	list := platform.List[inventory.Software]{Total: int64(len(found))}
	from := min(p.Page.Offset(), len(found))
	to := min(from+p.Page.Size, len(found))
	list.Items, list.More = found[from:to], to < len(found)
	collection(c, c8yjson.MediaJSON, "softwareList", p, list, func(w *c8yjson.Writer, s inventory.Software) {
		w.Open('{')
		w.Text("name", s.Name)
		w.Text("version", s.Version)
		w.TextIf("softwareType", s.Type)
		w.TextIf("url", s.URL)
		w.Close('}')
	})
	return nil
}

// softwareMatches holds an item against the filters, in which "*" stands for
// anything.
func softwareMatches(c *call, s inventory.Software) bool {
	return matchesStars(c.query.Get("name"), s.Name) && matchesStars(c.query.Get("version"), s.Version) && matchesStars(c.query.Get("type"), s.Type)
}

// matchesStars reports whether text is as pattern says; an empty pattern says nothing.
func matchesStars(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	for _, part := range parts[1 : len(parts)-1] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
