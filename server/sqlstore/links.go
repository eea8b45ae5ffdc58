package sqlstore

import (
	"context"

	"mooring/server/platform"
)

// AddChild implements platform.Inventory.
func (s *Store) AddChild(ctx context.Context, tenant platform.TenantID, link platform.ChildLink) error {
	return s.write(ctx, tenant, nil, func(tx *session, t tenantKey) error {
		tx.changed(t, tenant, platform.ChangeObject, link.Parent.String())
		return tx.link(t, link)
	})
}

func (s *session) link(t tenantKey, l platform.ChildLink) error {
	switch l.Kind {
	case platform.ChildDevices, platform.ChildAssets, platform.ChildAdditions:
	default:
		return invalid("unknown kind of child")
	}
	if l.Parent == l.Child {
		return invalid("an object cannot be its own child")
	}
	for _, id := range []platform.ID{l.Parent, l.Child} {
		found, err := s.exists("SELECT 1 FROM objects WHERE tenant = $1 AND id = $2", t, id)
		if err != nil {
			return err
		}
		if !found {
			return notFound("managed object")
		}
	}
	return s.run("INSERT INTO links (tenant, parent, kind, child) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, parent, kind, child) DO NOTHING",
		t, l.Parent, string(l.Kind), l.Child)
}

// RemoveChild implements platform.Inventory: NotFound if the child is not there.
func (s *Store) RemoveChild(ctx context.Context, tenant platform.TenantID, link platform.ChildLink) error {
	return s.write(ctx, tenant, nil, func(tx *session, t tenantKey) error {
		tx.changed(t, tenant, platform.ChangeObject, link.Parent.String())
		return tx.must("child", "DELETE FROM links WHERE tenant = $1 AND parent = $2 AND kind = $3 AND child = $4",
			t, link.Parent, string(link.Kind), link.Child)
	})
}

// descendants lists id and everything that a cascade takes along: child
// devices and additions, theirs, and so on. Rings end the search.
func (s *session) descendants(t tenantKey, id platform.ID) ([]platform.ID, error) {
	return all(s, (*row).id, `WITH RECURSIVE doomed (id) AS (
			SELECT o.id FROM objects o WHERE o.tenant = $1 AND o.id = $2
			UNION SELECT l.child FROM doomed d JOIN links l ON l.tenant = $1 AND l.parent = d.id AND l.kind IN ($3, $4))
		SELECT id FROM doomed ORDER BY id`, t, id, string(platform.ChildDevices), string(platform.ChildAdditions))
}
