package mqttapi

import (
	"mooring/internal/deviceid"
	"mooring/server/c8yjson"
	"mooring/server/inventory"
	"mooring/server/platform"
	"mooring/server/telemetry"
)

func (j jsonPublish) addMeasurement(_ platform.ID, item c8yjson.Object) error {
	m, err := c8yjson.ParseMeasurement(item)
	if err != nil {
		return err
	}
	if m.Body == nil {
		m.Body = []byte("{}")
	}
	if err := telemetry.Check(m.Type, "", m.Body); err != nil || j.forEngine() {
		return err
	}
	if m.ID, err = j.server.cfg.Telemetry.NewID(j.quick()); err != nil {
		return err
	}
	b := j.batch.current()
	b.Measurements = append(b.Measurements, m)
	return nil
}

func (j jsonPublish) addEvent(source platform.ID, item c8yjson.Object) error {
	e, err := c8yjson.ParseEvent(item)
	if err != nil {
		return err
	}
	if err := telemetry.Check(e.Type, e.Text, e.Body); err != nil || j.forEngine() {
		return err
	}
	if e.Type == inventory.TypeParameterUpdate && j.mode != deviceid.Transient {
		if err := j.server.cfg.Objects.MirrorParameters(j.call(), j.place.tenant, source, e.Body); err != nil {
			return err
		}
	}
	if e.ID, err = j.server.cfg.Telemetry.NewID(j.quick()); err != nil {
		return err
	}
	e.Created = platform.Millis(j.now)
	e.Updated = e.Created
	b := j.batch.beforeEventChanges()
	b.Events = append(b.Events, e)
	return nil
}

func (j jsonPublish) addAlarm(_ platform.ID, item c8yjson.Object) error {
	a, err := c8yjson.ParseAlarm(item)
	if err != nil {
		return err
	}
	if err := telemetry.Check(a.Type, a.Text, a.Body); err != nil {
		return err
	}
	if a.ID, err = j.server.cfg.Telemetry.NewID(j.quick()); err != nil {
		return err
	}
	a.Count, a.Created = 1, platform.Millis(j.now)
	a.Updated = a.Created
	b := j.batch.beforeChanges()
	b.Alarms = append(b.Alarms, a)
	return nil
}

func (j jsonPublish) changeEvent(id platform.ID, body c8yjson.Object) error {
	store, tenant := j.server.cfg.Telemetry, j.place.tenant
	e, err := store.Event(j.call(), tenant, id)
	if err != nil {
		return err
	}
	if err := j.mayTouch(e.Source, notStored(j.topic.API)); err != nil {
		return err
	}
	u, err := c8yjson.ParseEventUpdate(id, body)
	if err != nil || j.mode == deviceid.Transient {
		return err
	}
	_, err = store.UpdateEvent(j.call(), tenant, u)
	return err
}

func (j jsonPublish) removeEvent(id platform.ID) error {
	store, tenant := j.server.cfg.Telemetry, j.place.tenant
	e, err := store.Event(j.call(), tenant, id)
	if err != nil {
		return err
	}
	if err := j.mayTouch(e.Source, notStored(j.topic.API)); err != nil || j.mode == deviceid.Transient {
		return err
	}
	return store.DeleteEvent(j.call(), tenant, id)
}

func (j jsonPublish) removeMeasurement(id platform.ID) error {
	store, tenant := j.server.cfg.Telemetry, j.place.tenant
	m, err := store.Measurement(j.call(), tenant, id)
	if err != nil {
		return err
	}
	if err := j.mayTouch(m.Source, notStored(j.topic.API)); err != nil || j.mode == deviceid.Transient {
		return err
	}
	return store.DeleteMeasurement(j.call(), tenant, id)
}

func (j jsonPublish) changeAlarm(id platform.ID, body c8yjson.Object) error {
	store, tenant := j.server.cfg.Telemetry, j.place.tenant
	a, err := store.Alarm(j.call(), tenant, id)
	if err != nil {
		return err
	}
	if err := j.mayTouch(a.Source, notStored(j.topic.API)); err != nil {
		return err
	}
	u, err := c8yjson.ParseAlarmUpdate(id, body)
	if err != nil || j.mode == deviceid.Transient {
		return err
	}
	u.By = j.principal.User
	_, err = store.UpdateAlarm(j.call(), tenant, u)
	return err
}
