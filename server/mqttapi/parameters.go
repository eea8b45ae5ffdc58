package mqttapi

import (
	"encoding/json"
	"reflect"

	"mooring/internal/smartrest"
	"mooring/internal/smartrest/template"
	"mooring/server/platform"
	"mooring/server/telemetry"
)

// notParameters are the properties of events and objects that are no fragments; a
// parameter of such a name would hide one of them.
var notParameters = map[string]bool{
	"id": true, "self": true, "source": true, "type": true, "time": true, "text": true, "creationTime": true, "lastUpdated": true,
	"name": true, "owner": true, "childDevices": true, "childAssets": true, "childAdditions": true, "deviceParents": true,
	"assetParents": true, "additionParents": true, "externalIds": true,
}

// parameterUpdate carries out 408: an event with the parameters, which the object
// mirrors. With change detection it does nothing if the object has them all.
func (p *publish) parameterUpdate(r smartrest.ParameterUpdate) error {
	paths, values, err := p.parameters(r)
	if err != nil {
		return err
	}
	device, err := p.object()
	if err != nil {
		return err
	}
	o, err := p.server.cfg.Objects.Object(p.call(), p.place.tenant, device)
	if err != nil {
		return err
	}
	event, mirror, changed := map[string]any{}, map[string]any{}, false
	for i, path := range paths {
		name := path.First()
		if _, ok := mirror[name]; !ok && o.Fragments[name] != nil {
			if mirror[name], err = template.Decode(o.Fragments[name]); err != nil {
				return err
			}
		}
		known := path.Select(mirror)
		changed = changed || len(known) == 0 || !reflect.DeepEqual(known[0], values[i])
		if !path.Set(event, values[i]) || !path.Set(mirror, values[i]) {
			return smartrest.NewError(smartrest.CodeArgument, "408", "Invalid JsonPath "+path.String())
		}
	}
	if r.OnlyChanges && !changed {
		return nil
	}
	if err := p.parameterEvent(device, r, event); err != nil || !changed {
		return err
	}
	return p.update(mirrored(mirror))
}

// parameters reads paths and values.
func (p *publish) parameters(r smartrest.ParameterUpdate) ([]template.Path, []any, error) {
	var paths []template.Path
	var values []any
	for _, param := range r.Parameters {
		path, ok := template.ParsePath(param.Path)
		if !ok || path.First() == "" || notParameters[path.First()] {
			return nil, nil, smartrest.NewError(smartrest.CodeArgument, "408", "Invalid JsonPath "+param.Path)
		}
		typ := template.ValueType(param.Type)
		if !typ.Known() {
			return nil, nil, smartrest.NewError(smartrest.CodeArgument, "408", "No such type: "+param.Type)
		}
		var value any // an empty value is null
		if param.Value != "" {
			if value, ok = typ.JSON(param.Value, p.now); !ok {
				return nil, nil, smartrest.NewError(smartrest.CodeArgument, "408", "Value is not a "+param.Type+": "+param.Value)
			}
		}
		paths, values = append(paths, path), append(values, value)
	}
	return paths, values, nil
}

func (p *publish) parameterEvent(device platform.ID, r smartrest.ParameterUpdate, body map[string]any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if err := telemetry.Check(smartrest.TypeParameterUpdate, r.Text, b); err != nil || p.forEngine() {
		return err
	}
	id, err := p.server.cfg.Telemetry.NewID(p.quick())
	if err != nil {
		return err
	}
	now := platform.Millis(p.now)
	batch := p.batch.beforeEventChanges()
	batch.Events = append(batch.Events, platform.Event{ID: id, Source: device, Type: smartrest.TypeParameterUpdate, Text: r.Text,
		Time: platform.Millis(r.Time), Created: now, Updated: now, Body: b})
	return nil
}

// mirrored sets what was mirrored; a fragment that became null goes.
func mirrored(fragments map[string]any) platform.UpdateObject {
	cmd := platform.UpdateObject{Set: platform.Fragments{}}
	for name, value := range fragments {
		if value == nil {
			cmd.Remove = append(cmd.Remove, name)
			continue
		}
		cmd.Set[name], _ = json.Marshal(value) // what was decoded marshals
	}
	return cmd
}
