package sqlstore

import (
	"context"
	"time"

	"mooring/server/platform"
)

var _ platform.Wills = (*Store)(nil)

// Wills implements platform.Wills. The table holds what is on its way and no more,
// so that a look through it is cheap; it is taken at the start, and on several
// servers now and then.
func (s *Store) Wills(ctx context.Context, owner string, before time.Time) ([]platform.StagedPublish, error) {
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
			}, "SELECT device, topic, payload, at FROM staged WHERE tenant = $1 AND packet = $2 AND topic <> $3 AND at < $4 ORDER BY device LIMIT $5",
				t, platform.WillPacketID, owner, before, platform.MaxWills-len(list))
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

// TouchWills implements platform.Wills.
func (s *Store) TouchWills(ctx context.Context, owner string, at time.Time) error {
	return s.telemetry.do(ctx, func(tx *session) error {
		return tx.run("UPDATE staged SET at = $3 WHERE packet = $1 AND topic = $2", platform.WillPacketID, owner, at)
	})
}
