package sqlstore

import (
	"context"
	"math/big"

	"mooring/server/platform"
)

// maxSerialBits bounds a serial: RFC 5280 §4.1.2.2 allows 20 octets, and some
// real ones are longer.
const maxSerialBits = 64 * 8

// AddRevocations implements platform.Revocations.
func (s *Store) AddRevocations(ctx context.Context, tenant platform.TenantID, entries []platform.Revocation, audit ...platform.AuditRecord) (int, error) {
	for _, e := range entries {
		if e.Serial == nil || e.Serial.Sign() < 0 || e.Serial.BitLen() > maxSerialBits {
			return 0, invalid("a serial number must not be negative and at most 64 bytes long")
		}
	}
	var added int
	err := s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		added = 0
		key := ""
		for _, e := range entries {
			serial := e.Serial.Text(16)
			n, err := tx.exec("INSERT INTO revocations (tenant, serial, at) VALUES ($1, $2, $3) ON CONFLICT (tenant, serial) DO NOTHING",
				t, serial, e.At)
			if err != nil {
				return err
			}
			if n > 0 {
				added++
				key = serial
			}
		}
		if added > 1 {
			key = ""
		}
		if added > 0 {
			tx.changed(t, tenant, platform.ChangeRevocation, key)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return added, nil
}

func scanRevocation(r *row) platform.Revocation {
	serial, ok := new(big.Int).SetString(r.text(), 16)
	if !ok {
		r.wrong("a serial in hex", nil)
	}
	return platform.Revocation{Serial: serial, At: r.time()}
}

// Revocations implements platform.Revocations: the oldest first.
func (s *Store) Revocations(ctx context.Context, tenant platform.TenantID) ([]platform.Revocation, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) ([]platform.Revocation, error) {
		return all(tx, scanRevocation, "SELECT serial, at FROM revocations WHERE tenant = $1 ORDER BY at, serial", t)
	})
}

// AllRevocations implements platform.Revocations. f runs while a read is open:
// it should be quick and must not write to the store.
func (s *Store) AllRevocations(ctx context.Context, f func(platform.TenantID, platform.Revocation) error) error {
	return s.reads.read(ctx, func(tx *session) error {
		return tx.each(func(r *row) error {
			tenant, entry := platform.TenantID(r.text()), scanRevocation(r)
			if r.err != nil {
				return r.err
			}
			return f(tenant, entry)
		}, "SELECT t.id, r.serial, r.at FROM revocations r JOIN tenants t ON t.key = r.tenant ORDER BY r.tenant, r.at, r.serial")
	})
}
