package mqttapi

import (
	"encoding/json"

	"mooring/internal/problem"
	"mooring/internal/smartrest/template"
	"mooring/server/c8yjson"
	"mooring/server/platform"
	"mooring/server/templates"
)

// carryOutCall does what a request template asks for and returns the object that
// its response templates see; nil if there is none.
func (p *publish) carryOutCall(t templates.Collection, c template.Call) (json.RawMessage, error) {
	body, err := bodyOf(c)
	if err != nil {
		return nil, err
	}
	switch c.API {
	case template.Inventory:
		return p.inventoryCall(t, c, body)
	case template.Operation:
		return p.operationCall(c, body)
	}
	source, err := p.object()
	if err != nil {
		return nil, err
	}
	if c.Method == template.Put {
		return p.alarmCall(c, source, body)
	}
	body["source"] = []byte(`{"id":"` + source.String() + `"}`)
	j := jsonPublish{publish: p}
	switch c.API {
	case template.Measurement:
		err = j.addMeasurement(source, body)
	case template.Event:
		err = j.addEvent(source, body)
	default:
		err = j.addAlarm(source, body)
	}
	if err != nil || !c.Response {
		return nil, err
	}
	return p.newest(c.API), nil
}

// bodyOf is the body of a call as REST reads it.
func bodyOf(c template.Call) (c8yjson.Object, error) {
	if c.Body == nil {
		return c8yjson.Object{}, nil
	}
	b, err := json.Marshal(c.Body)
	if err != nil {
		return nil, problem.New(problem.Unprocessable, "The values make no JSON.", err)
	}
	return c8yjson.ParseObject(b)
}

// base begins the links in objects that response templates see.
func (p *publish) base() string { return "https://" + p.conn.serverName() }

// newest writes the element that was added last.
func (p *publish) newest(api template.API) json.RawMessage {
	var w c8yjson.Writer
	b := p.batch.current()
	switch {
	case api == template.Measurement && len(b.Measurements) > 0:
		c8yjson.Measurement(&w, p.base(), b.Measurements[len(b.Measurements)-1])
	case api == template.Event && len(b.Events) > 0:
		c8yjson.Event(&w, p.base(), b.Events[len(b.Events)-1])
	case api == template.Alarm && len(b.Alarms) > 0:
		c8yjson.Alarm(&w, p.base(), b.Alarms[len(b.Alarms)-1])
	default: // the mode stores nothing
		return nil
	}
	return w.Bytes()
}

// inventoryCall reads, makes or changes a managed object.
func (p *publish) inventoryCall(t templates.Collection, c template.Call, body c8yjson.Object) (json.RawMessage, error) {
	if c.Method == template.Post {
		return p.createByTemplate(c, body)
	}
	root, err := p.object()
	if err != nil {
		return nil, err
	}
	id, err := p.objectOf(c)
	if err != nil {
		return nil, err
	}
	err = p.mayActFor(root, id)
	if problem.KindOf(err) == problem.Forbidden && c.Method == template.Get && p.principal.Has(platform.RoleInventoryRead) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if c.Method == template.Get {
		return p.readByTemplate(t, id)
	}
	in, err := c8yjson.ParseManagedObject(body)
	if err != nil || p.mode == 't' {
		return nil, err
	}
	o, err := p.server.cfg.Objects.Update(p.call(), p.place.tenant, platform.UpdateObject{
		ID: id, At: platform.Millis(p.now), Name: in.Name, Type: in.Type, Set: in.Set, Remove: in.Remove,
	})
	return p.objectJSON(o, nil), err
}

// objectOf finds the object that a call names.
func (p *publish) objectOf(c template.Call) (platform.ID, error) {
	if !c.ByID {
		return p.server.cfg.Objects.Resolve(p.quick(), p.place.tenant, platform.ExternalID{Type: c.ExternalIDType, Value: c.ID})
	}
	id, ok := platform.ParseID(c.ID)
	if !ok {
		return 0, problem.New(problem.NotFound, "No managedObject for id '"+c.ID+"'", nil)
	}
	return id, nil
}

// createByTemplate makes an object of the client's own.
func (p *publish) createByTemplate(c template.Call, body c8yjson.Object) (json.RawMessage, error) {
	if !p.principal.HasAny(platform.RoleInventoryAdmin, platform.RoleInventoryCreate) {
		return nil, denied()
	}
	in, err := c8yjson.ParseManagedObject(body)
	if err != nil || p.mode == 't' {
		return nil, err
	}
	cmd := platform.CreateObject{
		Object:      platform.ManagedObject{Name: c8yjson.Text(in.Name), Type: c8yjson.Text(in.Type), Owner: p.principal.User, Fragments: in.Set},
		ExternalIDs: in.ExternalIDs,
	}
	if c.ID != "" {
		cmd.ExternalIDs = append(cmd.ExternalIDs, platform.ExternalID{Type: c.ExternalIDType, Value: c.ID})
	}
	o, err := p.createOnce(cmd)
	return p.objectJSON(o, nil), err
}

// readByTemplate reads an object, with its children if a response template wants
// to see them.
func (p *publish) readByTemplate(t templates.Collection, id platform.ID) (json.RawMessage, error) {
	objects, tenant := p.server.cfg.Objects, p.place.tenant
	o, err := objects.Object(p.call(), tenant, id)
	if err != nil {
		return nil, err
	}
	relatives := c8yjson.Relatives{}
	if t.Asks(string(platform.ChildDevices), string(platform.ChildAssets), string(platform.ChildAdditions)) {
		children, err := objects.ChildrenOf(p.call(), tenant, []platform.ID{id})
		if err != nil {
			return nil, err
		}
		for _, r := range children {
			relatives.Add(string(r.Kind), r)
		}
	}
	return p.objectJSON(o, relatives), nil
}

func (p *publish) objectJSON(o platform.ManagedObject, relatives c8yjson.Relatives) json.RawMessage {
	var w c8yjson.Writer
	c8yjson.ManagedObject(&w, p.base(), o, relatives)
	return w.Bytes()
}

// alarmCall changes the alarm of a type that is not cleared. For the answer it is
// read as it was when the line came.
func (p *publish) alarmCall(c template.Call, source platform.ID, body c8yjson.Object) (json.RawMessage, error) {
	u, err := c8yjson.ParseAlarmUpdate(0, body)
	if err != nil {
		return nil, err
	}
	p.change(platform.AlarmChange{Source: source, Type: c.Type, Text: u.Text, Severity: u.Severity, Status: u.Status, Set: u.Set, Remove: u.Remove})
	if !c.Response {
		return nil, nil
	}
	open, err := p.server.cfg.Telemetry.Alarms(p.call(), p.place.tenant, platform.TelemetryFilter{Source: source, Type: c.Type,
		Statuses: []platform.AlarmStatus{platform.Active, platform.Acknowledged}}, platform.Page{Number: 1, Size: 1})
	if err != nil || len(open.Items) == 0 {
		return nil, err
	}
	var w c8yjson.Writer
	c8yjson.Alarm(&w, p.base(), open.Items[0])
	object, err := c8yjson.ParseObject(w.Bytes())
	if err != nil {
		return nil, err
	}
	for name, value := range body { // what the change makes of it
		object[name] = value
	}
	return json.Marshal(object)
}
