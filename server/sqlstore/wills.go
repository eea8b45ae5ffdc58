package sqlstore

import (
	"context"
	"time"

	"mooring/server/platform"
)

var _ platform.Wills = (*Store)(nil)

// WillOwners implements platform.Wills. The table holds what is on its way and no
// more, so that a look through it is cheap.
func (s *Store) WillOwners(ctx context.Context) ([]string, error) {
	return read1(ctx, s.telemetryR, func(tx *session) ([]string, error) {
		return all(tx, (*row).text, "SELECT DISTINCT topic FROM staged WHERE packet = $1 ORDER BY topic", platform.WillPacketID)
	})
}

// Wills implements platform.Wills.
func (s *Store) Wills(ctx context.Context, owner string) ([]platform.StagedPublish, error) {
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	var list []platform.StagedPublish
	for _, tenant := range tenants {
		more, err := readTenant(ctx, s, s.telemetryR, tenant.ID, func(tx *session, t tenantKey) ([]platform.StagedPublish, error) {
			return all(tx, func(r *row) platform.StagedPublish {
				return platform.StagedPublish{StagedKey: platform.StagedKey{Tenant: tenant.ID, Device: r.text(), PacketID: platform.WillPacketID},
					Topic: r.text(), Payload: r.bytes(), At: r.time()}
			}, "SELECT device, topic, payload, at FROM staged WHERE tenant = $1 AND packet = $2 AND topic = $3 ORDER BY device LIMIT $4",
				t, platform.WillPacketID, owner, platform.MaxWills-len(list))
		})
		if list = append(list, more...); err != nil || len(list) == platform.MaxWills {
			return list, err
		}
	}
	return list, nil
}

// ClaimWill implements platform.Wills.
func (s *Store) ClaimWill(ctx context.Context, p platform.StagedPublish, owner string, at time.Time) (bool, error) {
	var n int64
	err := s.writeTelemetry(ctx, p.Tenant, func(tx *session, t tenantKey) (err error) {
		n, err = tx.exec("UPDATE staged SET topic = $5, at = $6 WHERE tenant = $1 AND device = $2 AND packet = $3 AND topic = $4",
			t, p.Device, platform.WillPacketID, p.Topic, owner, at)
		return err
	})
	return n == 1, err
}
