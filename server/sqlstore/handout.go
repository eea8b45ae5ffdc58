package sqlstore

import (
	"context"
	"errors"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// AdvanceRegistration implements platform.Registrations.
func (s *Store) AdvanceRegistration(ctx context.Context, have, next platform.Registration, audit ...platform.AuditRecord) error {
	return s.write(ctx, have.Tenant, audit, func(tx *session, t tenantKey) error {
		n, err := tx.exec(`UPDATE registrations SET status = $6, device_key = $7, device_mac = $8, tries = $9
			WHERE tenant = $1 AND external_id = $2 AND epoch = $3 AND status = $4 AND tries = $5`,
			t, have.ExternalID, have.Epoch, string(have.Status), have.Tries,
			string(next.Status), next.DeviceToken.KeyID, next.DeviceToken.MAC, next.Tries)
		if err == nil && n == 0 {
			return conflict("the registration changed meanwhile")
		}
		return err
	})
}

// HandOut implements platform.Registrations. That the row is deleted first
// makes two who ask at once take turns, and the second get nothing.
func (s *Store) HandOut(ctx context.Context, cmd platform.RegisterDevice, audit ...platform.AuditRecord) (platform.Registered, error) {
	var done platform.Registered
	r := cmd.Registration
	err := s.write(ctx, r.Tenant, audit, func(tx *session, t tenantKey) error {
		done = platform.Registered{}
		n, err := tx.exec(`DELETE FROM registrations WHERE tenant = $1 AND external_id = $2 AND epoch = $3 AND status = $4 AND hands_out`,
			t, r.ExternalID, r.Epoch, string(platform.StatusAccepted))
		if err != nil {
			return err
		}
		if n == 0 {
			return conflict("the password was handed out")
		}
		return tx.makeDevice(t, cmd, &done)
	})
	return done, err
}

// Awaited implements platform.Registrations.
func (s *Store) Awaited(ctx context.Context, externalID string) ([]platform.Registration, error) {
	return read1(ctx, s.reads, func(tx *session) ([]platform.Registration, error) {
		return all(tx, func(r *row) platform.Registration {
			tenant := platform.TenantID(r.text())
			return scanRegistration(tenant)(r)
		}, "SELECT t.id, "+registrationColumns+" FROM "+registrationTables+
			" JOIN tenants t ON t.key = r.tenant WHERE r.external_id = $1 AND r.hands_out ORDER BY t.key LIMIT $2", externalID, platform.MaxAwaited)
	})
}

// placeInGroup puts an object into the group its registration names. A group
// that is gone is none.
func (s *session) placeInGroup(t tenantKey, group, object platform.ID) error {
	if group == 0 {
		return nil
	}
	err := s.link(t, platform.ChildLink{Parent: group, Kind: platform.ChildAssets, Child: object})
	if errors.Is(err, problem.NotFound) {
		return nil
	}
	return err
}
