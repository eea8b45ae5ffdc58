package sqlstore

import (
	"context"

	"mooring/server/platform"
)

// AddChild implements platform.Inventory.
func (s *Store) AddChild(ctx context.Context, tenant platform.TenantID, links ...platform.ChildLink) error {
	return s.write(ctx, tenant, nil, func(tx *session, t tenantKey) error {
		for _, l := range links {
			tx.changed(t, tenant, platform.ChangeObject, l.Parent.String())
			if err := tx.link(t, l); err != nil {
				return err
			}
		}
		return nil
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

// RemoveChild implements platform.Inventory: NotFound if a child is not there.
func (s *Store) RemoveChild(ctx context.Context, tenant platform.TenantID, links ...platform.ChildLink) error {
	return s.write(ctx, tenant, nil, func(tx *session, t tenantKey) error {
		for _, l := range links {
			tx.changed(t, tenant, platform.ChangeObject, l.Parent.String())
			if err := tx.must("child", "DELETE FROM links WHERE tenant = $1 AND parent = $2 AND kind = $3 AND child = $4",
				t, l.Parent, string(l.Kind), l.Child); err != nil {
				return err
			}
		}
		return nil
	})
}
