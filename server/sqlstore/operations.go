package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"mooring/server/platform"
)

const operationColumns = "o.id, o.device, o.agent, o.device_name, o.status, o.reason, o.created, o.updated, o.creator, o.bulk, o.deliveries"

func scanOperation(tenant platform.TenantID) func(*row) platform.Operation {
	return func(r *row) platform.Operation {
		o := platform.Operation{
			Tenant: tenant, ID: r.id(), Device: r.id(), Agent: r.id(), DeviceName: r.text(), Status: platform.OperationStatus(r.text()),
			FailureReason: r.text(), Created: r.time(), Updated: r.time(), Creator: r.text(), Bulk: r.id(),
		}
		var millis []int64
		if b := r.bytes(); len(b) > 0 && json.Unmarshal(b, &millis) != nil {
			r.wrong("a list of times", b)
		}
		for _, ms := range millis {
			o.Deliveries = append(o.Deliveries, time.UnixMilli(ms).UTC())
		}
		return o
	}
}

// deliveries is how the times of deliveries are kept.
func deliveries(times []time.Time) []byte {
	if len(times) == 0 {
		return nil
	}
	millis := make([]int64, len(times))
	for i, t := range times {
		millis[i] = t.UnixMilli()
	}
	b, _ := json.Marshal(millis) // numbers always marshal
	return b
}

// CreateOperations implements platform.Operations.
func (s *Store) CreateOperations(ctx context.Context, tenant platform.TenantID, ops []platform.Operation, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		for _, o := range ops {
			if err := tx.createOperation(t, tenant, o); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *session) createOperation(t tenantKey, tenant platform.TenantID, o platform.Operation) error {
	if o.ID <= 0 {
		return invalid("an operation needs an ID")
	}
	s.operationChanged(t, tenant, o.Agent, o.ID)
	if err := s.run(`INSERT INTO operations (tenant, id, device, agent, device_name, status, reason, created, updated, creator, bulk, deliveries)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		t, o.ID, o.Device, o.Agent, o.DeviceName, string(o.Status), o.FailureReason, o.Created, o.Updated, o.Creator, o.Bulk, deliveries(o.Deliveries)); err != nil {
		return err
	}
	return s.setOperationFragments(t, o.ID, o.Fragments)
}

func (s *session) operationChanged(t tenantKey, tenant platform.TenantID, agent, id platform.ID) {
	s.changed(t, tenant, platform.ChangeOperation, agent.String()+"/"+id.String())
}

func (s *session) setOperationFragments(t tenantKey, id platform.ID, fragments platform.Fragments) error {
	for name, value := range fragments {
		if err := s.run(`INSERT INTO operation_fragments (tenant, operation, name, value) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant, operation, name) DO UPDATE SET value = excluded.value`, t, id, name, []byte(value)); err != nil {
			return err
		}
	}
	return nil
}

// Operation implements platform.Operations.
func (s *Store) Operation(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Operation, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.Operation, error) {
		return tx.operation(t, tenant, id, "")
	})
}

// operation reads an operation with its fragments.
func (s *session) operation(t tenantKey, tenant platform.TenantID, id platform.ID, lock string) (platform.Operation, error) {
	o, err := one(s, "operation", scanOperation(tenant),
		"SELECT "+operationColumns+" FROM operations o WHERE o.tenant = $1 AND o.id = $2"+lock, t, id)
	if err != nil {
		return o, err
	}
	return o, s.withOperationFragments(t, []*platform.Operation{&o})
}

// withOperationFragments reads the fragments of operations.
func (s *session) withOperationFragments(t tenantKey, ops []*platform.Operation) error {
	return fillFragments(s, t, "operation_fragments", "operation", ops, func(o *platform.Operation) (platform.ID, *platform.Fragments) { return o.ID, &o.Fragments })
}

// Operations implements platform.Operations.
func (s *Store) Operations(ctx context.Context, tenant platform.TenantID, f platform.OperationFilter, page platform.Page) (platform.List[platform.Operation], error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.Operation], error) {
		l, err := list(tx, tx.operationsWhere(t, f), page, scanOperation(tenant))
		if err != nil {
			return l, err
		}
		return l, tx.withOperationFragments(t, pointers(l.Items))
	})
}

func (s *session) operationsWhere(t tenantKey, f platform.OperationFilter) *selection {
	q := selection{columns: operationColumns, from: "operations o", order: "o.id"}
	if index := operationIndex(f); index != "" {
		q.from = s.d.indexed("operations o", index)
	}
	if f.NewestFirst {
		q.order = "o.id DESC"
	}
	q.and("o.tenant = ?", t)
	for _, by := range []struct {
		column string
		id     platform.ID
	}{{"o.device", f.Device}, {"o.agent", f.Agent}, {"o.bulk", f.Bulk}} {
		if by.id != 0 {
			q.and(by.column+" = ?", by.id)
		}
	}
	q.equal("o.status", string(f.Status))
	q.between("o.created", f.From, f.To)
	q.between("o.updated", time.Time{}, f.Before)
	if f.After != 0 {
		q.and("o.id > ?", f.After)
	}
	if f.Fragment != "" {
		q.and("EXISTS (SELECT 1 FROM operation_fragments f WHERE f.tenant = o.tenant AND f.operation = o.id AND f.name = ?)", f.Fragment)
	}
	return &q
}

// operationIndex is the index by which a filter finds the fewest rows; empty: that
// of the IDs.
func operationIndex(f platform.OperationFilter) string {
	switch {
	case f.Device != 0 && f.Status != "":
		return "operations_of_device_by_status"
	case f.Device != 0:
		return "operations_of_device"
	case f.Agent != 0:
		return "operations_of_agent"
	case f.Bulk != 0:
		return "operations_of_bulk"
	case f.Status != "" && !f.Before.IsZero():
		return "operations_by_status"
	}
	return ""
}
