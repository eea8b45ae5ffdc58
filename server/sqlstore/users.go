package sqlstore

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"mooring/server/platform"
)

const userColumns = "name, password_hash, roles, enabled, email, first_name, last_name, created, password_set, groups, phone, display_name, custom, reset_password"

func scanUser(tenant platform.TenantID) func(*row) platform.User {
	return func(r *row) platform.User {
		return platform.User{
			Tenant: tenant, Name: r.text(), PasswordHash: r.text(), Roles: splitRoles(r.text()), Enabled: r.bool(),
			Email: r.text(), FirstName: r.text(), LastName: r.text(), Created: r.time(), PasswordSet: r.time(),
			Groups: splitIDs(r.text()), Phone: r.text(), DisplayName: r.text(), Custom: r.fragments(), ResetPassword: r.bool(),
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
func (s *Store) Users(ctx context.Context, tenant platform.TenantID, f platform.UserFilter, page platform.Page) (platform.List[platform.User], error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.User], error) {
		q := selection{columns: userColumns, from: "users", order: "name"}
		q.and("tenant = ?", t)
		q.users("name", f)
		if f.Group != 0 {
			q.and("' ' || groups || ' ' LIKE ?", "% "+f.Group.String()+" %")
		}
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
	custom, err := encodeFragments(u.Custom)
	if err != nil {
		return err
	}
	return s.run(`INSERT INTO users (tenant, `+userColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (tenant, name) DO UPDATE SET password_hash = excluded.password_hash, roles = excluded.roles,
		enabled = excluded.enabled, email = excluded.email, first_name = excluded.first_name, last_name = excluded.last_name,
		created = excluded.created, password_set = excluded.password_set, groups = excluded.groups, phone = excluded.phone,
		display_name = excluded.display_name, custom = excluded.custom, reset_password = excluded.reset_password`,
		t, u.Name, u.PasswordHash, joinRoles(u.Roles), u.Enabled, u.Email, u.FirstName, u.LastName, u.Created, u.PasswordSet,
		joinIDs(u.Groups), u.Phone, u.DisplayName, custom, u.ResetPassword)
}

// CreateUser implements platform.Users.
func (s *Store) CreateUser(ctx context.Context, u platform.User, audit ...platform.AuditRecord) error {
	return s.write(ctx, u.Tenant, audit, func(tx *session, t tenantKey) error {
		taken, err := tx.exists("SELECT 1 FROM users WHERE tenant = $1 AND name = $2", t, u.Name)
		if err != nil {
			return err
		}
		if taken {
			return conflict("the user exists")
		}
		tx.changed(t, u.Tenant, platform.ChangeUser, u.Name)
		return tx.putUser(t, u)
	})
}

// DeleteUser implements platform.Users.
func (s *Store) DeleteUser(ctx context.Context, tenant platform.TenantID, name string, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		tx.changed(t, tenant, platform.ChangeUser, name)
		return tx.must("user", "DELETE FROM users WHERE tenant = $1 AND name = $2", t, name)
	})
}

// EndSession implements platform.Users.
func (s *Store) EndSession(ctx context.Context, tenant platform.TenantID, id string, until, now time.Time) error {
	return s.write(ctx, tenant, nil, func(tx *session, t tenantKey) error {
		if err := tx.run("DELETE FROM ended_sessions WHERE tenant = $1 AND until < $2", t, now); err != nil {
			return err
		}
		tx.changed(t, tenant, platform.ChangeSession, id)
		return tx.run("INSERT INTO ended_sessions (tenant, id, until) VALUES ($1, $2, $3) ON CONFLICT (tenant, id) DO NOTHING", t, id, until)
	})
}

// SessionEnded implements platform.Users.
func (s *Store) SessionEnded(ctx context.Context, tenant platform.TenantID, id string) (bool, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (bool, error) {
		return tx.exists("SELECT 1 FROM ended_sessions WHERE tenant = $1 AND id = $2", t, id)
	})
}

// users selects user names, which column holds.
func (q *selection) users(column string, f platform.UserFilter) {
	if f.Prefix != "" {
		q.and("lower("+column+") LIKE ? ESCAPE '!'", escapeLike(strings.ToLower(f.Prefix))+"%")
	}
	if f.Contains != "" {
		q.and("lower("+column+") LIKE ? ESCAPE '!'", "%"+escapeLike(strings.ToLower(f.Contains))+"%")
	}
}

// escapeLike takes the meaning from the signs of LIKE.
func escapeLike(s string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s)
}

// encodeFragments gives what the column of further properties holds; none is
// empty.
func encodeFragments(f platform.Fragments) ([]byte, error) {
	if len(f) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(f)
	if err != nil {
		return nil, invalid("a property is no JSON")
	}
	return text, nil
}

func (r *row) fragments() platform.Fragments {
	text := r.bytes()
	if text == nil {
		return nil
	}
	var f platform.Fragments
	if err := json.Unmarshal(text, &f); err != nil {
		r.wrong("an object", text)
	}
	return f
}
