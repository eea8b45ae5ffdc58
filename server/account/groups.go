package account

import (
	"slices"

	"mooring/server/platform"
)

// Group is a set of roles that people are put into. The groups are the same in
// every tenant and cannot be changed.
type Group struct {
	ID    int
	Name  string
	Roles []platform.Role
}

var groups = []Group{
	{1, "admins", platform.AdminRoles},
	{2, "business", []platform.Role{platform.RoleDeviceControlAdmin, platform.RoleDeviceControlRead, platform.RoleInventoryAdmin,
		platform.RoleInventoryRead, platform.RoleInventoryCreate, platform.RoleIdentityAdmin, platform.RoleIdentityRead,
		platform.RoleMeasurementAdmin, platform.RoleMeasurementRead, platform.RoleEventAdmin, platform.RoleEventRead,
		platform.RoleAlarmAdmin, platform.RoleAlarmRead, platform.RoleAuditRead, platform.RoleUserOwnRead}},
	{3, "readers", []platform.Role{platform.RoleDeviceControlRead, platform.RoleInventoryRead, platform.RoleIdentityRead,
		platform.RoleMeasurementRead, platform.RoleEventRead, platform.RoleAlarmRead, platform.RoleUserOwnRead}},
}

// Groups lists the groups.
func Groups() []Group { return groups }

// GroupByName returns a group.
func GroupByName(name string) (Group, bool) {
	i := slices.IndexFunc(groups, func(g Group) bool { return g.Name == name })
	if i < 0 {
		return Group{}, false
	}
	return groups[i], true
}

// EffectiveRoles are a person's own and those of their groups, each once.
func EffectiveRoles(u platform.User) []platform.Role {
	roles := slices.Clone(u.Roles)
	for _, name := range u.Groups {
		g, _ := GroupByName(name)
		for _, r := range g.Roles {
			if !slices.Contains(roles, r) {
				roles = append(roles, r)
			}
		}
	}
	return roles
}
