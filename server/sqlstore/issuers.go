package sqlstore

import (
	"context"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// issuerPurpose is that of the sealed key of a tenant CA.
const issuerPurpose = "tenant-ca"

// CreateIssuer implements platform.Issuers.
func (s *Store) CreateIssuer(ctx context.Context, i platform.Issuer, k platform.SealedKey, c platform.TrustedCertificate, audit ...platform.AuditRecord) error {
	if k.Tenant != i.Tenant || c.Tenant != i.Tenant {
		return invalid("issuer, key and certificate belong to several tenants")
	}
	return s.write(ctx, i.Tenant, audit, func(tx *session, t tenantKey) error {
		n, err := tx.exec(`INSERT INTO issuers (tenant, key_id, certificate, created) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant) DO NOTHING`, t, i.KeyID, i.Certificate, i.Created)
		if err != nil {
			return err
		}
		if n == 0 {
			return conflict("the tenant has an issuer")
		}
		if err := tx.insertSealedKey(t, k); err != nil {
			return err
		}
		return tx.insertTrusted(t, c)
	})
}

// Issuer implements platform.Issuers.
func (s *Store) Issuer(ctx context.Context, tenant platform.TenantID) (platform.Issuer, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.Issuer, error) {
		return one(tx, "issuer", func(r *row) platform.Issuer {
			return platform.Issuer{Tenant: tenant, KeyID: r.text(), Certificate: r.bytes(), Created: r.time()}
		}, "SELECT key_id, certificate, created FROM issuers WHERE tenant = $1", t)
	})
}

// destroyIssuer removes the tenant CA and its key, if there is one.
func (s *session) destroyIssuer(t tenantKey) error {
	keyID, found, err := first(s, (*row).text, "DELETE FROM issuers WHERE tenant = $1 RETURNING key_id", t)
	if err != nil || !found {
		return err
	}
	return s.run("DELETE FROM sealed_keys WHERE tenant = $1 AND purpose = $2 AND key_id = $3", t, issuerPurpose, keyID)
}

const issuedColumns = "serial, external_id, key_hash, certificate, not_before, not_after, issued_at"

// Issue implements platform.Issuers.
func (s *Store) Issue(ctx context.Context, cmd platform.Issue, audit ...platform.AuditRecord) error {
	c := cmd.Certificate
	return s.write(ctx, c.Tenant, audit, func(tx *session, t tenantKey) error {
		if cmd.Enrolment != nil {
			if err := tx.spendOTP(t, *cmd.Enrolment, c.Serial); err != nil {
				return err
			}
		}
		if err := tx.run(`INSERT INTO issued (tenant, `+issuedColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			t, c.Serial, c.ExternalID, c.KeyHash[:], c.Certificate, c.NotBefore, c.NotAfter, c.IssuedAt); err != nil {
			return err
		}
		if cmd.Attestation != nil {
			if err := tx.insertAttestation(t, c, *cmd.Attestation); err != nil {
				return err
			}
		}
		if !cmd.Convert {
			return nil
		}
		return tx.convert(t, c.Tenant, c.ExternalID)
	})
}

// convert makes a device user use certificates. One that does so already stays
// as it is; if there is none, the error is NotFound.
func (s *session) convert(t tenantKey, tenant platform.TenantID, externalID string) error {
	err := s.must("device user with a password", `UPDATE device_users SET credential = $3, mac_key = '', mac = $4
		WHERE tenant = $1 AND external_id = $2 AND credential <> $3`, t, externalID, string(platform.CredentialCertificate), []byte(nil))
	if err == nil {
		s.changed(t, tenant, platform.ChangeDeviceUser, externalID)
		return nil
	}
	if problem.KindOf(err) != problem.NotFound {
		return err
	}
	exists, lookErr := s.exists("SELECT 1 FROM device_users WHERE tenant = $1 AND external_id = $2", t, externalID)
	if lookErr != nil {
		return lookErr
	}
	if exists {
		return nil
	}
	return err
}

// IssuedCertificates implements platform.Issuers: the newest first, of every
// device if externalID is empty.
func (s *Store) IssuedCertificates(ctx context.Context, tenant platform.TenantID, externalID string, page platform.Page) (platform.List[platform.IssuedCertificate], error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.IssuedCertificate], error) {
		q := selection{columns: issuedColumns, from: "issued", order: "issued_at DESC, seq DESC"}
		q.and("tenant = ?", t)
		q.equal("external_id", externalID)
		return list(tx, &q, page, func(r *row) platform.IssuedCertificate {
			return platform.IssuedCertificate{
				Tenant: tenant, Serial: r.text(), ExternalID: r.text(), KeyHash: r.hash(), Certificate: r.bytes(),
				NotBefore: r.time(), NotAfter: r.time(), IssuedAt: r.time(),
			}
		})
	})
}
