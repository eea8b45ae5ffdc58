package inventory

import (
	"context"
	"encoding/json"
	"errors"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// What a device is called that does not say (mqtt.md §4).
const (
	defaultName      = "MQTT Device "
	defaultType      = "c8y_MQTTDevice"
	defaultChildType = "c8y_MQTTChildDevice"
	serviceType      = "c8y_Service"
)

// mark is the value of a fragment that only says "this is one".
var mark = json.RawMessage("{}")

// CreateDevice makes sure that the device externalID has an object. created is
// false if it had one, which then stays as it is, but for a type that it lacks: an
// object that registration made does not know what its device is.
func (s *Service) CreateDevice(ctx context.Context, tenant platform.TenantID, externalID, name, objectType, owner string) (id platform.ID, created bool, err error) {
	if name == "" {
		name = defaultName + externalID
	}
	said := objectType
	if objectType == "" {
		objectType = defaultType
	}
	id, created, err = s.ensure(ctx, tenant, externalID, platform.CreateObject{Object: platform.ManagedObject{
		Name: name, Type: objectType, Owner: owner,
		Fragments: platform.Fragments{platform.FragmentIsDevice: mark, platform.FragmentAgent: mark},
	}})
	if err != nil || created || said == "" {
		return id, created, err
	}
	return id, false, s.lend(ctx, tenant, id, said)
}

// lend gives an object the type that its device names if it has none.
func (s *Service) lend(ctx context.Context, tenant platform.TenantID, id platform.ID, objectType string) error {
	o, err := s.Object(ctx, tenant, id)
	if err != nil || o.Type != "" {
		return err
	}
	_, err = s.Update(ctx, tenant, platform.UpdateObject{ID: id, Type: &objectType})
	return err
}

// CreateChild makes sure that externalID names a child device of parent.
// created is false if the object was there.
//
// Errors: problem.NotFound if there is no parent, problem.Forbidden if the name
// belongs to an object that is neither the owner's nor a child of parent.
func (s *Service) CreateChild(ctx context.Context, tenant platform.TenantID, parent platform.ID,
	externalID, name, objectType, owner string, isDevice bool) (id platform.ID, created bool, err error) {
	if name == "" {
		name = defaultName + externalID
	}
	if objectType == "" {
		objectType = defaultChildType
	}
	o := platform.ManagedObject{Name: name, Type: objectType, Owner: owner, Fragments: platform.Fragments{}}
	if isDevice {
		o.Fragments[platform.FragmentIsDevice] = mark
	}
	link := platform.ChildLink{Parent: parent, Kind: platform.ChildDevices}
	id, created, err = s.ensure(ctx, tenant, externalID, platform.CreateObject{Object: o, Parent: &link})
	if err != nil || created {
		return id, created, err
	}
	link.Child = id
	return id, false, s.adopt(ctx, tenant, link, owner)
}

// PutService creates a service of parent or brings it up to date (template
// 102). Errors are those of CreateChild.
func (s *Service) PutService(ctx context.Context, tenant platform.TenantID, parent platform.ID,
	externalID, kind, name, status, owner string) (platform.ID, error) {
	fragments := platform.Fragments{"serviceType": quote(kind), "status": quote(status)}
	link := platform.ChildLink{Parent: parent, Kind: platform.ChildAdditions}
	id, created, err := s.ensure(ctx, tenant, externalID, platform.CreateObject{
		Object: platform.ManagedObject{Name: name, Type: serviceType, Owner: owner, Fragments: fragments}, Parent: &link})
	if err != nil || created {
		return id, err
	}
	link.Child = id
	if err := s.adopt(ctx, tenant, link, owner); err != nil {
		return 0, err
	}
	typ := serviceType
	_, err = s.Update(ctx, tenant, platform.UpdateObject{ID: id, Name: &name, Type: &typ, Set: fragments})
	return id, err
}

// ensure resolves externalID, or creates cmd under that name. Of two that
// create at once, one wins and the other finds.
func (s *Service) ensure(ctx context.Context, tenant platform.TenantID, externalID string, cmd platform.CreateObject) (platform.ID, bool, error) {
	id, err := s.Device(ctx, tenant, externalID)
	if err == nil || !errors.Is(err, problem.NotFound) {
		return id, false, err
	}
	cmd.ExternalIDs = []platform.ExternalID{{Type: platform.SerialType, Value: externalID}}
	o, err := s.Create(ctx, tenant, cmd)
	if errors.Is(err, problem.Conflict) {
		id, err = s.Device(ctx, tenant, externalID)
		return id, false, err
	}
	return o.ID, err == nil, err
}

// adopt places an object that exists under its parent, if owner may claim it.
func (s *Service) adopt(ctx context.Context, tenant platform.TenantID, link platform.ChildLink, owner string) error {
	if link.Parent == link.Child {
		return problem.New(problem.Unprocessable, "An object is no child of itself.", nil)
	}
	parents, err := s.store.Parents(ctx, tenant, link.Child, link.Kind)
	if err != nil {
		return notFound(link.Child, err)
	}
	for _, p := range parents {
		if p.ID == link.Parent {
			return nil
		}
	}
	has, err := s.Owner(ctx, tenant, link.Child)
	if err != nil {
		return err
	}
	if has != owner {
		return problem.WithCode(problem.Forbidden, "security/Forbidden", "Access is denied.", nil)
	}
	return s.AddChild(ctx, tenant, link)
}

// ChildExternalIDs lists the names of the direct child devices of parent, in
// the order of their IDs; a child without a name of type c8y_Serial is left
// out. At most platform.MaxPageSize.
func (s *Service) ChildExternalIDs(ctx context.Context, tenant platform.TenantID, parent platform.ID) ([]string, error) {
	children, err := s.store.Children(ctx, tenant, parent, platform.ChildDevices, platform.Page{Number: 1, Size: platform.MaxPageSize})
	if err != nil {
		return nil, notFound(parent, err)
	}
	var names []string
	for _, c := range children.Items {
		xids, err := s.store.ExternalIDs(ctx, tenant, c.ID)
		if err != nil {
			return nil, err
		}
		for _, x := range xids {
			if x.Type == platform.SerialType {
				names = append(names, x.Value)
				break
			}
		}
	}
	return names, nil
}

// quote writes text as JSON. Text from outside is UTF-8 before it gets here.
func quote(s string) json.RawMessage {
	b, _ := json.Marshal(s) // a string always marshals
	return b
}
