package sqlstore

import (
	"context"

	"mooring/server/platform"
)

const optionColumns = "category, key, value"

func scanOption(r *row) platform.Option {
	return platform.Option{OptionKey: platform.OptionKey{Category: r.text(), Key: r.text()}, Value: r.text()}
}

// Option implements platform.Options.
func (s *Store) Option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (platform.Option, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.Option, error) {
		return one(tx, "option", scanOption,
			"SELECT "+optionColumns+" FROM options WHERE tenant = $1 AND category = $2 AND key = $3", t, key.Category, key.Key)
	})
}

// Options implements platform.Options.
func (s *Store) Options(ctx context.Context, tenant platform.TenantID, category string) ([]platform.Option, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.Option, error) {
		q := selection{columns: optionColumns, from: "options", order: "category, key"}
		q.and("tenant = ?", t)
		if category != "" {
			q.and("category = ?", category)
		}
		return all(tx, scanOption, q.sql(), q.args...)
	})
}

// SetOptions implements platform.Options.
func (s *Store) SetOptions(ctx context.Context, tenant platform.TenantID, options []platform.Option, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		for _, o := range options {
			if err := tx.run(`INSERT INTO options (tenant, `+optionColumns+`) VALUES ($1, $2, $3, $4)
				ON CONFLICT (tenant, category, key) DO UPDATE SET value = excluded.value`, t, o.Category, o.Key, o.Value); err != nil {
				return err
			}
			tx.changed(t, tenant, platform.ChangeOption, optionName(o.OptionKey))
		}
		return nil
	})
}

// DeleteOption implements platform.Options.
func (s *Store) DeleteOption(ctx context.Context, tenant platform.TenantID, key platform.OptionKey, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		tx.changed(t, tenant, platform.ChangeOption, optionName(key))
		return tx.must("option", "DELETE FROM options WHERE tenant = $1 AND category = $2 AND key = $3", t, key.Category, key.Key)
	})
}

func optionName(key platform.OptionKey) string { return key.Category + "/" + key.Key }
