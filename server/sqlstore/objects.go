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
	return s.CreateObjects(ctx, tenant, []platform.CreateObject{cmd}, audit...)
}

// CreateObjects implements platform.Inventory.
func (s *Store) CreateObjects(ctx context.Context, tenant platform.TenantID, cmds []platform.CreateObject, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		for _, cmd := range cmds {
			cmd.Object.Tenant = tenant
			if err := tx.createObject(t, cmd); err != nil {
				return err
			}
		}
		return nil
	})
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
		if err := s.bindExternalID(t, o.Tenant, o.ID, xid); err != nil {
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
	list, err := s.UpdateObjects(ctx, tenant, []platform.UpdateObject{cmd}, audit...)
	if err != nil {
		return platform.ManagedObject{}, err
	}
	return list[0], nil
}

// UpdateObjects implements platform.Inventory.
func (s *Store) UpdateObjects(ctx context.Context, tenant platform.TenantID, cmds []platform.UpdateObject, audit ...platform.AuditRecord) ([]platform.ManagedObject, error) {
	var list []platform.ManagedObject
	err := s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		list = make([]platform.ManagedObject, len(cmds)) // anew if the transaction is repeated
		for i, cmd := range cmds {
			o, err := tx.object(t, tenant, cmd.ID, tx.d.lockRow)
			if err != nil {
				return err
			}
			if err := tx.updateObject(t, &o, cmd); err != nil {
				return err
			}
			tx.changed(t, tenant, platform.ChangeObject, cmd.ID.String())
			list[i] = o
			if err := tx.withFragments(t, []*platform.ManagedObject{&list[i]}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
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

// DeleteObjects implements platform.Inventory.
func (s *Store) DeleteObjects(ctx context.Context, tenant platform.TenantID, ids []platform.ID, audit ...platform.AuditRecord) error {
	return s.write(ctx, tenant, audit, func(tx *session, t tenantKey) error {
		gone := int64(0)
		for _, id := range ids {
			// External IDs, fragments and links go with it by their foreign keys.
			n, err := tx.exec("DELETE FROM objects WHERE tenant = $1 AND id = $2", t, id)
			if err != nil {
				return err
			}
			gone += n
			tx.changed(t, tenant, platform.ChangeObject, id.String())
			if err := tx.dropSubscriptions(t, tenant, id); err != nil {
				return err
			}
		}
		if gone == 0 {
			return notFound("managed object")
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
