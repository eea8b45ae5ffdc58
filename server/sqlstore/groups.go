package sqlstore

import (
	"context"
	"slices"
	"strings"

	"mooring/server/platform"
)

const groupColumns = "id, name, description, roles, custom"

func scanGroup(tenant platform.TenantID) func(*row) platform.Group {
	return func(r *row) platform.Group {
		return platform.Group{Tenant: tenant, ID: r.id(), Name: r.text(), Description: r.text(),
			Roles: splitRoles(r.text()), Custom: r.fragments()}
	}
}

// Groups implements platform.Groups.
func (s *Store) Groups(ctx context.Context, tenant platform.TenantID) ([]platform.Group, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.Group, error) {
		return all(tx, scanGroup(tenant), "SELECT "+groupColumns+" FROM user_groups WHERE tenant = $1 ORDER BY id", t)
	})
}

// PutGroup implements platform.Groups.
func (s *Store) PutGroup(ctx context.Context, g platform.Group, audit ...platform.AuditRecord) error {
	if g.ID == 0 || g.Name == "" {
		return invalid("a group needs an ID and a name")
	}
	custom, err := encodeFragments(g.Custom)
	if err != nil {
		return err
	}
	return s.write(ctx, g.Tenant, audit, func(tx *session, t tenantKey) error {
		taken, err := tx.exists("SELECT 1 FROM user_groups WHERE tenant = $1 AND name = $2 AND id <> $3", t, g.Name, g.ID)
		if err != nil {
			return err
		}
		if taken {
			return conflict("the group exists")
		}
		tx.changed(t, g.Tenant, platform.ChangeGroup, g.ID.String())
		return tx.run(`INSERT INTO user_groups (tenant, `+groupColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (tenant, id) DO UPDATE SET name = excluded.name, description = excluded.description,
			roles = excluded.roles, custom = excluded.custom`, t, g.ID, g.Name, g.Description, joinRoles(g.Roles), custom)
	})
}

// DeleteGroup implements platform.Groups.
func (s *Store) DeleteGroup(ctx context.Context, tenant platform.TenantID, id platform.ID, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		if err := tx.must("group", "DELETE FROM user_groups WHERE tenant = $1 AND id = $2", t, id); err != nil {
			return err
		}
		tx.changed(t, tenant, platform.ChangeGroup, id.String())
		return tx.run(`UPDATE users SET groups = trim(replace(' ' || groups || ' ', $3, ' '))
			WHERE tenant = $1 AND ' ' || groups || ' ' LIKE $2`, t, "% "+id.String()+" %", " "+id.String()+" ")
	})
}

// The groups of a person are kept as one text, "1 2 310".
func joinIDs(ids []platform.ID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return strings.Join(texts, " ")
}

func splitIDs(text string) []platform.ID {
	var ids []platform.ID
	for s := range strings.FieldsSeq(text) {
		if id, ok := platform.ParseID(s); ok && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
