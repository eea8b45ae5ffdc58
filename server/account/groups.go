package account

import (
	"context"
	"errors"
	"slices"
	"strings"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Bounds of groups of people; they are ours.
const (
	MaxGroups     = 1000 // of one tenant
	maxGroupBytes = 254  // of a name and of a description
)

// Groups that every tenant has from the start. A tenant may change what roles
// they hold; it cannot delete or rename them.
const (
	GroupAdmins   platform.ID = 1
	GroupBusiness platform.ID = 2
	GroupReaders  platform.ID = 3
	GroupDevices  platform.ID = 4
	lastBuiltin               = GroupDevices
)

var readerRoles = []platform.Role{platform.RoleDeviceControlRead, platform.RoleInventoryRead, platform.RoleIdentityRead,
	platform.RoleMeasurementRead, platform.RoleEventRead, platform.RoleAlarmRead, platform.RoleUserOwnRead}

var builtinGroups = []platform.Group{
	{ID: GroupAdmins, Name: "admins", Description: "May do everything", Roles: platform.AdminRoles},
	{ID: GroupBusiness, Name: "business", Description: "Devices and their data", Roles: []platform.Role{
		platform.RoleDeviceControlAdmin, platform.RoleDeviceControlRead, platform.RoleInventoryAdmin,
		platform.RoleInventoryRead, platform.RoleInventoryCreate, platform.RoleIdentityAdmin, platform.RoleIdentityRead,
		platform.RoleMeasurementAdmin, platform.RoleMeasurementRead, platform.RoleEventAdmin, platform.RoleEventRead,
		platform.RoleAlarmAdmin, platform.RoleAlarmRead, platform.RoleAuditRead, platform.RoleUserOwnRead}},
	{ID: GroupReaders, Name: "readers", Description: "See devices and their data", Roles: readerRoles},
	{ID: GroupDevices, Name: "devices", Description: "For programs that act for devices",
		Roles: []platform.Role{platform.RoleInventoryCreate, platform.RoleUserOwnRead}},
}

// Groups lists the groups of a tenant in the order of their IDs. Callers must
// not change what they get.
func (s *Service) Groups(ctx context.Context, tenant platform.TenantID) ([]platform.Group, error) {
	if list, ok := s.groups.get(tenant); ok {
		return list, nil
	}
	epoch := s.groups.begin()
	stored, err := s.groupStore.Groups(ctx, tenant)
	if err != nil {
		return nil, err
	}
	list := make([]platform.Group, 0, len(builtinGroups)+len(stored))
	for _, g := range builtinGroups {
		g.Tenant = tenant
		if i := slices.IndexFunc(stored, func(s platform.Group) bool { return s.ID == g.ID }); i >= 0 {
			g = stored[i]
		}
		list = append(list, g)
	}
	for _, g := range stored {
		if g.ID > lastBuiltin {
			list = append(list, g)
		}
	}
	s.groups.fill(epoch, tenant, list)
	return list, nil
}

// Group returns a group; problem.NotFound if there is none.
func (s *Service) Group(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Group, error) {
	return s.group(ctx, tenant, id.String(), func(g platform.Group) bool { return g.ID == id })
}

// GroupByName returns a group; problem.NotFound if there is none.
func (s *Service) GroupByName(ctx context.Context, tenant platform.TenantID, name string) (platform.Group, error) {
	return s.group(ctx, tenant, name, func(g platform.Group) bool { return g.Name == name })
}

func (s *Service) group(ctx context.Context, tenant platform.TenantID, wanted string, is func(platform.Group) bool) (platform.Group, error) {
	list, err := s.Groups(ctx, tenant)
	if err != nil {
		return platform.Group{}, err
	}
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i], nil
	}
	return platform.Group{}, problem.WithCode(problem.NotFound, "users/Not Found", "There is no group '"+wanted+"'.", nil)
}

// CreateGroup adds a group, whose ID it gives; problem.Conflict if the name is taken.
func (s *Service) CreateGroup(ctx context.Context, actor platform.Principal, g platform.Group) (platform.Group, error) {
	list, err := s.Groups(ctx, g.Tenant)
	if err != nil {
		return g, err
	}
	if len(list) >= MaxGroups {
		return g, problem.WithCode(problem.Unprocessable, "users/Invalid Data", "A tenant has at most 1000 groups.", nil)
	}
	if g.ID, err = s.ids.NewID(ctx); err != nil {
		return g, err
	}
	return g, s.putGroup(ctx, actor, g, list, "Group created")
}

