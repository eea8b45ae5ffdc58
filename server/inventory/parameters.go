package inventory

import (
	"context"
	"encoding/json"
	"strings"

	"mooring/server/platform"
)

// TypeParameterUpdate is the type of events by which devices report parameters
// (mqtt.md §4.5, template 408). Their fragments become those of the device.
const TypeParameterUpdate = "c8y_ParameterUpdate"

// notParameters are the properties of an object that no parameter may be.
var notParameters = map[string]bool{
	"id": true, "self": true, "type": true, "name": true, "owner": true, "creationTime": true, "lastUpdated": true,
	"childDevices": true, "childAssets": true, "childAdditions": true, "deviceParents": true, "assetParents": true,
	"additionParents": true, "externalIds": true,
}

// MirrorParameters merges the fragments of a parameter event into the object of a
// device: a parameter that is not reported stays as it was.
func (s *Service) MirrorParameters(ctx context.Context, tenant platform.TenantID, device platform.ID, parameters json.RawMessage) error {
	reported, err := decodeObject(parameters)
	if err != nil || len(reported) == 0 {
		return err
	}
	o, err := s.Object(ctx, tenant, device)
	if err != nil {
		return err
	}
	set := platform.Fragments{}
	for name, value := range reported {
		if notParameters[name] {
			continue
		}
		if members, ok := value.(map[string]any); ok {
			if known, err := decodeObject(o.Fragments[name]); err == nil && known != nil {
				merge(known, members)
				value = known
			}
		}
		if set[name], err = json.Marshal(value); err != nil {
			return err
		}
	}
	_, err = s.Update(ctx, tenant, platform.UpdateObject{ID: device, Set: set})
	return err
}

// decodeObject reads a JSON object so that numbers stay as they are; nil if there
// is none.
func decodeObject(b json.RawMessage) (map[string]any, error) {
	if len(b) == 0 || b[0] != '{' {
		return nil, nil
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	var o map[string]any
	err := d.Decode(&o)
	return o, err
}

// merge puts the members of from into into, object by object.
func merge(into, from map[string]any) {
	for name, value := range from {
		inner, ok := value.(map[string]any)
		if known, is := into[name].(map[string]any); ok && is {
			merge(known, inner)
		} else {
			into[name] = value
		}
	}
}
