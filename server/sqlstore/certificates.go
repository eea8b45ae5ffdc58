package sqlstore

import (
	"context"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

const trustedColumns = `fingerprint, certificate, name, enabled, auto_registration, is_tenant_ca, proven, created, subject, key_hash, not_after, proof_code, proof_until`

func scanTrusted(tenant platform.TenantID) func(*row) platform.TrustedCertificate {
	return func(r *row) platform.TrustedCertificate {
		return platform.TrustedCertificate{
			Tenant: tenant, Fingerprint: r.text(), Certificate: r.bytes(), Name: r.text(), Enabled: r.bool(),
			AutoRegistration: r.bool(), IsTenantCA: r.bool(), Proven: r.bool(), Created: r.time(),
			Subject: r.bytes(), KeyHash: r.hash(), NotAfter: r.time(),
			ProofCode: r.text(), ProofUntil: r.time(),
		}
	}
}

// AddTrustedCertificates implements platform.TrustedCertificates. All belong
// to one tenant, that of the first.
func (s *Store) AddTrustedCertificates(ctx context.Context, certs []platform.TrustedCertificate, audit ...platform.AuditRecord) error {
	if len(certs) == 0 {
		return nil
	}
	tenant := certs[0].Tenant
	for _, c := range certs {
		if c.Tenant != tenant {
			return invalid("the certificates belong to several tenants")
		}
	}
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		for _, c := range certs {
			if err := tx.insertTrusted(t, c); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *session) insertTrusted(t tenantKey, c platform.TrustedCertificate) error {
	s.changed(t, c.Tenant, platform.ChangeTrust, c.Fingerprint)
	return s.run(`INSERT INTO trusted (tenant, `+trustedColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		t, c.Fingerprint, c.Certificate, c.Name, c.Enabled, c.AutoRegistration, c.IsTenantCA, c.Proven, c.Created,
		c.Subject, c.KeyHash[:], c.NotAfter, c.ProofCode, c.ProofUntil)
}

// TrustedCertificate implements platform.TrustedCertificates.
func (s *Store) TrustedCertificate(ctx context.Context, tenant platform.TenantID, fingerprint string) (platform.TrustedCertificate, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.TrustedCertificate, error) {
		return one(tx, "trusted certificate", scanTrusted(tenant),
			"SELECT "+trustedColumns+" FROM trusted WHERE tenant = $1 AND fingerprint = $2", t, fingerprint)
	})
}

// TrustedCertificates implements platform.TrustedCertificates.
func (s *Store) TrustedCertificates(ctx context.Context, tenant platform.TenantID, onlyCA bool, page platform.Page) (platform.List[platform.TrustedCertificate], error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.TrustedCertificate], error) {
		q := selection{columns: trustedColumns, from: "trusted", order: "seq"}
		q.and("tenant = ?", t)
		if onlyCA {
			q.and("is_tenant_ca")
		}
		return list(tx, &q, page, scanTrusted(tenant))
	})
}

// UpdateTrustedCertificate implements platform.TrustedCertificates.
func (s *Store) UpdateTrustedCertificate(ctx context.Context, c platform.TrustedCertificate, audit ...platform.AuditRecord) error {
	return s.write(ctx, c.Tenant, audit, func(tx *session, t tenantKey) error {
		tx.changed(t, c.Tenant, platform.ChangeTrust, c.Fingerprint)
		return tx.must("trusted certificate", `UPDATE trusted SET name = $3, enabled = $4, auto_registration = $5
			WHERE tenant = $1 AND fingerprint = $2`, t, c.Fingerprint, c.Name, c.Enabled, c.AutoRegistration)
	})
}

// SetProofCode implements platform.TrustedCertificates.
func (s *Store) SetProofCode(ctx context.Context, tenant platform.TenantID, fingerprint, code string, until time.Time, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		return tx.must("trusted certificate", "UPDATE trusted SET proof_code = $3, proof_until = $4 WHERE tenant = $1 AND fingerprint = $2",
			t, fingerprint, code, until)
	})
}

// SetProven implements platform.TrustedCertificates.
func (s *Store) SetProven(ctx context.Context, tenant platform.TenantID, fingerprint, code string, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		current, err := one(tx, "trusted certificate", (*row).text,
			"SELECT proof_code FROM trusted WHERE tenant = $1 AND fingerprint = $2", t, fingerprint)
		if err != nil {
			return err
		}
		if code != "" && code != current {
			return problem.New(problem.Conflict, "", nil)
		}
		tx.changed(t, tenant, platform.ChangeTrust, fingerprint)
		return tx.must("trusted certificate", "UPDATE trusted SET proven = $3 WHERE tenant = $1 AND fingerprint = $2", t, fingerprint, true)
	})
}

// DeleteTrustedCertificate implements platform.TrustedCertificates. With the
// issuer goes its sealed key.
func (s *Store) DeleteTrustedCertificate(ctx context.Context, tenant platform.TenantID, fingerprint string, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		isCA, err := one(tx, "trusted certificate", (*row).bool,
			"DELETE FROM trusted WHERE tenant = $1 AND fingerprint = $2 RETURNING is_tenant_ca", t, fingerprint)
		if err != nil {
			return err
		}
		tx.changed(t, tenant, platform.ChangeTrust, fingerprint)
		if !isCA {
			return nil
		}
		return tx.destroyIssuer(t)
	})
}

// AllTrustedCertificates implements platform.TrustedCertificates. f runs while
// a read is open: it should be quick and must not write to the store.
func (s *Store) AllTrustedCertificates(ctx context.Context, f func(platform.TrustedCertificate) error) error {
	return s.reads.read(ctx, func(tx *session) error {
		return tx.each(func(r *row) error {
			c := scanTrusted(platform.TenantID(r.text()))(r)
			if r.err != nil {
				return r.err
			}
			return f(c)
		}, "SELECT (SELECT t.id FROM tenants t WHERE t.key = trusted.tenant), "+trustedColumns+" FROM trusted ORDER BY seq")
	})
}