// UpdateGroup replaces what is stored of a group.
func (s *Service) UpdateGroup(ctx context.Context, actor platform.Principal, g platform.Group) error {
	have, err := s.Group(ctx, g.Tenant, g.ID)
	if err != nil {
		return err
	}
	if g.ID <= lastBuiltin && g.Name != have.Name {
		return problem.WithCode(problem.Unprocessable, "users/Invalid Data", "The group '"+have.Name+"' keeps its name.", nil)
	}
	if g.ID == GroupAdmins && !slices.Equal(g.Roles, have.Roles) {
		return problem.WithCode(problem.Unprocessable, "users/Invalid Data", "The group 'admins' keeps its roles.", nil)
	}
	list, err := s.Groups(ctx, g.Tenant)
	if err != nil {
		return err
	}
	return s.putGroup(ctx, actor, g, list, "Group updated")
}

func (s *Service) putGroup(ctx context.Context, actor platform.Principal, g platform.Group, list []platform.Group, activity string) error {
	if err := checkGroup(g); err != nil {
		return err
	}
	duplicate := problem.WithCode(problem.Conflict, "users/Duplicate", "Group '"+g.Name+"' already exists.", nil)
	if slices.ContainsFunc(list, func(other platform.Group) bool { return other.Name == g.Name && other.ID != g.ID }) {
		return duplicate
	}
	err := s.groupStore.PutGroup(ctx, g, s.groupRecord(actor, g, activity))
	s.forgetGroups(g.Tenant)
	if errors.Is(err, problem.Conflict) {
		return duplicate
	}
	return err
}

// DeleteGroup removes a group that a tenant made, and everybody from it.
func (s *Service) DeleteGroup(ctx context.Context, actor platform.Principal, tenant platform.TenantID, id platform.ID) error {
	g, err := s.Group(ctx, tenant, id)
	if err != nil {
		return err
	}
	if id <= lastBuiltin {
		return problem.WithCode(problem.Forbidden, "security/Forbidden", "The group '"+g.Name+"' cannot be deleted.", nil)
	}
	err = s.groupStore.DeleteGroup(ctx, tenant, id, s.groupRecord(actor, g, "Group deleted"))
	s.forgetGroups(tenant)
	return err
}

func checkGroup(g platform.Group) error {
	wrong := func(text string) error {
		return problem.WithCode(problem.Unprocessable, "users/Invalid Data", text, nil)
	}
	if strings.TrimSpace(g.Name) == "" || len(g.Name) > maxGroupBytes || len(g.Description) > maxGroupBytes {
		return wrong("A group needs a name; name and description have at most 254 bytes.")
	}
	if customBytes(g.Custom) > maxCustomBytes {
		return wrong("customProperties have at most 16384 bytes.")
	}
	return checkRoles(g.Roles)
}

func (s *Service) groupRecord(actor platform.Principal, g platform.Group, activity string) platform.AuditRecord {
	return platform.AuditRecord{Tenant: g.Tenant, At: platform.Millis(s.now()), Type: "User",
		Activity: activity, Text: activity + ": '" + g.Name + "'", User: actor.User, Source: g.ID.String()}
}

// forgetGroups forgets what hung on the groups of a tenant: verified passwords
// carry roles, people their membership.
func (s *Service) forgetGroups(tenant platform.TenantID) {
	s.groups.forget(tenant)
	s.verified.memo.forgetAll()
	s.people.forgetAll()
}

// EffectiveRoles are a person's own and those of their groups, each once.
func (s *Service) EffectiveRoles(ctx context.Context, u platform.User) ([]platform.Role, error) {
	if len(u.Groups) == 0 {
		return slices.Clone(u.Roles), nil
	}
	list, err := s.Groups(ctx, u.Tenant)
	if err != nil {
		return nil, err
	}
	return Effective(u, list), nil
}

// Effective are the roles of a person given the groups of the tenant.
func Effective(u platform.User, groups []platform.Group) []platform.Role {
	roles := slices.Clone(u.Roles)
	for _, g := range groups {
		if !slices.Contains(u.Groups, g.ID) {
			continue
		}
		for _, r := range g.Roles {
			if !slices.Contains(roles, r) {
				roles = append(roles, r)
			}
		}
	}
	return roles
}
