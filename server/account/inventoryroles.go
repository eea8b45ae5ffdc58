package account

import (
	"context"
	"errors"
	"slices"
	"strings"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Bounds of inventory roles; they are ours.
const (
	MaxInventoryRoles = 1000 // of one tenant
	MaxPermissions    = 100  // of one role
	MaxAssignments    = 200  // of one person
)

// Values of a permission (vendor's OpenAPI document); "*" is any.
var (
	permissionLevels = []string{"READ", "ADMIN", "*"}
	permissionScopes = []string{"ALARM", "AUDIT", "EVENT", "MANAGED_OBJECT", "MEASUREMENT", "OPERATION", "*"}
)

// builtinInventoryRoles are those that every tenant has, as the platform's tenants
// do. They cannot be changed.
var builtinInventoryRoles = []platform.InventoryRole{
	{ID: 1, Name: "Reader", Description: "Can see devices and their data.", Permissions: []platform.Permission{{ID: 1, Level: "READ", Scope: "*", Type: "*"}}},
	{ID: 2, Name: "Manager", Description: "Can see and change devices and their data, and operate them.", Permissions: []platform.Permission{{ID: 2, Level: "*", Scope: "*", Type: "*"}}},
	{ID: 3, Name: "Operations: All", Description: "Can operate devices.", Permissions: []platform.Permission{{ID: 3, Level: "ADMIN", Scope: "OPERATION", Type: "*"}}},
}

const lastBuiltinInventoryRole = 3

// Grant is what a person may do with an object and what is below it.
type Grant struct {
	Object      platform.ID
	Permissions []platform.Permission
}

// InventoryRoles lists the inventory roles of a tenant in the order of their IDs.
func (s *Service) InventoryRoles(ctx context.Context, tenant platform.TenantID) ([]platform.InventoryRole, error) {
	made, err := s.inventoryRoles.InventoryRoles(ctx, tenant)
	return append(slices.Clone(builtinInventoryRoles), made...), err
}

// InventoryRole returns one; problem.NotFound if there is none.
func (s *Service) InventoryRole(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.InventoryRole, error) {
	list, err := s.InventoryRoles(ctx, tenant)
	if err != nil {
		return platform.InventoryRole{}, err
	}
	if i := slices.IndexFunc(list, func(r platform.InventoryRole) bool { return r.ID == id }); i >= 0 {
		return list[i], nil
	}
	return platform.InventoryRole{}, problem.WithCode(problem.NotFound, "users/Not Found", "There is no inventory role with id '"+id.String()+"'.", nil)
}

// PutInventoryRole creates a role, or replaces the one whose ID it has. Permissions
// without an ID get one.
func (s *Service) PutInventoryRole(ctx context.Context, actor platform.Principal, r platform.InventoryRole) (platform.InventoryRole, error) {
	if err := checkInventoryRole(r); err != nil {
		return r, err
	}
	list, err := s.InventoryRoles(ctx, r.Tenant)
	if err != nil {
		return r, err
	}
	duplicate := problem.WithCode(problem.Conflict, "users/Duplicate", "Inventory role '"+r.Name+"' already exists.", nil)
	if slices.ContainsFunc(list, func(o platform.InventoryRole) bool { return o.Name == r.Name && o.ID != r.ID }) {
		return r, duplicate
	}
	activity := "Inventory role updated"
	if r.ID == 0 {
		if len(list) >= MaxInventoryRoles {
			return r, wrongRole("A tenant has at most 1000 inventory roles.")
		}
		activity = "Inventory role created"
		if r.ID, err = s.ids.NewID(ctx); err != nil {
			return r, err
		}
	} else if _, err := s.changeable(ctx, r.Tenant, r.ID); err != nil {
		return r, err
	}
	for i := range r.Permissions {
		if r.Permissions[i].ID == 0 {
			if r.Permissions[i].ID, err = s.ids.NewID(ctx); err != nil {
				return r, err
			}
		}
	}
	err = s.inventoryRoles.PutInventoryRole(ctx, r, s.inventoryRecord(actor, r.Tenant, activity, "'"+r.Name+"'"))
	if errors.Is(err, problem.Conflict) {
		return r, duplicate
	}
	return r, err
}

// changeable returns a role that a tenant made.
func (s *Service) changeable(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.InventoryRole, error) {
	r, err := s.InventoryRole(ctx, tenant, id)
	if err == nil && id <= lastBuiltinInventoryRole {
		err = problem.WithCode(problem.Forbidden, "security/Forbidden", "The inventory role '"+r.Name+"' cannot be changed.", nil)
	}
	return r, err
}

func wrongRole(text string) error {
	return problem.WithCode(problem.Unprocessable, "users/Invalid Data", text, nil)
}

func checkInventoryRole(r platform.InventoryRole) error {
	if strings.TrimSpace(r.Name) == "" || len(r.Name) > maxGroupBytes || len(r.Description) > maxGroupBytes {
		return wrongRole("An inventory role needs a name; name and description have at most 254 bytes.")
	}
	if len(r.Permissions) > MaxPermissions {
		return wrongRole("An inventory role has at most 100 permissions.")
	}
	for _, p := range r.Permissions {
		if !slices.Contains(permissionLevels, p.Level) || !slices.Contains(permissionScopes, p.Scope) || p.Type == "" || len(p.Type) > maxGroupBytes {
			return wrongRole("A permission has 'permission' (READ, ADMIN or *), 'scope' (ALARM, AUDIT, EVENT, MANAGED_OBJECT, MEASUREMENT, OPERATION or *) and 'type'.")
		}
	}
	return nil
}

// DeleteInventoryRole removes a role, from whoever has it, too.
func (s *Service) DeleteInventoryRole(ctx context.Context, actor platform.Principal, tenant platform.TenantID, id platform.ID) error {
	r, err := s.changeable(ctx, tenant, id)
	if err != nil {
		return err
	}
	return s.inventoryRoles.DeleteInventoryRole(ctx, tenant, id, s.inventoryRecord(actor, tenant, "Inventory role deleted", "'"+r.Name+"'"))
}

// InventoryAssignments lists what a person has been given, in the order of IDs.
func (s *Service) InventoryAssignments(ctx context.Context, tenant platform.TenantID, user string) ([]platform.InventoryAssignment, error) {
	if _, err := s.User(ctx, tenant, user); err != nil {
		return nil, err
	}
	return s.inventoryRoles.InventoryAssignments(ctx, tenant, user)
}

// PutInventoryAssignment creates an assignment, or replaces the one whose ID it has.
// Roles that a person is given on an object where they have some are added to these.
func (s *Service) PutInventoryAssignment(ctx context.Context, actor platform.Principal, a platform.InventoryAssignment) (platform.InventoryAssignment, error) {
	for _, id := range a.Roles {
		if _, err := s.InventoryRole(ctx, a.Tenant, id); err != nil {
			return a, err
		}
	}
	if len(a.Roles) == 0 {
		return a, wrongRole("An assignment needs roles.")
	}
	have, err := s.InventoryAssignments(ctx, a.Tenant, a.User)
	if err != nil {
		return a, err
	}
	if a.ID == 0 {
		if i := slices.IndexFunc(have, func(h platform.InventoryAssignment) bool { return h.Object == a.Object }); i >= 0 {
			a.ID = have[i].ID
			for _, id := range have[i].Roles {
				if !slices.Contains(a.Roles, id) {
					a.Roles = append(a.Roles, id)
				}
			}
		} else if len(have) >= MaxAssignments {
			return a, wrongRole("A person has inventory roles on at most 200 objects.")
		} else if a.ID, err = s.ids.NewID(ctx); err != nil {
			return a, err
		}
	}
	if len(a.Roles) > MaxPermissions {
		return a, wrongRole("An assignment has at most 100 roles.")
	}
	return a, s.inventoryRoles.PutInventoryAssignment(ctx, a, s.inventoryRecord(actor, a.Tenant, "Inventory roles assigned", "to '"+a.User+"' on "+a.Object.String()))
}

// DeleteInventoryAssignment takes what an assignment gave from a person.
func (s *Service) DeleteInventoryAssignment(ctx context.Context, actor platform.Principal, tenant platform.TenantID, user string, id platform.ID) error {
	err := s.inventoryRoles.DeleteInventoryAssignment(ctx, tenant, user, id, s.inventoryRecord(actor, tenant, "Inventory roles removed", "from '"+user+"'"))
	if errors.Is(err, problem.NotFound) {
		return problem.WithCode(problem.NotFound, "users/Not Found", "There is no assignment with id '"+id.String()+"'.", err)
	}
	return err
}

// Grants lists what a person may do with single objects.
func (s *Service) Grants(ctx context.Context, tenant platform.TenantID, user string) ([]Grant, error) {
	have, err := s.inventoryRoles.InventoryAssignments(ctx, tenant, user)
	if err != nil || len(have) == 0 {
		return nil, err
	}
	roles, err := s.InventoryRoles(ctx, tenant)
	if err != nil {
		return nil, err
	}
	grants := make([]Grant, len(have))
	for i, a := range have {
		grants[i].Object = a.Object
		for _, r := range roles {
			if slices.Contains(a.Roles, r.ID) {
				grants[i].Permissions = append(grants[i].Permissions, r.Permissions...)
			}
		}
	}
	return grants, nil
}

func (s *Service) inventoryRecord(actor platform.Principal, tenant platform.TenantID, activity, text string) platform.AuditRecord {
	return platform.AuditRecord{Tenant: tenant, At: platform.Millis(s.now()), Type: "InventoryRole", Activity: activity, Text: activity + ": " + text, User: actor.User}
}
