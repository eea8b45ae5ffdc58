package sqlstore

import (
	"context"

	"mooring/server/platform"
)

// TakeTurn implements platform.Turns.
func (s *Store) TakeTurn(ctx context.Context, tenant platform.TenantID, turn platform.Turn, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, _ tenantKey) error { return tx.takeTurn(tenant, turn) })
}

// takeTurn keeps the last turn among the facts of the instance.
func (s *session) takeTurn(tenant platform.TenantID, turn platform.Turn) error {
	n, err := s.exec(`INSERT INTO meta (key, value) VALUES ($1, $2)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE meta.value < excluded.value`,
		"turn/"+turn.Name+"/"+string(tenant), turn.On)
	if err == nil && n == 0 {
		return conflict("the turn was taken")
	}
	return err
}

// RenewIssuer implements platform.IssuerRenewals.
func (s *Store) RenewIssuer(ctx context.Context, cmd platform.RenewIssuer, audit ...platform.AuditRecord) error {
	c := cmd.Next
	if c.Tenant != cmd.Tenant {
		return invalid("issuer and certificate belong to several tenants")
	}
	return s.write(ctx, cmd.Tenant, audit, func(tx *session, t tenantKey) error {
		if cmd.Turn.Name != "" {
			if err := tx.takeTurn(cmd.Tenant, cmd.Turn); err != nil {
				return err
			}
		}
		// In this order: whoever forgets the old one knows the new one already.
		tx.changed(t, cmd.Tenant, platform.ChangeTrust, c.Fingerprint)
		tx.changed(t, cmd.Tenant, platform.ChangeTrust, cmd.Old)
		n, err := tx.exec(`UPDATE trusted SET fingerprint = $3, certificate = $4, not_after = $5
			WHERE tenant = $1 AND fingerprint = $2 AND is_tenant_ca`, t, cmd.Old, c.Fingerprint, c.Certificate, c.NotAfter)
		if err != nil {
			return err
		}
		if n == 0 {
			return conflict("the issuer has another certificate")
		}
		return tx.must("issuer", "UPDATE issuers SET certificate = $2 WHERE tenant = $1", t, c.Certificate)
	})
}

// AwaitApproval implements platform.Approvals.
func (s *Store) AwaitApproval(ctx context.Context, tenant platform.TenantID, externalID string, epoch int64, keyHash [32]byte, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		n, err := tx.exec(`UPDATE registrations SET status = $4, asked_key = $5
			WHERE tenant = $1 AND external_id = $2 AND epoch = $3 AND spent_serial IS NULL`,
			t, externalID, epoch, string(platform.StatusPending), keyHash[:])
		if err == nil && n == 0 {
			return conflict("the OTP is spent or replaced")
		}
		return err
	})
}
