package sqlstore

import (
	"context"
	"strings"

	"mooring/server/platform"
)

const userColumns = "name, password_hash, roles, enabled, email, first_name, last_name, created, password_set"

func scanUser(tenant platform.TenantID) func(*row) platform.User {
	return func(r *row) platform.User {
		return platform.User{
			Tenant: tenant, Name: r.text(), PasswordHash: r.text(), Roles: splitRoles(r.text()), Enabled: r.bool(),
			Email: r.text(), FirstName: r.text(), LastName: r.text(), Created: r.time(), PasswordSet: r.time(),
		}
	}
}

// Roles are kept as one text: they are read together, never searched for, and
// their names have no space.
func joinRoles(roles []platform.Role) string {
	var b strings.Builder
	for i, r := range roles {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(r))
	}
	return b.String()
}

func splitRoles(text string) []platform.Role {
	var roles []platform.Role
	for r := range strings.FieldsSeq(text) {
		roles = append(roles, platform.Role(r))
	}
	return roles
}

// User implements platform.Users.
func (s *Store) User(ctx context.Context, tenant platform.TenantID, name string) (platform.User, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.User, error) {
		return one(tx, "user", scanUser(tenant), "SELECT "+userColumns+" FROM users WHERE tenant = $1 AND name = $2", t, name)
	})
}

// Users implements platform.Users: in the order of names.
func (s *Store) Users(ctx context.Context, tenant platform.TenantID, page platform.Page) (platform.List[platform.User], error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.User], error) {
		q := selection{columns: userColumns, from: "users", order: "name"}
		q.and("tenant = ?", t)
		return list(tx, &q, page, scanUser(tenant))
	})
}

// PutUser implements platform.Users.
func (s *Store) PutUser(ctx context.Context, u platform.User, audit ...platform.AuditRecord) error {
	return s.write(ctx, u.Tenant, audit, func(tx *session, t tenantKey) error {
		tx.changed(t, u.Tenant, platform.ChangeUser, u.Name)
		return tx.putUser(t, u)
	})
}

func (s *session) putUser(t tenantKey, u platform.User) error {
	if u.Name == "" {
		return invalid("a user needs a name")
	}
	return s.run(`INSERT INTO users (tenant, `+userColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (tenant, name) DO UPDATE SET password_hash = excluded.password_hash, roles = excluded.roles,
		enabled = excluded.enabled, email = excluded.email, first_name = excluded.first_name, last_name = excluded.last_name,
		created = excluded.created, password_set = excluded.password_set`,
		t, u.Name, u.PasswordHash, joinRoles(u.Roles), u.Enabled, u.Email, u.FirstName, u.LastName, u.Created, u.PasswordSet)
}
