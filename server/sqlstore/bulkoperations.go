package sqlstore

import (
	"context"
	"encoding/json"

	"mooring/server/platform"
)

const bulkColumns = "id, status, next, body"

func scanBulkOperation(r *row) platform.BulkOperation {
	var b platform.BulkOperation
	id, status, next, body := r.id(), r.text(), r.time(), r.bytes()
	if err := json.Unmarshal(body, &b); err != nil {
		r.wrong("a bulk operation", body)
	}
	b.ID, b.Status, b.Next = id, platform.BulkStatus(status), next
	return b
}

func bulkBody(b platform.BulkOperation) ([]byte, error) { return json.Marshal(b) }

// CreateBulkOperation implements platform.BulkOperations.
func (s *Store) CreateBulkOperation(ctx context.Context, tenant platform.TenantID, b platform.BulkOperation, audit ...platform.AuditRecord) error {
	body, err := bulkBody(b)
	if err != nil {
		return invalid("the prototype is no JSON")
	}
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		return tx.run("INSERT INTO bulk_operations (tenant, "+bulkColumns+") VALUES ($1, $2, $3, $4, $5)", t, b.ID, string(b.Status), b.Next, body)
	})
}

// BulkOperation implements platform.BulkOperations.
func (s *Store) BulkOperation(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.BulkOperation, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.BulkOperation, error) {
		return tx.bulkOperation(t, id, "")
	})
}

func (s *session) bulkOperation(t tenantKey, id platform.ID, lock string) (platform.BulkOperation, error) {
	return one(s, "bulk operation", scanBulkOperation, "SELECT "+bulkColumns+" FROM bulk_operations WHERE tenant = $1 AND id = $2"+lock, t, id)
}

// BulkOperations implements platform.BulkOperations.
func (s *Store) BulkOperations(ctx context.Context, tenant platform.TenantID, page platform.Page) (platform.List[platform.BulkOperation], error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.BulkOperation], error) {
		q := selection{columns: bulkColumns, from: "bulk_operations", order: "id"}
		q.and("tenant = ?", t)
		return list(tx, &q, page, scanBulkOperation)
	})
}

// UpdateBulkOperation implements platform.BulkOperations.
func (s *Store) UpdateBulkOperation(ctx context.Context, tenant platform.TenantID, have, next platform.BulkOperation, ops []platform.Operation, audit ...platform.AuditRecord) error {
	body, err := bulkBody(next)
	if err != nil {
		return invalid("the prototype is no JSON")
	}
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		b, err := tx.bulkOperation(t, have.ID, tx.d.lockRow)
		if err != nil {
			return err
		}
		if b.Status != have.Status || b.Done != have.Done {
			return conflict("the bulk operation has changed")
		}
		for _, o := range ops {
			if err := tx.createOperation(t, tenant, o); err != nil {
				return err
			}
		}
		return tx.run("UPDATE bulk_operations SET status = $3, next = $4, body = $5 WHERE tenant = $1 AND id = $2",
			t, have.ID, string(next.Status), next.Next, body)
	})
}

// OpenBulkOperations implements platform.BulkOperations.
func (s *Store) OpenBulkOperations(ctx context.Context, limit int) ([]platform.OpenBulkOperation, error) {
	return read1(ctx, s.reads, func(tx *session) ([]platform.OpenBulkOperation, error) {
		return all(tx, func(r *row) platform.OpenBulkOperation {
			return platform.OpenBulkOperation{Tenant: platform.TenantID(r.text()), ID: r.id(), Next: r.time()}
		}, `SELECT t.id, b.id, b.next FROM bulk_operations b JOIN tenants t ON t.key = b.tenant
			WHERE b.status IN ($1, $2) ORDER BY b.next, b.id LIMIT $3`,
			string(platform.BulkScheduled), string(platform.BulkExecuting), limit)
	})
}

// CountOperations implements platform.BulkOperations.
func (s *Store) CountOperations(ctx context.Context, tenant platform.TenantID, bulk platform.ID) (map[platform.OperationStatus]int64, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (map[platform.OperationStatus]int64, error) {
		counts := map[platform.OperationStatus]int64{}
		return counts, tx.each(func(r *row) error {
			status := platform.OperationStatus(r.text())
			counts[status] = r.int()
			return r.err
		}, "SELECT status, count(*) FROM operations WHERE tenant = $1 AND bulk = $2 GROUP BY status", t, bulk)
	})
}
