package sqlstore

import (
	"context"

	"mooring/server/platform"
)

// Children implements platform.Inventory.
func (s *Store) Children(ctx context.Context, tenant platform.TenantID, parent platform.ID, kind platform.ChildKind, page platform.Page) (platform.List[platform.ManagedObject], error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.ManagedObject], error) {
		if _, err := tx.object(t, tenant, parent, ""); err != nil {
			return platform.List[platform.ManagedObject]{}, err
		}
		q := selection{columns: objectColumns, from: "links l JOIN objects o ON o.tenant = l.tenant AND o.id = l.child", order: "o.id"}
		q.and("l.tenant = ?", t)
		q.and("l.parent = ?", parent)
		q.and("l.kind = ?", string(kind))
		return tx.objects(t, tenant, &q, page)
	})
}

// Parents implements platform.Inventory: in the order of IDs.
func (s *Store) Parents(ctx context.Context, tenant platform.TenantID, child platform.ID, kind platform.ChildKind) ([]platform.ManagedObject, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.ManagedObject, error) {
		if _, err := tx.object(t, tenant, child, ""); err != nil {
			return nil, err
		}
		q := selection{columns: objectColumns, from: "links l JOIN objects o ON o.tenant = l.tenant AND o.id = l.parent", order: "o.id"}
		q.and("l.tenant = ?", t)
		q.and("l.child = ?", child)
		q.and("l.kind = ?", string(kind))
		parents, err := all(tx, scanObject(tenant), q.sql(), q.args...)
		if err != nil {
			return nil, err
		}
		return parents, tx.withFragments(t, pointers(parents))
	})
}
