package sqlstore

import (
	"context"
	"strings"

	"mooring/server/platform"
)

const objectColumns = "o.id, o.name, o.type, o.owner, o.created, o.updated"

func scanObject(tenant platform.TenantID) func(*row) platform.ManagedObject {
	return func(r *row) platform.ManagedObject {
		return platform.ManagedObject{
			Tenant: tenant, ID: r.id(), Name: r.text(), Type: r.text(), Owner: r.text(), Created: r.time(), Updated: r.time(),
		}
	}
}

// folded is what a search for text looks into: upper and lower case made one,
// the same way on every engine.
func folded(name, objectType string) string { return strings.ToLower(name + "\n" + objectType) }

// CreateObject implements platform.Inventory.
func (s *Store) CreateObject(ctx context.Context, tenant platform.TenantID, cmd platform.CreateObject, audit ...platform.AuditRecord) error {
	cmd.Object.Tenant = tenant
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error { return tx.createObject(t, cmd) })
}

func (s *session) createObject(t tenantKey, cmd platform.CreateObject) error {
	o := cmd.Object
	if o.ID <= 0 {
		return invalid("a managed object needs an ID")
	}
	s.changed(t, o.Tenant, platform.ChangeObject, o.ID.String())
	if err := s.run("INSERT INTO objects (tenant, id, name, type, owner, folded, created, updated) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		t, o.ID, o.Name, o.Type, o.Owner, folded(o.Name, o.Type), o.Created, o.Updated); err != nil {
		return err
	}
	if err := s.setFragments(t, o.ID, o.Fragments); err != nil {
		return err
	}
	for _, xid := range cmd.ExternalIDs {
		if err := s.bindExternalID(t, o.ID, xid); err != nil {
			return err
		}
	}
	if cmd.Parent == nil {
		return nil
	}
	return s.link(t, platform.ChildLink{Parent: cmd.Parent.Parent, Kind: cmd.Parent.Kind, Child: o.ID})
}

// UpdateObject implements platform.Inventory.
func (s *Store) UpdateObject(ctx context.Context, tenant platform.TenantID, cmd platform.UpdateObject, audit ...platform.AuditRecord) (platform.ManagedObject, error) {
	var o platform.ManagedObject
	err := s.write(ctx, tenant, audit, func(tx *session, t tenantKey) (err error) {
		if o, err = tx.object(t, tenant, cmd.ID, tx.d.lockRow); err != nil {
			return err
		}
		if err := tx.updateObject(t, &o, cmd); err != nil {
			return err
		}
		tx.changed(t, tenant, platform.ChangeObject, cmd.ID.String())
		return tx.withFragments(t, []*platform.ManagedObject{&o})
	})
	if err != nil {
		return platform.ManagedObject{}, err
	}
	return o, nil
}

func (s *session) updateObject(t tenantKey, o *platform.ManagedObject, cmd platform.UpdateObject) error {
	replace(&o.Name, cmd.Name)
	replace(&o.Type, cmd.Type)
	replace(&o.Owner, cmd.Owner)
	o.Updated = platform.Millis(cmd.At)
	if err := s.run("UPDATE objects SET name = $3, type = $4, owner = $5, folded = $6, updated = $7 WHERE tenant = $1 AND id = $2",
		t, o.ID, o.Name, o.Type, o.Owner, folded(o.Name, o.Type), o.Updated); err != nil {
		return err
	}
	for _, name := range cmd.Remove {
		if err := s.run("DELETE FROM fragments WHERE tenant = $1 AND object = $2 AND name = $3", t, o.ID, name); err != nil {
			return err
		}
	}
	if err := s.setFragments(t, o.ID, cmd.Set); err != nil {
		return err
	}
	for name, value := range cmd.IfAbsent {
		if err := s.run(insertFragment+" ON CONFLICT (tenant, object, name) DO NOTHING", t, o.ID, name, []byte(value)); err != nil {
			return err
		}
	}
	return nil
}

func replace(field, value *string) {
	if value != nil {
		*field = *value
	}
}

// DeleteObject implements platform.Inventory.
func (s *Store) DeleteObject(ctx context.Context, tenant platform.TenantID, id platform.ID, cascade bool, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		doomed := []platform.ID{id}
		if cascade {
			var err error
			if doomed, err = tx.descendants(t, id); err != nil {
				return err
			}
		}
		if len(doomed) == 0 {
			return notFound("managed object")
		}
		for _, id := range doomed {
			// External IDs, fragments and links go with it by their foreign keys.
			if err := tx.must("managed object", "DELETE FROM objects WHERE tenant = $1 AND id = $2", t, id); err != nil {
				return err
			}
			tx.changed(t, tenant, platform.ChangeObject, id.String())
		}
		return nil
	})
}

// Object implements platform.Inventory.
func (s *Store) Object(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.ManagedObject, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.ManagedObject, error) {
		o, err := tx.object(t, tenant, id, "")
		if err != nil {
			return o, err
		}
		return o, tx.withFragments(t, []*platform.ManagedObject{&o})
	})
}

// object reads an object without its fragments.
func (s *session) object(t tenantKey, tenant platform.TenantID, id platform.ID, lock string) (platform.ManagedObject, error) {
	return one(s, "managed object", scanObject(tenant),
		"SELECT "+objectColumns+" FROM objects o WHERE o.tenant = $1 AND o.id = $2"+lock, t, id)
}
