package sqlstore

import (
	"context"
	"encoding/json"

	"mooring/server/platform"
)

// Register implements platform.Registrations.
func (s *Store) Register(ctx context.Context, cmd platform.RegisterDevice, audit ...platform.AuditRecord) (platform.Registered, error) {
	var done platform.Registered
	if len(cmd.GroupIDs) != len(cmd.Groups) {
		return done, invalid("each group needs an ID")
	}
	tenant := cmd.Registration.Tenant
	err := s.write(ctx, tenant, audit, func(tx *session, t tenantKey) (err error) {
		done, err = tx.register(t, cmd)
		return err
	})
	if err != nil {
		return platform.Registered{}, err
	}
	return done, nil
}

// register writes the registration first: its row makes two commands for the
// same device take turns.
func (s *session) register(t tenantKey, cmd platform.RegisterDevice) (done platform.Registered, err error) {
	if cmd.Object.ID == 0 && len(cmd.Groups) > 0 {
		if cmd.Registration.GroupID, err = s.groupPath(t, cmd); err != nil {
			return done, err
		}
	}
	if done.Created, err = s.putRegistration(t, cmd.Registration); err != nil {
		return done, err
	}
	err = s.makeDevice(t, cmd, &done)
	return done, err
}

// makeDevice makes what is to be there besides the registration.
func (s *session) makeDevice(t tenantKey, cmd platform.RegisterDevice, done *platform.Registered) (err error) {
	if cmd.User != nil {
		u := *cmd.User
		u.Tenant = cmd.Registration.Tenant
		if done.Created, err = s.putDeviceUser(t, u); err != nil {
			return err
		}
		done.CredentialUpdated = !done.Created
	}
	if cmd.Object.ID == 0 {
		return nil
	}
	if done.ObjectID, err = s.registerObject(t, cmd); err != nil {
		return err
	}
	if err := s.placeInGroup(t, cmd.Registration.GroupID, done.ObjectID); err != nil {
		return err
	}
	return s.placeInGroups(t, cmd, done.ObjectID)
}

// registerObject finds the object that has the first external ID, or creates it.
func (s *session) registerObject(t tenantKey, cmd platform.RegisterDevice) (platform.ID, error) {
	if len(cmd.ExternalIDs) > 0 {
		id, found, err := s.objectByExternalID(t, cmd.ExternalIDs[0])
		if err != nil || found {
			return id, err
		}
	}
	object := cmd.Object
	object.Tenant = cmd.Registration.Tenant
	return object.ID, s.createObject(t, platform.CreateObject{Object: object, ExternalIDs: cmd.ExternalIDs})
}

// Types of groups (rest.md §6.1); their children are assets.
const (
	groupType    = "c8y_DeviceGroup"
	subgroupType = "c8y_DeviceSubgroup"
)

// placeInGroups puts object at the end of the path of groups.
func (s *session) placeInGroups(t tenantKey, cmd platform.RegisterDevice, object platform.ID) error {
	if len(cmd.Groups) == 0 {
		return nil
	}
	parent, err := s.groupPath(t, cmd)
	if err != nil {
		return err
	}
	return s.link(t, platform.ChildLink{Parent: parent, Kind: platform.ChildAssets, Child: object})
}

// groupPath returns the last group of the path and makes what is missing. The
// tenant's row is locked while it looks, or two rows of one import would create
// a group twice.
func (s *session) groupPath(t tenantKey, cmd platform.RegisterDevice) (last platform.ID, err error) {
	if s.d.lockRow != "" {
		if err := s.run("SELECT key FROM tenants WHERE key = $1"+s.d.lockRow, t); err != nil {
			return 0, err
		}
	}
	for i, name := range cmd.Groups {
		group, found, err := s.group(t, last, name)
		if err != nil {
			return 0, err
		}
		if !found {
			group = cmd.GroupIDs[i]
			if err := s.createGroup(t, cmd, group, last, name); err != nil {
				return 0, err
			}
		}
		last = group
	}
	return last, nil
}

// group finds the oldest group of that name directly under parent; zero means
// at the top.
func (s *session) group(t tenantKey, parent platform.ID, name string) (platform.ID, bool, error) {
	const isGroup = `SELECT o.id FROM objects o JOIN fragments f ON f.tenant = o.tenant AND f.object = o.id AND f.name = $3
		WHERE o.tenant = $1 AND o.name = $2 AND `
	if parent == 0 {
		return first(s, (*row).id, isGroup+`NOT EXISTS (SELECT 1 FROM links l WHERE l.tenant = o.tenant AND l.child = o.id)
			ORDER BY o.id LIMIT 1`, t, name, platform.FragmentIsDeviceGroup)
	}
	return first(s, (*row).id, isGroup+`EXISTS (SELECT 1 FROM links l WHERE l.tenant = o.tenant AND l.child = o.id
		AND l.parent = $4 AND l.kind = $5) ORDER BY o.id LIMIT 1`,
		t, name, platform.FragmentIsDeviceGroup, parent, string(platform.ChildAssets))
}

func (s *session) createGroup(t tenantKey, cmd platform.RegisterDevice, id, parent platform.ID, name string) error {
	group := platform.CreateObject{Object: platform.ManagedObject{
		ID: id, Tenant: cmd.Registration.Tenant, Name: name, Type: groupType, Owner: cmd.Registration.Owner,
		Created: cmd.Registration.Created, Updated: cmd.Registration.Created,
		Fragments: platform.Fragments{platform.FragmentIsDeviceGroup: json.RawMessage("{}")},
	}}
	if parent != 0 {
		group.Object.Type = subgroupType
		group.Parent = &platform.ChildLink{Parent: parent, Kind: platform.ChildAssets}
	}
	return s.createObject(t, group)
}
