package sqlstore

import (
	"context"

	"mooring/server/platform"
)

// write carries out a command of a tenant together with its audit rows.
func (s *Store) write(ctx context.Context, tenant platform.TenantID, audit []platform.AuditRecord,
	run func(tx *session, t tenantKey) error,
) error {
	key, err := s.tenantKey(ctx, tenant)
	if err != nil {
		return err
	}
	rows, err := s.auditRows(ctx, audit)
	if err != nil {
		return err
	}
	return s.identity.do(ctx, func(tx *session) error {
		if err := run(tx, key); err != nil {
			return err
		}
		return tx.insertAudits(rows)
	})
}

// readOne reads something of a tenant from the identity database.
func readOne[T any](ctx context.Context, s *Store, tenant platform.TenantID, f func(*session, tenantKey) (T, error)) (T, error) {
	return readTenant(ctx, s, s.reads, tenant, f)
}

func readTenant[T any](ctx context.Context, s *Store, p *pool, tenant platform.TenantID,
	f func(*session, tenantKey) (T, error),
) (T, error) {
	key, err := s.tenantKey(ctx, tenant)
	if err != nil {
		var none T
		return none, err
	}
	if platform.IsMetered(ctx) {
		release, err := p.shares.take(ctx, key)
		if err != nil {
			var none T
			return none, err
		}
		defer release()
	}
	return read1(ctx, p, func(tx *session) (T, error) { return f(tx, key) })
}
