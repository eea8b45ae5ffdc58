package sqlstore

import "context"

// SetMeta implements platform.Store.
func (s *Store) SetMeta(ctx context.Context, key, value string) error {
	return s.identity.do(ctx, func(tx *session) error {
		return tx.run("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
	})
}

// Meta implements platform.Store: NotFound if the fact was never set.
func (s *Store) Meta(ctx context.Context, key string) (string, error) {
	return read1(ctx, s.reads, func(tx *session) (string, error) {
		return one(tx, "fact", (*row).text, "SELECT value FROM meta WHERE key = $1", key)
	})
}
