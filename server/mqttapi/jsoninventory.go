package mqttapi

import (
	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// createObject adds an object of the client's own, below parent if that is set.
func (j jsonPublish) createObject(body c8yjson.Object, parent *platform.ChildLink) error {
	if !j.principal.HasAny(platform.RoleInventoryAdmin, platform.RoleInventoryCreate) {
		return denied()
	}
	in, err := c8yjson.ParseManagedObject(body)
	if err != nil || j.mode == deviceid.Transient {
		return err
	}
	o := platform.ManagedObject{Name: c8yjson.Text(in.Name), Type: c8yjson.Text(in.Type), Owner: j.principal.User, Fragments: in.Set}
	if owner := c8yjson.Text(in.Owner); owner != "" && j.principal.Has(platform.RoleInventoryAdmin) {
		o.Owner = owner
	}
	_, err = j.createOnce(platform.CreateObject{Object: o, ExternalIDs: in.ExternalIDs, Parent: parent})
	return err
}

// updateObject changes the object that the topic names. An empty body is a sign of
// life and changes nothing.
func (j jsonPublish) updateObject(body c8yjson.Object) error {
	id, err := j.named(j.topic.ObjectID)
	if err != nil {
		return err
	}
	j.target = id
	in, err := c8yjson.ParseManagedObject(body)
	if err != nil || len(body) == 0 || j.mode == deviceid.Transient {
		return err
	}
	if !j.principal.Has(platform.RoleInventoryAdmin) {
		in.Owner = nil
	}
	_, err = j.server.cfg.Objects.Update(j.call(), j.place.tenant, platform.UpdateObject{
		ID: id, At: platform.Millis(j.now), Name: in.Name, Type: in.Type, Owner: in.Owner, Set: in.Set, Remove: in.Remove,
	})
	return err
}

// createChild adds a new child device, or places objects that exist.
func (j jsonPublish) createChild(body c8yjson.Object) error {
	parent, err := j.named(j.topic.ObjectID)
	if err != nil {
		return err
	}
	link := platform.ChildLink{Parent: parent, Kind: platform.ChildDevices}
	ids, referred, err := c8yjson.ParseReferences(body)
	if err != nil {
		return err
	}
	if !referred {
		return j.createObject(body, &link)
	}
	root, err := j.root()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := j.mayActFor(root, id); err != nil {
			return err
		}
		if link.Child = id; j.mode == deviceid.Transient {
			continue
		}
		if err := j.server.cfg.Objects.AddChild(j.call(), j.place.tenant, link); err != nil {
			return err
		}
	}
	return nil
}

// named finds the object of a topic, by external ID or else by its own, if the
// client may act for it. Its own device need not exist yet.
func (j jsonPublish) named(name string) (platform.ID, error) {
	root, err := j.root()
	if err != nil || name == j.place.device {
		return root, err
	}
	id, err := j.server.cfg.Devices.Device(j.quick(), j.place.tenant, name)
	if problem.KindOf(err) == problem.NotFound {
		number, ok := platform.ParseID(name)
		if !ok {
			return 0, err
		}
		id, err = number, nil
	}
	if err != nil {
		return 0, err
	}
	return id, j.mayActFor(root, id)
}

func denied() error {
	return problem.WithCode(problem.Forbidden, "security/Forbidden", "Access is denied.", nil)
}
