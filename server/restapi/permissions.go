package restapi

import (
	"slices"

	"mooring/internal/query"
	"mooring/server/platform"
)

// permission is what a role allows for all objects, in the words of the permissions
// that a person may have on some of them.
type permission struct{ scope, level string }

var permissionOf = map[platform.Role]permission{
	platform.RoleInventoryRead:      {"MANAGED_OBJECT", "READ"},
	platform.RoleManagedObjectRead:  {"MANAGED_OBJECT", "READ"},
	platform.RoleInventoryAdmin:     {"MANAGED_OBJECT", "ADMIN"},
	platform.RoleManagedObjectAdmin: {"MANAGED_OBJECT", "ADMIN"},
	platform.RoleMeasurementRead:    {"MEASUREMENT", "READ"},
	platform.RoleMeasurementAdmin:   {"MEASUREMENT", "ADMIN"},
	platform.RoleEventRead:          {"EVENT", "READ"},
	platform.RoleEventAdmin:         {"EVENT", "ADMIN"},
	platform.RoleAlarmRead:          {"ALARM", "READ"},
	platform.RoleAlarmAdmin:         {"ALARM", "ADMIN"},
	platform.RoleDeviceControlRead:  {"OPERATION", "READ"},
	platform.RoleDeviceControlAdmin: {"OPERATION", "ADMIN"},
	platform.RoleAuditRead:          {"AUDIT", "READ"},
	platform.RoleAuditAdmin:         {"AUDIT", "ADMIN"},
}

// allows reports whether p lets do what one of roles does. A permission for some
// type of data alone allows nothing here (DIVERGENCES).
func allows(p platform.Permission, roles []platform.Role) bool {
	if p.Type != "*" {
		return false
	}
	return slices.ContainsFunc(roles, func(r platform.Role) bool {
		want, ok := permissionOf[r]
		return ok && (p.Scope == want.scope || p.Scope == "*") && (p.Level == want.level || p.Level == "*")
	})
}

// granted lists the objects on which, and below which, the caller has by inventory
// roles what roles give on all.
func (c *call) granted(roles []platform.Role) ([]platform.ID, error) {
	if c.who.IsDevice() {
		return nil, nil
	}
	grants, err := c.api.Accounts.Grants(c.ctx(), c.tenant(), c.who.User)
	if err != nil {
		return nil, err
	}
	var objects []platform.ID
	for _, g := range grants {
		if slices.ContainsFunc(g.Permissions, func(p platform.Permission) bool { return allows(p, roles) }) {
			objects = append(objects, g.Object)
		}
	}
	return objects, nil
}

// Bounds of the way up from an object to those on which permissions are given.
const (
	maxUp      = 64 // levels
	maxUpAlike = 1000
)

// permitted reports whether the caller may use an object by an inventory role on it
// or on one above it, by devices and assets.
func (c *call) permitted(id platform.ID, roles []platform.Role) (bool, error) {
	on, err := c.granted(roles)
	if err != nil || len(on) == 0 {
		return false, err
	}
	seen := map[platform.ID]bool{id: true}
	level := []platform.ID{id}
	for range maxUp {
		if slices.ContainsFunc(level, func(id platform.ID) bool { return slices.Contains(on, id) }) {
			return true, nil
		}
		parents, err := c.api.Inventory.ParentsOf(c.ctx(), c.tenant(), level, false)
		if err != nil {
			return false, err
		}
		level = level[:0:0]
		for _, p := range parents {
			if !seen[p.ID] && len(seen) < maxUpAlike {
				seen[p.ID] = true
				level = append(level, p.ID)
			}
		}
		if len(level) == 0 {
			return false, nil
		}
	}
	return false, nil
}

// onlyPermitted holds a person to what they own and what they have permissions on.
func (c *call) onlyPermitted(f *platform.ObjectFilter, on []platform.ID) {
	ids := make([]int64, len(on))
	for i, id := range on {
		ids[i] = int64(id)
	}
	f.Query.Filter = both(f.Query.Filter, &query.Node{Kind: query.Or, Kids: []*query.Node{
		{Kind: query.Compare, Path: query.Path{"owner"}, Op: query.Equal, Value: query.Value{Kind: query.Text, Text: c.who.User}},
		{Kind: query.Hierarchy, IDs: ids},
	}})
}
