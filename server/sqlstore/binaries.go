package sqlstore

import (
	"context"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// writeBinary carries out a command of a tenant on the binaries.
func (s *Store) writeBinary(ctx context.Context, tenant platform.TenantID, run func(*session, tenantKey) error) error {
	key, err := s.tenantKey(ctx, tenant)
	if err != nil {
		return err
	}
	return s.binary.do(ctx, func(tx *session) error { return run(tx, key) })
}

// BeginBinary implements platform.Binaries.
func (s *Store) BeginBinary(ctx context.Context, tenant platform.TenantID, u platform.Upload) error {
	return s.writeBinary(ctx, tenant, func(tx *session, t tenantKey) error {
		return tx.run("INSERT INTO binaries (number, tenant, object, at, length, complete) VALUES ($1, $2, $3, $4, 0, FALSE)", u.Number, t, u.Object, u.At)
	})
}

// AppendBinary implements platform.Binaries.
func (s *Store) AppendBinary(ctx context.Context, tenant platform.TenantID, upload platform.ID, number int, data []byte) error {
	if len(data) == 0 || len(data) > platform.MaxBinaryChunk || number < 0 {
		return invalid("a chunk has 1 to 524288 bytes")
	}
	return s.writeBinary(ctx, tenant, func(tx *session, t tenantKey) error {
		if _, err := tx.upload(t, upload); err != nil {
			return err
		}
		return tx.run("INSERT INTO binary_chunks (upload, number, data) VALUES ($1, $2, $3)", upload, number, data)
	})
}

// upload returns the object of an upload that is not complete, and holds its row.
func (s *session) upload(t tenantKey, number platform.ID) (platform.ID, error) {
	return one(s, "upload", (*row).id, "SELECT object FROM binaries WHERE number = $1 AND tenant = $2 AND NOT complete"+s.d.lockRow, number, t)
}

// CommitBinary implements platform.Binaries. On PostgreSQL two uploads of one
// tenant that end at the same time do not see each other's bytes in the quota.
func (s *Store) CommitBinary(ctx context.Context, tenant platform.TenantID, upload platform.ID, length, quota int64) error {
	return s.writeBinary(ctx, tenant, func(tx *session, t tenantKey) error {
		object, err := tx.upload(t, upload)
		if err != nil {
			return err
		}
		has, err := tx.total("SELECT CAST(coalesce(sum(length(data)), 0) AS BIGINT) FROM binary_chunks WHERE upload = $1", upload)
		if err != nil {
			return err
		}
		if has != length {
			return invalid("the upload has another length")
		}
		others, err := tx.total("SELECT CAST(coalesce(sum(length), 0) AS BIGINT) FROM binaries WHERE tenant = $1 AND complete AND object <> $2", t, object)
		if err != nil {
			return err
		}
		if others+length > quota {
			return problem.New(problem.TooLarge, "The tenant has no room for more files.", nil)
		}
		if err := tx.run("DELETE FROM binaries WHERE tenant = $1 AND object = $2 AND complete", t, object); err != nil {
			return err
		}
		return tx.run("UPDATE binaries SET complete = TRUE, length = $1 WHERE number = $2", length, upload)
	})
}

func (s *session) total(sql string, args ...any) (n int64, err error) {
	n, _, err = first(s, (*row).int, sql, args...)
	return n, err
}

// AbortBinary implements platform.Binaries.
func (s *Store) AbortBinary(ctx context.Context, tenant platform.TenantID, upload platform.ID) error {
	return s.writeBinary(ctx, tenant, func(tx *session, t tenantKey) error {
		return tx.run("DELETE FROM binaries WHERE number = $1 AND tenant = $2 AND NOT complete", upload, t)
	})
}

// Binary implements platform.Binaries.
func (s *Store) Binary(ctx context.Context, tenant platform.TenantID, object platform.ID) (platform.Binary, error) {
	return readTenant(ctx, s, s.binaryR, tenant, func(tx *session, t tenantKey) (platform.Binary, error) {
		return one(tx, "binary", func(r *row) platform.Binary {
			return platform.Binary{Upload: platform.Upload{Number: r.id(), Object: r.id(), At: r.time()}, Length: r.int()}
		}, "SELECT number, object, at, length FROM binaries WHERE tenant = $1 AND object = $2 AND complete", t, object)
	})
}

// BinaryChunk implements platform.Binaries.
func (s *Store) BinaryChunk(ctx context.Context, tenant platform.TenantID, upload platform.ID, number int) ([]byte, error) {
	return readTenant(ctx, s, s.binaryR, tenant, func(tx *session, t tenantKey) ([]byte, error) {
		return one(tx, "chunk", (*row).bytes, `SELECT c.data FROM binaries b JOIN binary_chunks c ON c.upload = b.number
			WHERE b.number = $1 AND b.tenant = $2 AND b.complete AND c.number = $3`, upload, t, number)
	})
}

// DeleteBinary implements platform.Binaries.
func (s *Store) DeleteBinary(ctx context.Context, tenant platform.TenantID, object platform.ID) error {
	return s.writeBinary(ctx, tenant, func(tx *session, t tenantKey) error {
		return tx.must("binary", "DELETE FROM binaries WHERE tenant = $1 AND object = $2 AND complete", t, object)
	})
}

// Binaries implements platform.Binaries.
func (s *Store) Binaries(ctx context.Context, before time.Time, after platform.ID) ([]platform.StoredBinary, error) {
	type named struct {
		key int64
		id  platform.TenantID
	}
	tenants, err := read1(ctx, s.reads, func(tx *session) ([]named, error) {
		return all(tx, func(r *row) named { return named{r.int(), platform.TenantID(r.text())} }, "SELECT key, id FROM tenants")
	})
	if err != nil {
		return nil, err
	}
	names := make(map[int64]platform.TenantID, len(tenants))
	for _, t := range tenants {
		names[t.key] = t.id
	}
	return read1(ctx, s.binaryR, func(tx *session) ([]platform.StoredBinary, error) {
		return all(tx, func(r *row) platform.StoredBinary {
			return platform.StoredBinary{Upload: platform.Upload{Number: r.id(), Object: r.id(), At: r.time()}, Tenant: names[r.int()], Complete: r.bool()}
		}, "SELECT number, object, at, tenant, complete FROM binaries WHERE number > $1 AND at < $2 ORDER BY number LIMIT $3", after, before, platform.MaxPageSize)
	})
}
