package sqlstore

import (
	"context"

	"mooring/server/platform"
)

const sealedKeyColumns = "purpose, key_id, sealed, created"

func scanSealedKey(tenant platform.TenantID) func(*row) platform.SealedKey {
	return func(r *row) platform.SealedKey {
		return platform.SealedKey{Tenant: tenant, Purpose: r.text(), KeyID: r.text(), Sealed: r.bytes(), Created: r.time()}
	}
}

// PutSealedKey implements platform.SealedKeys.
func (s *Store) PutSealedKey(ctx context.Context, k platform.SealedKey, audit ...platform.AuditRecord) error {
	return s.write(ctx, k.Tenant, audit, func(tx *session, t tenantKey) error { return tx.insertSealedKey(t, k) })
}

func (s *session) insertSealedKey(t tenantKey, k platform.SealedKey) error {
	return s.run("INSERT INTO sealed_keys (tenant, "+sealedKeyColumns+") VALUES ($1, $2, $3, $4, $5)",
		t, k.Purpose, k.KeyID, k.Sealed, k.Created)
}

// SealedKeys implements platform.SealedKeys.
func (s *Store) SealedKeys(ctx context.Context, tenant platform.TenantID, purpose string) ([]platform.SealedKey, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.SealedKey, error) {
		return all(tx, scanSealedKey(tenant), "SELECT "+sealedKeyColumns+
			" FROM sealed_keys WHERE tenant = $1 AND purpose = $2 ORDER BY created DESC, seq DESC", t, purpose)
	})
}

// SealedKey implements platform.SealedKeys.
func (s *Store) SealedKey(ctx context.Context, tenant platform.TenantID, purpose, keyID string) (platform.SealedKey, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.SealedKey, error) {
		return one(tx, "sealed key", scanSealedKey(tenant), "SELECT "+sealedKeyColumns+
			" FROM sealed_keys WHERE tenant = $1 AND purpose = $2 AND key_id = $3", t, purpose, keyID)
	})
}

// DeleteSealedKey implements platform.SealedKeys.
func (s *Store) DeleteSealedKey(ctx context.Context, tenant platform.TenantID, purpose, keyID string) error {
	return s.write(ctx, tenant, nil, func(tx *session, t tenantKey) error {
		return tx.must("sealed key", "DELETE FROM sealed_keys WHERE tenant = $1 AND purpose = $2 AND key_id = $3", t, purpose, keyID)
	})
}
