package sqlstore

import (
	"context"

	"mooring/server/platform"
)

// ObjectByExternalID implements platform.Inventory.
func (s *Store) ObjectByExternalID(ctx context.Context, tenant platform.TenantID, xid platform.ExternalID) (platform.ID, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.ID, error) {
		id, found, err := tx.objectByExternalID(t, xid)
		if err == nil && !found {
			return 0, notFound("external ID")
		}
		return id, err
	})
}

func (s *session) objectByExternalID(t tenantKey, xid platform.ExternalID) (platform.ID, bool, error) {
	return first(s, (*row).id, "SELECT object FROM external_ids WHERE tenant = $1 AND type = $2 AND value = $3", t, xid.Type, xid.Value)
}

// ExternalIDs implements platform.Inventory: in the order of type and value.
func (s *Store) ExternalIDs(ctx context.Context, tenant platform.TenantID, id platform.ID) ([]platform.ExternalID, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.ExternalID, error) {
		if _, err := tx.object(t, tenant, id, ""); err != nil {
			return nil, err
		}
		return all(tx, func(r *row) platform.ExternalID { return platform.ExternalID{Type: r.text(), Value: r.text()} },
			"SELECT type, value FROM external_ids WHERE tenant = $1 AND object = $2 ORDER BY type, value", t, id)
	})
}

// BindExternalID implements platform.Inventory. Binding a name to the object
// that has it already is fine.
func (s *Store) BindExternalID(ctx context.Context, tenant platform.TenantID, id platform.ID, xid platform.ExternalID) error {
	return s.write(ctx, tenant, nil, func(tx *session, t tenantKey) error {
		if _, err := tx.object(t, tenant, id, ""); err != nil {
			return err
		}
		owner, found, err := tx.objectByExternalID(t, xid)
		if err != nil || (found && owner == id) {
			return err
		}
		tx.changed(t, tenant, platform.ChangeObject, id.String())
		return tx.bindExternalID(t, tenant, id, xid)
	})
}

// bindExternalID is Conflict if the name is taken.
func (s *session) bindExternalID(t tenantKey, tenant platform.TenantID, id platform.ID, xid platform.ExternalID) error {
	if xid.Type != platform.SerialType {
		s.changed(t, tenant, platform.ChangeName, xid.Type+"/"+xid.Value)
	}
	n, err := s.exec("INSERT INTO external_ids (tenant, type, value, object) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, type, value) DO NOTHING",
		t, xid.Type, xid.Value, id)
	if err == nil && n == 0 {
		return conflict("the external ID is bound")
	}
	return err
}

// UnbindExternalID implements platform.Inventory.
func (s *Store) UnbindExternalID(ctx context.Context, tenant platform.TenantID, xid platform.ExternalID) error {
	return s.write(ctx, tenant, nil, func(tx *session, t tenantKey) error {
		id, err := one(tx, "external ID", (*row).id,
			"DELETE FROM external_ids WHERE tenant = $1 AND type = $2 AND value = $3 RETURNING object", t, xid.Type, xid.Value)
		if err != nil {
			return err
		}
		tx.changed(t, tenant, platform.ChangeObject, id.String())
		return nil
	})
}
