package sqlstore

import (
	"context"

	"mooring/server/platform"
)

// change is a row of the change log before it has its number.
type change struct {
	platform.Change
	tenant tenantKey
}

// numberChanges writes the changes of the command that ends. Their numbers
// come from the one row of change_head. It stays locked until the transaction
// ends, and nothing but the commit comes after it; so numbers become visible
// in ascending order, on every node, and who has read up to n can go on after n.
func (s *session) numberChanges() ([]platform.Change, error) {
	if len(s.changes) == 0 {
		return nil, nil
	}
	if s.d.nudge != "" {
		if err := s.run(s.d.nudge); err != nil {
			return nil, err
		}
	}
	last, err := one(s, "change number", (*row).int,
		"UPDATE change_head SET number = number + $1 RETURNING number", len(s.changes))
	if err != nil {
		return nil, err
	}
	list := make([]platform.Change, len(s.changes))
	for i, c := range s.changes {
		c.Number = last - int64(len(s.changes)-1-i)
		if err := s.run("INSERT INTO changes (number, tenant, kind, key) VALUES ($1, $2, $3, $4)",
			c.Number, c.tenant, string(c.Kind), clean(c.Key)); err != nil {
			return nil, err
		}
		list[i] = c.Change
	}
	return list, nil
}

// ChangesAfter implements platform.Changes.
func (s *Store) ChangesAfter(ctx context.Context, after int64, limit int) ([]platform.Change, error) {
	return read1(ctx, s.reads, func(tx *session) ([]platform.Change, error) {
		return all(tx, func(r *row) platform.Change {
			return platform.Change{
				Number: r.int(), Tenant: platform.TenantID(r.text()),
				Kind: platform.ChangeKind(r.text()), Key: r.text(),
			}
		}, `SELECT c.number, t.id, c.kind, c.key FROM changes c JOIN tenants t ON t.key = c.tenant
			WHERE c.number > $1 ORDER BY c.number LIMIT $2`, after, limit)
	})
}

// LastChange implements platform.Changes.
func (s *Store) LastChange(ctx context.Context) (int64, error) {
	return read1(ctx, s.reads, func(tx *session) (int64, error) {
		return one(tx, "change number", (*row).int, "SELECT number FROM change_head")
	})
}

// DropChanges implements platform.Expiry.
func (s *Store) DropChanges(ctx context.Context, upTo int64) (int, error) {
	var n int64
	err := s.identity.do(ctx, func(tx *session) (err error) {
		n, err = tx.exec(`DELETE FROM changes WHERE number IN (SELECT number FROM changes
			WHERE number <= $1 AND number < (SELECT number FROM change_head) ORDER BY number LIMIT $2)`, upTo, platform.MaxDeleted)
		return err
	})
	return int(n), err
}
