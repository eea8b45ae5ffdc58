package sqlstore

import (
	"context"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// insertAttestation keeps what was proved of the key of c.
func (s *session) insertAttestation(t tenantKey, c platform.IssuedCertificate, a platform.Attestation) error {
	return s.run(`INSERT INTO attestations (tenant, serial, external_id, ek_hash, pinned, manufacturer, model, firmware)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		t, c.Serial, c.ExternalID, a.EKHash[:], a.Pinned, a.Manufacturer, a.Model, a.Firmware)
}

const attestationColumns = "a.serial, a.external_id, a.ek_hash, a.pinned, a.manufacturer, a.model, a.firmware"

func scanAttestation(tenant platform.TenantID) func(*row) platform.Attestation {
	return func(r *row) platform.Attestation {
		return platform.Attestation{
			Tenant: tenant, Serial: r.text(), ExternalID: r.text(), EKHash: r.hash(), Pinned: r.bool(),
			Manufacturer: r.text(), Model: r.text(), Firmware: r.text(),
		}
	}
}

// Attestation implements platform.Attestations.
func (s *Store) Attestation(ctx context.Context, tenant platform.TenantID, serial string) (platform.Attestation, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.Attestation, error) {
		return one(tx, "attestation", scanAttestation(tenant),
			"SELECT "+attestationColumns+" FROM attestations a WHERE a.tenant = $1 AND a.serial = $2", t, serial)
	})
}

// Attestations implements platform.Attestations.
func (s *Store) Attestations(ctx context.Context, tenant platform.TenantID, externalID string, page platform.Page) (platform.List[platform.Attestation], error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.Attestation], error) {
		q := selection{columns: attestationColumns, order: "i.issued_at DESC, i.seq DESC",
			from: "issued i JOIN attestations a ON a.tenant = i.tenant AND a.serial = i.serial"}
		q.and("i.tenant = ?", t)
		q.equal("i.external_id", externalID)
		return list(tx, &q, page, scanAttestation(tenant))
	})
}

// DevicesOfTPM implements platform.Attestations.
func (s *Store) DevicesOfTPM(ctx context.Context, tenant platform.TenantID, ekHash [32]byte, but string, now time.Time, most int) ([]string, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]string, error) {
		return all(tx, (*row).text, `SELECT DISTINCT a.external_id FROM attestations a
			JOIN issued i ON i.tenant = a.tenant AND i.serial = a.serial
			WHERE a.tenant = $1 AND a.ek_hash = $2 AND a.external_id <> $3 AND i.not_after >= $4
			AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.tenant = a.tenant AND r.serial = a.serial)
			ORDER BY a.external_id LIMIT $5`, t, ekHash[:], but, now, int64(most))
	})
}

// AddTPMMakers implements platform.Attestations.
func (s *Store) AddTPMMakers(ctx context.Context, tenant platform.TenantID, makers []platform.TPMMaker, most int, audit ...platform.AuditRecord) (int, error) {
	var added int
	err := s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		added = 0
		for _, m := range makers {
			n, err := tx.exec(`INSERT INTO tpm_makers (tenant, fingerprint, certificate, created) VALUES ($1, $2, $3, $4)
				ON CONFLICT (tenant, fingerprint) DO NOTHING`, t, m.Fingerprint, m.Certificate, m.Created)
			if err != nil {
				return err
			}
			added += int(n)
		}
		tooMany, err := tx.exists("SELECT 1 FROM tpm_makers WHERE tenant = $1 ORDER BY fingerprint LIMIT 1 OFFSET $2", t, int64(most))
		if err == nil && tooMany {
			err = problem.New(problem.TooLarge, "", nil)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return added, nil
}

// TPMMakers implements platform.Attestations.
func (s *Store) TPMMakers(ctx context.Context, tenant platform.TenantID) ([]platform.TPMMaker, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.TPMMaker, error) {
		return all(tx, func(r *row) platform.TPMMaker {
			return platform.TPMMaker{Tenant: tenant, Fingerprint: r.text(), Certificate: r.bytes(), Created: r.time()}
		}, "SELECT fingerprint, certificate, created FROM tpm_makers WHERE tenant = $1 ORDER BY fingerprint", t)
	})
}

// DeleteTPMMaker implements platform.Attestations.
func (s *Store) DeleteTPMMaker(ctx context.Context, tenant platform.TenantID, fingerprint string, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		return tx.must("TPM maker", "DELETE FROM tpm_makers WHERE tenant = $1 AND fingerprint = $2", t, fingerprint)
	})
}

// PutTPMPin implements platform.Attestations.
func (s *Store) PutTPMPin(ctx context.Context, p platform.TPMPin, audit ...platform.AuditRecord) error {
	return s.write(ctx, p.Tenant, audit, func(tx *session, t tenantKey) error {
		return tx.run(`INSERT INTO tpm_pins (tenant, external_id, ek_hash) VALUES ($1, $2, $3)
			ON CONFLICT (tenant, external_id) DO UPDATE SET ek_hash = excluded.ek_hash`, t, p.ExternalID, p.EKHash[:])
	})
}

// TPMPin implements platform.Attestations.
func (s *Store) TPMPin(ctx context.Context, tenant platform.TenantID, externalID string) (platform.TPMPin, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.TPMPin, error) {
		return one(tx, "TPM pin", func(r *row) platform.TPMPin {
			return platform.TPMPin{Tenant: tenant, ExternalID: externalID, EKHash: r.hash()}
		}, "SELECT ek_hash FROM tpm_pins WHERE tenant = $1 AND external_id = $2", t, externalID)
	})
}

// DeleteTPMPin implements platform.Attestations.
func (s *Store) DeleteTPMPin(ctx context.Context, tenant platform.TenantID, externalID string, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		return tx.must("TPM pin", "DELETE FROM tpm_pins WHERE tenant = $1 AND external_id = $2", t, externalID)
	})
}
