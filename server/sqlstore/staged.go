package sqlstore

import (
	"context"

	"mooring/server/platform"
)

// Stage implements platform.Telemetry.
func (s *Store) Stage(p platform.StagedPublish, done func(error)) {
	s.submit(p.Tenant, elementSize+len(p.Payload)+len(p.Topic), done, func(tx *session, t tenantKey) error {
		return tx.run(`INSERT INTO staged (tenant, device, packet, topic, payload, at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (tenant, device, packet) DO NOTHING`, t, p.Device, int(p.PacketID), p.Topic, p.Payload, p.At)
	})
}

// release forgets a staged publish; one that is not there is fine.
func (s *session) release(t tenantKey, key platform.StagedKey) error {
	return s.run("DELETE FROM staged WHERE tenant = $1 AND device = $2 AND packet = $3", t, key.Device, int(key.PacketID))
}

// Staged implements platform.Telemetry.
func (s *Store) Staged(ctx context.Context, key platform.StagedKey) (platform.StagedPublish, error) {
	return readTenant(ctx, s, s.telemetryR, key.Tenant, func(tx *session, t tenantKey) (platform.StagedPublish, error) {
		return one(tx, "staged publish", func(r *row) platform.StagedPublish {
			return platform.StagedPublish{StagedKey: key, Topic: r.text(), Payload: r.bytes(), At: r.time()}
		}, "SELECT topic, payload, at FROM staged WHERE tenant = $1 AND device = $2 AND packet = $3", t, key.Device, int(key.PacketID))
	})
}

// DropStaged implements platform.Telemetry.
func (s *Store) DropStaged(ctx context.Context, tenant platform.TenantID, device string) error {
	return s.writeTelemetry(ctx, tenant, func(tx *session, t tenantKey) error {
		return tx.run("DELETE FROM staged WHERE tenant = $1 AND device = $2 AND packet <> $3", t, device, platform.WillPacketID)
	})
}
