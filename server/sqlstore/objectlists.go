package sqlstore

import (
	"context"
	"strings"

	"mooring/server/platform"
)

// Objects implements platform.Inventory.
func (s *Store) Objects(ctx context.Context, tenant platform.TenantID, filter platform.ObjectFilter, page platform.Page) (platform.List[platform.ManagedObject], error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.ManagedObject], error) {
		if len(filter.IDs) > platform.MaxPageSize {
			return platform.List[platform.ManagedObject]{}, invalid("too many IDs")
		}
		return tx.objects(t, tenant, tx.objectsWhere(t, filter), page)
	})
}

func (s *session) objectsWhere(t tenantKey, f platform.ObjectFilter) *selection {
	q := selection{columns: objectColumns, from: "objects o", order: "o.id"}
	q.and("o.tenant = ?", t)
	in(&q, "o.id", f.IDs, func(id platform.ID) any { return id })
	q.equal("o.type", f.Type)
	q.equal("o.owner", f.Owner)
	q.equal("o.name", f.Name)
	if f.Text != "" {
		q.and(s.d.position+"(o.folded, ?) > 0", strings.ToLower(f.Text))
	}
	if f.FragmentType != "" {
		q.and("EXISTS (SELECT 1 FROM fragments f WHERE f.tenant = o.tenant AND f.object = o.id AND f.name = ?)", f.FragmentType)
	}
	if f.ParentID != 0 {
		q.and("EXISTS (SELECT 1 FROM links l WHERE l.tenant = o.tenant AND l.child = o.id AND l.parent = ? AND l.kind = ?)",
			f.ParentID, string(f.ParentKind))
	}
	if f.OnlyRoots {
		q.and("NOT EXISTS (SELECT 1 FROM links l WHERE l.tenant = o.tenant AND l.child = o.id)")
	}
	return &q
}

// objects reads a page of objects with their fragments.
func (s *session) objects(t tenantKey, tenant platform.TenantID, q *selection, page platform.Page) (platform.List[platform.ManagedObject], error) {
	l, err := list(s, q, page, scanObject(tenant))
	if err != nil {
		return l, err
	}
	return l, s.withFragments(t, pointers(l.Items))
}

func pointers[T any](items []T) []*T {
	list := make([]*T, len(items))
	for i := range items {
		list[i] = &items[i]
	}
	return list
}

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
