package sqlstore

import (
	"context"

	"mooring/server/platform"
)

const ruleColumns = "id, data, fragment, type, source, days, editable"

func scanRule(r *row) platform.RetentionRule {
	return platform.RetentionRule{
		ID: r.id(), DataType: r.text(), FragmentType: r.text(), Type: r.text(), Source: r.text(), MaximumAge: int(r.int()), Editable: r.bool(),
	}
}

// defaultRetention is the first rule of a tenant.
func defaultRetention(id platform.ID) platform.RetentionRule {
	return platform.RetentionRule{ID: id, DataType: platform.Any, FragmentType: platform.Any, Type: platform.Any, Source: platform.Any,
		MaximumAge: platform.DefaultRetentionDays, Editable: true}
}

// RetentionRules implements platform.RetentionRules.
func (s *Store) RetentionRules(ctx context.Context, tenant platform.TenantID) ([]platform.RetentionRule, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.RetentionRule, error) {
		return all(tx, scanRule, "SELECT "+ruleColumns+" FROM retention_rules WHERE tenant = $1 ORDER BY id", t)
	})
}

// RetentionRule implements platform.RetentionRules.
func (s *Store) RetentionRule(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.RetentionRule, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.RetentionRule, error) {
		return one(tx, "retention rule", scanRule, "SELECT "+ruleColumns+" FROM retention_rules WHERE tenant = $1 AND id = $2", t, id)
	})
}

// PutRetentionRule implements platform.RetentionRules.
func (s *Store) PutRetentionRule(ctx context.Context, tenant platform.TenantID, r platform.RetentionRule, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		// The row of the tenant is locked, so that two nodes count one after the other.
		if _, err := tx.exists("SELECT 1 FROM tenants WHERE key = $1"+tx.d.lockRow, t); err != nil {
			return err
		}
		n, err := one(tx, "count", (*row).int, "SELECT count(*) FROM retention_rules WHERE tenant = $1 AND id <> $2", t, r.ID)
		if err != nil {
			return err
		}
		if n >= platform.MaxRetentionRules {
			return conflict("the tenant has as many retention rules as it may")
		}
		return tx.putRetentionRule(t, r)
	})
}

func (s *session) putRetentionRule(t tenantKey, r platform.RetentionRule) error {
	return s.run("INSERT INTO retention_rules (tenant, "+ruleColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (tenant, id) DO UPDATE SET data = excluded.data, fragment = excluded.fragment, type = excluded.type,
		source = excluded.source, days = excluded.days, editable = excluded.editable`,
		t, r.ID, r.DataType, r.FragmentType, r.Type, r.Source, r.MaximumAge, r.Editable)
}

// DeleteRetentionRule implements platform.RetentionRules.
func (s *Store) DeleteRetentionRule(ctx context.Context, tenant platform.TenantID, id platform.ID, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		return tx.must("retention rule", "DELETE FROM retention_rules WHERE tenant = $1 AND id = $2", t, id)
	})
}
