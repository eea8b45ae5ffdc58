package sqlstore

import (
	"context"
	"strconv"
	"strings"

	"mooring/server/platform"
)

// Descendants implements platform.Inventory. UNION leaves out what was found
// already, so that it ends where links go in a circle.
func (s *Store) Descendants(ctx context.Context, tenant platform.TenantID, root platform.ID, kinds []platform.ChildKind, limit int) ([]platform.ID, error) {
	if len(kinds) == 0 {
		return nil, nil
	}
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.ID, error) {
		args := []any{t, root, limit}
		var list []string
		for _, k := range kinds {
			args = append(args, string(k))
			list = append(list, "$"+strconv.Itoa(len(args)))
		}
		in := " IN (" + strings.Join(list, ", ") + ")"
		return all(tx, (*row).id, `WITH RECURSIVE below (id) AS (
			SELECT child FROM links WHERE tenant = $1 AND parent = $2 AND kind`+in+`
			UNION SELECT l.child FROM below b JOIN links l ON l.tenant = $1 AND l.parent = b.id AND l.kind`+in+`)
			SELECT id FROM below WHERE id <> $2 LIMIT $3`, args...)
	})
}

// ObjectNames implements platform.Inventory.
func (s *Store) ObjectNames(ctx context.Context, tenant platform.TenantID, ids []platform.ID) (map[platform.ID]string, error) {
	if len(ids) > platform.MaxPageSize {
		return nil, invalid("too many objects at once")
	}
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (map[platform.ID]string, error) {
		names := make(map[platform.ID]string, len(ids))
		for len(ids) > 0 {
			n := min(len(ids), fragmentChunk)
			q := selection{columns: "id, name", from: "objects"}
			q.and("tenant = ?", t)
			in(&q, "id", ids[:n], func(id platform.ID) any { return id })
			if err := tx.each(func(r *row) error {
				id := r.id()
				names[id] = r.text()
				return r.err
			}, q.sql(), q.args...); err != nil {
				return nil, err
			}
			ids = ids[n:]
		}
		return names, nil
	})
}
