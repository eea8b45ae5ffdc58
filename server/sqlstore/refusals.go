package sqlstore

import (
	"context"
	"time"

	"mooring/server/platform"
)

// maxRefusals bounds the refusals kept of one tenant: the ring of design
// decision 14, 10,000 names × 20. Strangers choose the names.
const maxRefusals = 200_000

const refusalColumns = "cn, at, door, address, reason, detail, leaf_subject, leaf_issuer, leaf_serial, leaf_fingerprint, leaf_not_before, leaf_not_after"

func scanRefusal(tenant platform.TenantID) func(*row) platform.Refusal {
	return func(r *row) platform.Refusal {
		return platform.Refusal{
			Tenant: tenant, CN: r.text(), At: r.time(), Door: r.text(), Address: r.text(),
			Reason: platform.Reason(r.text()), Detail: r.text(),
			Leaf: platform.CertificateFacts{
				Subject: r.text(), Issuer: r.text(), Serial: r.text(), Fingerprint: r.hash(), NotBefore: r.time(), NotAfter: r.time(),
			},
		}
	}
}

// refusedName is a name with its tenant.
type refusedName struct {
	tenant tenantKey
	cn     string
}

// SaveRefusals implements platform.Refusals. A refusal of a tenant that does
// not exist is an error of the caller: NotFound, and nothing is kept.
func (s *Store) SaveRefusals(ctx context.Context, refusals []platform.Refusal, perCN int) error {
	keys := make([]tenantKey, len(refusals))
	for i, r := range refusals {
		key, err := s.tenantKey(ctx, r.Tenant)
		if err != nil {
			return err
		}
		keys[i] = key
	}
	return s.identity.do(ctx, func(tx *session) error {
		names := map[refusedName]bool{}
		tenants := map[tenantKey]bool{}
		for i, r := range refusals {
			if err := tx.insertRefusal(keys[i], r); err != nil {
				return err
			}
			names[refusedName{keys[i], clean(r.CN)}] = true
			tenants[keys[i]] = true
		}
		for n := range names {
			if err := tx.run(`DELETE FROM refusals WHERE tenant = $1 AND cn = $2 AND seq NOT IN
				(SELECT seq FROM refusals WHERE tenant = $1 AND cn = $2 ORDER BY at DESC, seq DESC LIMIT $3)`, n.tenant, n.cn, perCN); err != nil {
				return err
			}
		}
		for t := range tenants {
			if err := tx.trimRefusals(t); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *session) insertRefusal(t tenantKey, r platform.Refusal) error {
	l := r.Leaf
	return s.run(`INSERT INTO refusals (tenant, `+refusalColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		t, clean(r.CN), r.At, clean(r.Door), clean(r.Address), clean(string(r.Reason)), clean(r.Detail),
		clean(l.Subject), clean(l.Issuer), clean(l.Serial), l.Fingerprint[:], l.NotBefore, l.NotAfter)
}

// trimRefusals removes the oldest beyond maxRefusals.
func (s *session) trimRefusals(t tenantKey) error {
	oldest, full, err := first(s, (*row).int,
		"SELECT seq FROM refusals WHERE tenant = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2", t, maxRefusals)
	if err != nil || !full {
		return err
	}
	return s.run("DELETE FROM refusals WHERE tenant = $1 AND seq <= $2", t, oldest)
}

// Refusals implements platform.Refusals.
func (s *Store) Refusals(ctx context.Context, tenant platform.TenantID, cn string, page platform.Page) (platform.List[platform.Refusal], error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.Refusal], error) {
		q := selection{columns: refusalColumns, from: "refusals", order: "at DESC, seq DESC"}
		q.and("tenant = ?", t)
		q.equal("cn", cn)
		return list(tx, &q, page, scanRefusal(tenant))
	})
}

// DropRefusals implements platform.Expiry.
func (s *Store) DropRefusals(ctx context.Context, before time.Time) (int, error) {
	var n int64
	err := s.identity.do(ctx, func(tx *session) (err error) {
		n, err = tx.exec("DELETE FROM refusals WHERE seq IN (SELECT seq FROM refusals WHERE at < $1 ORDER BY at LIMIT $2)",
			before, platform.MaxDeleted)
		return err
	})
	return int(n), err
}
