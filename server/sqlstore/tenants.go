package sqlstore

import (
	"context"
	"sync"

	"mooring/server/platform"
)

// tenantKey is a tenant's number in every table.
type tenantKey int64

// tenantKeys remembers the numbers of tenants. Tenants are never removed, so
// nothing invalidates it, and it holds one entry a tenant that exists.
type tenantKeys struct{ m sync.Map } // platform.TenantID → tenantKey

// tenantKey is NotFound for a tenant that does not exist. The management
// tenant's number always exists: keys of the instance belong to it.
func (s *Store) tenantKey(ctx context.Context, id platform.TenantID) (tenantKey, error) {
	if key, ok := s.tenants.m.Load(id); ok {
		return key.(tenantKey), nil
	}
	key, err := read1(ctx, s.reads, func(tx *session) (int64, error) {
		return one(tx, "tenant", (*row).int, "SELECT key FROM tenants WHERE id = $1", string(id))
	})
	if err != nil {
		return 0, err
	}
	s.tenants.m.Store(id, tenantKey(key))
	return tenantKey(key), nil
}

// CreateTenant implements platform.Tenants. The row of the management tenant
// is there from the first migration, without being a tenant yet.
func (s *Store) CreateTenant(ctx context.Context, t platform.Tenant, admin platform.User, audit ...platform.AuditRecord) error {
	if t.ID == "" {
		return invalid("a tenant needs an ID")
	}
	// Audit rows of the new tenant find its key only once it exists.
	ids, err := s.auditIDs(ctx, audit)
	if err != nil {
		return err
	}
	rule, err := s.NewID(ctx)
	if err != nil {
		return err
	}
	return s.identity.do(ctx, func(tx *session) error {
		key, found, err := first(tx, (*row).int, `INSERT INTO tenants (id, domain, created, live) VALUES ($1, NULLIF($2, ''), $3, TRUE)
			ON CONFLICT (id) DO UPDATE SET domain = excluded.domain, created = excluded.created, live = TRUE
			WHERE NOT tenants.live RETURNING key`, string(t.ID), t.Domain, t.Created)
		if err != nil {
			return err
		}
		if !found {
			return conflict("the tenant exists")
		}
		if admin.Name != "" {
			if err := tx.putUser(tenantKey(key), admin); err != nil {
				return err
			}
		}
		if err := tx.putRetentionRule(tenantKey(key), defaultRetention(rule)); err != nil {
			return err
		}
		tx.changed(tenantKey(key), t.ID, platform.ChangeTenant, "")
		for i, a := range audit {
			auditKey := tenantKey(key)
			if a.Tenant != t.ID {
				if auditKey, err = tx.tenantKey(a.Tenant); err != nil {
					return err
				}
			}
			if err := tx.insertAudit(auditRow{AuditRecord: a, id: ids[i], tenant: auditKey}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *session) tenantKey(id platform.TenantID) (tenantKey, error) {
	key, err := one(s, "tenant", (*row).int, "SELECT key FROM tenants WHERE id = $1", string(id))
	return tenantKey(key), err
}

const selectTenants = "SELECT id, domain, created FROM tenants WHERE live"

func scanTenant(r *row) platform.Tenant {
	return platform.Tenant{ID: platform.TenantID(r.text()), Domain: r.text(), Created: r.time()}
}

// Tenant implements platform.Tenants.
func (s *Store) Tenant(ctx context.Context, id platform.TenantID) (platform.Tenant, error) {
	return read1(ctx, s.reads, func(tx *session) (platform.Tenant, error) {
		return one(tx, "tenant", scanTenant, selectTenants+" AND id = $1", string(id))
	})
}

// Tenants implements platform.Tenants.
func (s *Store) Tenants(ctx context.Context) ([]platform.Tenant, error) {
	return read1(ctx, s.reads, func(tx *session) ([]platform.Tenant, error) {
		return all(tx, scanTenant, selectTenants+" ORDER BY key")
	})
}
