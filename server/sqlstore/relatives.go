package sqlstore

import (
	"context"
	"slices"
	"strconv"

	"mooring/server/platform"
)

// Doomed implements platform.Inventory. Rings end the search.
func (s *Store) Doomed(ctx context.Context, tenant platform.TenantID, id platform.ID, cascade platform.Cascade, limit int) ([]platform.ID, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.ID, error) {
		if _, err := tx.object(t, tenant, id, ""); err != nil || cascade == platform.DeleteAlone {
			return []platform.ID{id}, err
		}
		below := "JOIN links l ON l.tenant = $2 AND l.parent = d.id"
		if cascade == platform.DeleteSubgroups {
			below += ` AND l.kind = '` + string(platform.ChildAssets) + `' JOIN fragments f ON f.tenant = l.tenant AND f.object = l.child
				AND f.name = '` + platform.FragmentIsDeviceGroup + `'`
		}
		// A breadth-first search finds those above before those below, but for rings
		// and for objects that are in several places.
		list, err := all(tx, (*row).id, `WITH RECURSIVE doomed (id) AS (
				SELECT CAST($1 AS BIGINT) UNION SELECT l.child FROM doomed d `+below+`)
			SELECT id FROM doomed LIMIT $3`, id, t, limit)
		slices.Reverse(list)
		return list, err
	})
}

// numbered returns "$first, …" for a list of n parameters.
func numbered(first, n int) string {
	b := make([]byte, 0, 6*n)
	for i := range n {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, '$')
		b = strconv.AppendInt(b, int64(first+i), 10)
	}
	return string(b)
}

func idArgs(t tenantKey, ids []platform.ID) []any {
	args := make([]any, 0, len(ids)+4)
	args = append(args, t)
	for _, id := range ids {
		args = append(args, id)
	}
	return args
}

func scanRelative(r *row) platform.Relative {
	return platform.Relative{Of: r.id(), Kind: platform.ChildKind(r.text()), ID: r.id(), Name: r.text()}
}

// ChildrenOf implements platform.Inventory.
func (s *Store) ChildrenOf(ctx context.Context, tenant platform.TenantID, parents []platform.ID, limit int) ([]platform.Relative, error) {
	if len(parents) == 0 {
		return nil, nil
	}
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.Relative, error) {
		return all(tx, scanRelative, `SELECT n.parent, n.kind, n.child, o.name FROM (
				SELECT l.parent, l.kind, l.child, row_number() OVER (PARTITION BY l.parent, l.kind ORDER BY l.child) AS place
				FROM links l WHERE l.tenant = $1 AND l.parent IN (`+numbered(2, len(parents))+`)) n
			JOIN objects o ON o.tenant = $`+strconv.Itoa(len(parents)+2)+` AND o.id = n.child
			WHERE n.place <= $`+strconv.Itoa(len(parents)+3)+` ORDER BY n.parent, n.kind, n.child`,
			append(idArgs(t, parents), t, limit)...)
	})
}

// CountChildrenOf implements platform.Inventory.
func (s *Store) CountChildrenOf(ctx context.Context, tenant platform.TenantID, parents []platform.ID) (map[platform.ID]map[platform.ChildKind]int64, error) {
	counts := map[platform.ID]map[platform.ChildKind]int64{}
	if len(parents) == 0 {
		return counts, nil
	}
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (map[platform.ID]map[platform.ChildKind]int64, error) {
		clear(counts)
		return counts, tx.each(func(r *row) error {
			parent, kind, n := r.id(), platform.ChildKind(r.text()), r.int()
			if counts[parent] == nil {
				counts[parent] = map[platform.ChildKind]int64{}
			}
			counts[parent][kind] = n
			return r.err
		}, "SELECT parent, kind, count(*) FROM links WHERE tenant = $1 AND parent IN ("+numbered(2, len(parents))+") GROUP BY parent, kind",
			idArgs(t, parents)...)
	})
}

// maxLevels bounds how far up ancestors are looked for.
const maxLevels = 64

// ParentsOf implements platform.Inventory: in the order of children, of levels from
// the bottom, and of parents.
func (s *Store) ParentsOf(ctx context.Context, tenant platform.TenantID, children []platform.ID, ancestors bool) ([]platform.Relative, error) {
	if len(children) == 0 {
		return nil, nil
	}
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.Relative, error) {
		n := len(children)
		// The kind is that of the lowest link: the parents of a parent are in the same
		// list as it is. A ring ends where levels do.
		above := ""
		if ancestors {
			above = ` UNION SELECT a.of_child, a.kind, l.parent, a.level + 1 FROM above a JOIN links l ON l.tenant = $` + strconv.Itoa(n+2) +
				` AND l.child = a.id AND l.kind = a.kind AND a.level < ` + strconv.Itoa(maxLevels)
		}
		args := idArgs(t, children)
		if ancestors {
			args = append(args, t)
		}
		next := len(args) + 1
		return all(tx, scanRelative, `WITH RECURSIVE above (of_child, kind, id, level) AS (
				SELECT l.child, l.kind, l.parent, 1 FROM links l WHERE l.tenant = $1 AND l.child IN (`+numbered(2, n)+`)`+above+`)
			SELECT a.of_child, a.kind, a.id, o.name FROM (SELECT of_child, kind, id, min(level) AS level FROM above GROUP BY of_child, kind, id) a
			JOIN objects o ON o.tenant = $`+strconv.Itoa(next)+` AND o.id = a.id
			WHERE a.of_child <> a.id ORDER BY a.of_child, a.kind, a.level, a.id LIMIT $`+strconv.Itoa(next+1), append(args, t, platform.MaxAncestors)...)
	})
}

// BelowOwned implements platform.Inventory.
func (s *Store) BelowOwned(ctx context.Context, tenant platform.TenantID, id platform.ID, owner string) (bool, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (bool, error) {
		return tx.exists(`WITH RECURSIVE above (id) AS (
				SELECT l.parent FROM links l WHERE l.tenant = $1 AND l.child = $2
				UNION SELECT l.parent FROM above a JOIN links l ON l.tenant = $3 AND l.child = a.id)
			SELECT 1 FROM above a JOIN objects o ON o.tenant = $4 AND o.id = a.id WHERE o.owner = $5 LIMIT 1`, t, id, t, t, owner)
	})
}
