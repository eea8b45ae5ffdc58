package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"mooring/server/platform"
)

// UpdateOperation implements platform.Operations.
func (s *Store) UpdateOperation(ctx context.Context, tenant platform.TenantID, cmd platform.UpdateOperation, audit ...platform.AuditRecord) (platform.Operation, error) {
	var o platform.Operation
	err := s.write(ctx, tenant, audit, func(tx *session, t tenantKey) (err error) {
		if o, err = tx.operation(t, tenant, cmd.ID, tx.d.lockRow); err != nil {
			return err
		}
		if len(cmd.From) > 0 && !slices.Contains(cmd.From, o.Status) {
			return conflict("the operation is " + string(o.Status))
		}
		tx.operationChanged(t, tenant, o.Agent, o.ID)
		return tx.updateOperation(t, &o, cmd)
	})
	if err != nil {
		return platform.Operation{}, err
	}
	return o, nil
}

func (s *session) updateOperation(t tenantKey, o *platform.Operation, cmd platform.UpdateOperation) error {
	if cmd.Status != "" {
		if cmd.Status != o.Status {
			o.Updated = platform.Millis(cmd.At)
		}
		o.Status = cmd.Status
		if cmd.FailureReason != "" {
			o.FailureReason = cmd.FailureReason
		}
		if err := s.run("UPDATE operations SET status = $3, reason = $4, updated = $5 WHERE tenant = $1 AND id = $2",
			t, o.ID, string(o.Status), o.FailureReason, o.Updated); err != nil {
			return err
		}
	}
	for _, name := range cmd.Remove {
		if err := s.run("DELETE FROM operation_fragments WHERE tenant = $1 AND operation = $2 AND name = $3", t, o.ID, name); err != nil {
			return err
		}
		delete(o.Fragments, name)
	}
	set := platform.Fragments{}
	for name, members := range cmd.Merge {
		set[name] = merged(o.Fragments[name], members)
	}
	for name, value := range cmd.Set {
		set[name] = value
	}
	for name, value := range set {
		o.Fragments[name] = value
	}
	return s.setOperationFragments(t, o.ID, set)
}

// merged puts members into a JSON object. What is no object is replaced by one.
func merged(value json.RawMessage, members platform.Fragments) json.RawMessage {
	object := platform.Fragments{}
	if bytes.HasPrefix(value, []byte("{")) {
		_ = json.Unmarshal(value, &object) // what was stored is JSON
	}
	for name, v := range members {
		object[name] = v
	}
	b, err := json.Marshal(object)
	if err != nil {
		return value // a member is no JSON: the caller's fault, and nothing is lost
	}
	return b
}

// DeleteOperations implements platform.Operations.
func (s *Store) DeleteOperations(ctx context.Context, tenant platform.TenantID, f platform.OperationFilter, limit int, audit ...platform.AuditRecord) ([]platform.GoneOperation, error) {
	var gone []platform.GoneOperation
	f.NewestFirst = false
	err := s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		gone = nil // of an attempt that was rolled back
		q := tx.operationsWhere(t, f)
		q.columns = "o.id, o.agent, o.device"
		type key struct{ id, agent, device platform.ID }
		args := append(q.args, limit)
		doomed, err := all(tx, func(r *row) key { return key{r.id(), r.id(), r.id()} }, q.sql()+" LIMIT $"+strconv.Itoa(len(args)), args...)
		if err != nil {
			return err
		}
		for _, k := range doomed {
			deleted, err := tx.exec("DELETE FROM operations WHERE tenant = $1 AND id = $2", t, k.id)
			if err != nil {
				return err
			}
			if deleted > 0 {
				gone = append(gone, platform.GoneOperation{ID: k.id, Device: k.device})
				tx.operationChanged(t, tenant, k.agent, k.id)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// RecordDeliveries implements platform.Operations.
func (s *Store) RecordDeliveries(ctx context.Context, list []platform.OperationDelivery) error {
	keys := make([]tenantKey, len(list))
	for i, d := range list {
		var err error
		if keys[i], err = s.tenantKey(ctx, d.Tenant); err != nil {
			return err
		}
	}
	return s.identity.do(ctx, func(tx *session) error {
		for i, d := range list {
			if err := tx.recordDelivery(keys[i], d); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *session) recordDelivery(t tenantKey, d platform.OperationDelivery) error {
	o, found, err := first(s, scanOperation(d.Tenant),
		"SELECT "+operationColumns+" FROM operations o WHERE o.tenant = $1 AND o.id = $2"+s.d.lockRow, t, d.ID)
	if err != nil || !found {
		return err
	}
	times := append(o.Deliveries, platform.Millis(d.At))
	times = times[max(0, len(times)-platform.MaxDeliveries):]
	slices.SortFunc(times, time.Time.Compare)
	return s.run("UPDATE operations SET deliveries = $3 WHERE tenant = $1 AND id = $2", t, d.ID, deliveries(times))
}
