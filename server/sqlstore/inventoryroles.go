package sqlstore

import (
	"context"
	"encoding/json"

	"mooring/server/platform"
)

// InventoryRoles implements platform.InventoryRoles.
func (s *Store) InventoryRoles(ctx context.Context, tenant platform.TenantID) ([]platform.InventoryRole, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.InventoryRole, error) {
		return all(tx, func(r *row) platform.InventoryRole {
			role := platform.InventoryRole{Tenant: tenant, ID: r.id(), Name: r.text(), Description: r.text()}
			if text := r.bytes(); r.err == nil && json.Unmarshal(text, &role.Permissions) != nil {
				r.wrong("a list of permissions", string(text))
			}
			return role
		}, "SELECT id, name, description, permissions FROM inventory_roles WHERE tenant = $1 ORDER BY id", t)
	})
}

// PutInventoryRole implements platform.InventoryRoles.
func (s *Store) PutInventoryRole(ctx context.Context, r platform.InventoryRole, audit ...platform.AuditRecord) error {
	if r.ID == 0 || r.Name == "" {
		return invalid("an inventory role needs an ID and a name")
	}
	permissions, err := json.Marshal(r.Permissions)
	if err != nil {
		return err
	}
	return s.write(ctx, r.Tenant, audit, func(tx *session, t tenantKey) error {
		taken, err := tx.exists("SELECT 1 FROM inventory_roles WHERE tenant = $1 AND name = $2 AND id <> $3", t, r.Name, r.ID)
		if err != nil {
			return err
		}
		if taken {
			return conflict("the inventory role exists")
		}
		return tx.run(`INSERT INTO inventory_roles (tenant, id, name, description, permissions) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant, id) DO UPDATE SET name = excluded.name, description = excluded.description, permissions = excluded.permissions`,
			t, r.ID, r.Name, r.Description, permissions)
	})
}

// DeleteInventoryRole implements platform.InventoryRoles.
func (s *Store) DeleteInventoryRole(ctx context.Context, tenant platform.TenantID, id platform.ID, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		if err := tx.must("inventory role", "DELETE FROM inventory_roles WHERE tenant = $1 AND id = $2", t, id); err != nil {
			return err
		}
		if err := tx.run(`UPDATE inventory_assignments SET roles = trim(replace(' ' || roles || ' ', $3, ' '))
			WHERE tenant = $1 AND ' ' || roles || ' ' LIKE $2`, t, "% "+id.String()+" %", " "+id.String()+" "); err != nil {
			return err
		}
		return tx.run("DELETE FROM inventory_assignments WHERE tenant = $1 AND roles = ''", t)
	})
}

// InventoryAssignments implements platform.InventoryRoles.
func (s *Store) InventoryAssignments(ctx context.Context, tenant platform.TenantID, user string) ([]platform.InventoryAssignment, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.InventoryAssignment, error) {
		return all(tx, func(r *row) platform.InventoryAssignment {
			return platform.InventoryAssignment{Tenant: tenant, User: user, ID: r.id(), Object: r.id(), Roles: splitIDs(r.text())}
		}, "SELECT id, object, roles FROM inventory_assignments WHERE tenant = $1 AND person = $2 ORDER BY id", t, user)
	})
}

// PutInventoryAssignment implements platform.InventoryRoles.
func (s *Store) PutInventoryAssignment(ctx context.Context, a platform.InventoryAssignment, audit ...platform.AuditRecord) error {
	if a.ID == 0 || len(a.Roles) == 0 {
		return invalid("an assignment needs an ID and roles")
	}
	return s.write(ctx, a.Tenant, audit, func(tx *session, t tenantKey) error {
		for what, q := range map[string]struct {
			sql string
			arg any
		}{
			"user":           {"SELECT 1 FROM users WHERE tenant = $1 AND name = $2", a.User},
			"managed object": {"SELECT 1 FROM objects WHERE tenant = $1 AND id = $2", a.Object},
		} {
			there, err := tx.exists(q.sql, t, q.arg)
			if err != nil {
				return err
			}
			if !there {
				return notFound(what)
			}
		}
		taken, err := tx.exists("SELECT 1 FROM inventory_assignments WHERE tenant = $1 AND person = $2 AND object = $3 AND id <> $4", t, a.User, a.Object, a.ID)
		if err != nil {
			return err
		}
		if taken {
			return conflict("the assignment exists")
		}
		return tx.run(`INSERT INTO inventory_assignments (tenant, person, id, object, roles) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant, person, id) DO UPDATE SET object = excluded.object, roles = excluded.roles`,
			t, a.User, a.ID, a.Object, joinIDs(a.Roles))
	})
}

// DeleteInventoryAssignment implements platform.InventoryRoles.
func (s *Store) DeleteInventoryAssignment(ctx context.Context, tenant platform.TenantID, user string, id platform.ID, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		return tx.must("assignment", "DELETE FROM inventory_assignments WHERE tenant = $1 AND person = $2 AND id = $3", t, user, id)
	})
}
