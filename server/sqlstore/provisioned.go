package sqlstore

import (
	"context"

	"mooring/server/platform"
)

const (
	provisionedColumns = "serial, not_before, not_after, first_seen"
	// provisionedOrder is newest first; the rest makes it the same every time.
	provisionedOrder = "not_before DESC, first_seen DESC, serial"
)

func scanProvisioned(r *row) platform.ProvisionedCertificate {
	return platform.ProvisionedCertificate{Serial: r.text(), NotBefore: r.time(), NotAfter: r.time(), FirstSeen: r.time()}
}

func (s *session) provisioned(t tenantKey, externalID string) ([]platform.ProvisionedCertificate, error) {
	return all(s, scanProvisioned, "SELECT "+provisionedColumns+
		" FROM provisioned WHERE tenant = $1 AND external_id = $2 ORDER BY "+provisionedOrder, t, externalID)
}

// RecordProvisioned implements platform.DeviceUsers. A certificate that is
// older than the MaxProvisioned that are known is not recorded either. It
// reports no change: nobody decides by this list.
func (s *Store) RecordProvisioned(ctx context.Context, tenant platform.TenantID, externalID string, c platform.ProvisionedCertificate, audit ...platform.AuditRecord) (bool, error) {
	key, err := s.tenantKey(ctx, tenant)
	if err != nil {
		return false, err
	}
	rows, err := s.auditRows(ctx, audit)
	if err != nil {
		return false, err
	}
	var recorded bool
	err = s.identity.do(ctx, func(tx *session) error {
		// The lock makes two of one device take turns, or there would be one too many.
		_, err := one(tx, "device user", (*row).text,
			"SELECT external_id FROM device_users WHERE tenant = $1 AND external_id = $2"+tx.d.lockRow, key, externalID)
		if err != nil {
			return err
		}
		recorded, err = tx.recordProvisioned(key, externalID, c)
		if err != nil || !recorded {
			return err
		}
		return tx.insertAudits(rows)
	})
	return recorded && err == nil, err
}

func (s *session) recordProvisioned(t tenantKey, externalID string, c platform.ProvisionedCertificate) (bool, error) {
	n, err := s.exec(`INSERT INTO provisioned (tenant, external_id, `+provisionedColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (tenant, external_id, serial) DO NOTHING`, t, externalID, c.Serial, c.NotBefore, c.NotAfter, c.FirstSeen)
	if err != nil || n == 0 {
		return false, err
	}
	err = s.run(`DELETE FROM provisioned WHERE tenant = $1 AND external_id = $2 AND serial NOT IN
		(SELECT serial FROM provisioned WHERE tenant = $1 AND external_id = $2 ORDER BY `+provisionedOrder+` LIMIT $3)`,
		t, externalID, platform.MaxProvisioned)
	if err != nil {
		return false, err
	}
	return s.exists("SELECT 1 FROM provisioned WHERE tenant = $1 AND external_id = $2 AND serial = $3", t, externalID, c.Serial)
}
