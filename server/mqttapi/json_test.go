package mqttapi_test

import (
	"fmt"
	"strings"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/server/platform"
)

const at = `"time":"2026-01-02T03:04:05.678+02:00"`

func TestJSONTelemetry(t *testing.T) {
	w := newWhole(t, nil)
	c := w.connect(t, dev("dev1"))
	c.publish("measurement/measurements/create", `{"type":"env",`+at+`,"env":{"T":{"value":20.50,"unit":"C"}},"source":{"id":"1"}}`)
	c.publish("measurement/measurements/createBulk/x", `{"measurements":[{"type":"a",`+at+`,"a":{"x":{"value":1}}},{"type":"b",`+at+`}]}`)
	c.publish("event/events/create", `{"type":"E","text":"sensor",`+at+`,"extra":{"n":1},"null":null}`)
	c.publish("alarm/alarms/create", `{"type":"A","text":"hot","severity":"major",`+at+`}`)
	c.publish("alarm/alarms/createBulk", `{"alarms":[{"type":"A","text":"hotter","severity":"CRITICAL",`+at+`}]}`)

	root := w.object(tenant, "dev1").ID
	ms := w.measurements(tenant, root)
	if len(ms) != 3 {
		t.Fatalf("measurements: %+v", ms)
	}
	found := false
	for _, m := range ms {
		found = found || m.Type == "env" && string(m.Body) == `{"env":{"T":{"value":20.50,"unit":"C"}}}`
	}
	if !found {
		t.Errorf("no env as it was sent: %s", ms)
	}
	es := w.events(tenant, root)
	if len(es) != 1 || es[0].Text != "sensor" || string(es[0].Body) != `{"extra":{"n":1}}` || es[0].Time.Format("15:04:05.000") != "01:04:05.678" {
		t.Errorf("events: %+v", es)
	}
	as := w.alarms(tenant, root)
	if len(as) != 1 || as[0].Count != 2 || as[0].Severity != platform.Critical || as[0].Text != "hotter" {
		t.Errorf("alarms: %+v", as)
	}

	c.publish(fmt.Sprintf("event/events/update/%s", es[0].ID), `{"text":"new","extra":null,"more":true,"type":"X"}`)
	c.publish(fmt.Sprintf("alarm/alarms/update/%s", as[0].ID), `{"status":"CLEARED"}`)
	c.publish(fmt.Sprintf("measurement/measurements/delete/%s", ms[0].ID), ``)
	if e := w.events(tenant, root)[0]; e.Text != "new" || string(e.Body) != `{"more":true}` || e.Type != "E" {
		t.Errorf("event after update: %+v", e)
	}
	if a := w.alarms(tenant, root)[0]; a.Status != platform.Cleared {
		t.Errorf("alarm after update: %+v", a)
	}
	if ms := w.measurements(tenant, root); len(ms) != 2 {
		t.Errorf("measurements after delete: %+v", ms)
	}
	c.publish(fmt.Sprintf("event/events/delete/%s", es[0].ID), ``)
	if es := w.events(tenant, root); len(es) != 0 {
		t.Errorf("events after delete: %+v", es)
	}
}

func TestJSONModes(t *testing.T) {
	w := newWhole(t, nil)
	c := w.connect(t, dev("dev1"))
	for _, mode := range []string{"t/", "q/", "c/"} {
		c.publish(mode+"measurement/measurements/create", `{"type":"`+mode+`",`+at+`}`)
		c.publish(mode+"event/events/create", `{"type":"`+mode+`","text":"x",`+at+`}`)
		c.publish(mode+"alarm/alarms/create", `{"type":"`+mode+`","text":"x","severity":"MINOR",`+at+`}`)
		c.publish(mode+"inventory/managedObjects/update/dev1", `{"mode":"`+mode+`"}`)
	}
	root := w.object(tenant, "dev1")
	if ms, es, as := w.measurements(tenant, root.ID), w.events(tenant, root.ID), w.alarms(tenant, root.ID); len(ms) != 1 || ms[0].Type != "q/" ||
		len(es) != 1 || es[0].Type != "q/" || len(as) != 2 {
		t.Errorf("stored %v, %v, %v", ms, es, as)
	}
	if got := string(root.Fragments["mode"]); got != `"c/"` {
		t.Errorf("mode is %s", got)
	}
}

func TestJSONSources(t *testing.T) {
	w := newWhole(t, nil)
	c := w.connect(t, dev("dev1"))
	c.publish("s/us", "101,dev1:device:c1,,,false\n102,dev1:svc,systemd,svc,up")
	c.subscribe("error")
	send := func(id string) {
		c.publish("event/events/create", `{"type":"E","text":"x",`+at+`,"externalSource":{"externalId":"`+id+`","type":"c8y_Serial"}}`)
	}
	for _, id := range []string{"dev1", "dev1:device:c1", "dev1:svc", "unknown"} {
		send(id)
		o := w.object(tenant, id)
		if es := w.events(tenant, o.ID); len(es) != 1 || strings.Contains(string(es[0].Body), "externalSource") {
			t.Errorf("%s: %+v", id, es)
		}
		if o.Owner != "device_dev1" {
			t.Errorf("%s belongs to %s", id, o.Owner)
		}
	}
	for _, bad := range []string{`"x"`, `{}`, `{"externalId":"z","type":"other"}`, `{"externalId":5,"type":{}}`} {
		if got := c.refused("event/events/create", `{"type":"E","text":"x",`+at+`,"externalSource":`+bad+`}`, "error"); !strings.Contains(got, `"messageId":7`) {
			t.Errorf("%s: %s", bad, got)
		}
	}
}

func TestJSONInventory(t *testing.T) {
	w := newWhole(t, nil)
	c := w.connect(t, dev("dev1"))
	c.publish("inventory/managedObjects/update/dev1", `{"name":"N","owner":"admin","c8y_X":{"a":1,"b":2},"id":"9"}`)
	c.publish("inventory/managedObjects/update/dev1", `{"c8y_X":{"b":3},"c8y_Y":1}`)
	c.publish("inventory/managedObjects/update/dev1", `{"c8y_Y":null}`)
	o := w.object(tenant, "dev1")
	if o.Name != "N" || o.Owner != "device_dev1" || string(o.Fragments["c8y_X"]) != `{"b":3}` || o.Fragments["c8y_Y"] != nil {
		t.Errorf("device is %+v", o)
	}
	before := o.Updated
	c.publish("inventory/managedObjects/update/dev1", `{}`)
	c.publish("inventory/managedObjects/update/"+o.ID.String(), ``)
	if o := w.object(tenant, "dev1"); !o.Updated.Equal(before) {
		t.Error("a heartbeat changed the object")
	}
	if w.presence.heard[o.ID] < 5 {
		t.Errorf("heard %d times", w.presence.heard[o.ID])
	}
	c.publish("inventory/managedObjects/update/"+o.ID.String(), `{"byID":true}`)
	if w.fragment("dev1", "byID") != "true" {
		t.Error("not found by its own ID")
	}
	c.publish("inventory/managedObjects/dev1/childDevices/create", `{"name":"kid","type":"T","externalIds":[{"externalId":"kid","type":"c8y_Serial"}]}`)
	c.publish("inventory/managedObjects/create", `{"name":"thing","externalIds":[{"externalId":"thing","type":"c8y_Serial"}]}`)
	kid := w.object(tenant, "kid")
	parents, err := w.things.Parents(t.Context(), tenant, kid.ID, platform.ChildDevices)
	if err != nil || len(parents) != 1 || parents[0].ID != o.ID || kid.Owner != "device_dev1" {
		t.Errorf("kid %+v of %+v: %v", kid, parents, err)
	}
	thing := w.object(tenant, "thing")
	c.publish("inventory/managedObjects/"+o.ID.String()+"/childDevices/create", `{"managedObject":{"id":"`+thing.ID.String()+`"}}`)
	if parents, _ := w.things.Parents(t.Context(), tenant, thing.ID, platform.ChildDevices); len(parents) != 1 {
		t.Errorf("thing has parents %v", parents)
	}
}

// TestJSONErrors: bad content is acknowledged, told on "error" and stores nothing.
func TestJSONErrors(t *testing.T) {
	w := newWhole(t, nil)
	c := w.connect(t, dev("dev1"))
	c.subscribe("error")
	tests := []struct{ topic, payload, want string }{
		{"alarm/alarms/create", `{"type":"x"}`, `{"error":"undefined/validationError","message":"Following mandatory fields should be included: severity,text,time","messageId":7}`},
		{"event/events/create", `{"type":`, `"message"`},
		{"event/events/create", `[]`, `"message"`},
		{"event/events/create", "\xff", `UTF-8`},
		{"event/events/create", `{"type":"x","text":"y","time":"yesterday"}`, `Invalid date: yesterday`},
		{"event/events/create", `{"type":"` + strings.Repeat("x", 1025) + `","text":"y",` + at + `}`, `1024`},
		{"event/events/create", strings.Repeat("[", 100), `nested`},
		{"event/events/createBulk", `{}`, `events`},
		{"event/events/createBulk", `{"events":[{"type":"A","text":"ok",` + at + `},{"type":"B"}]}`, `text,time`},
		{"event/events/update/1", `{}`, `event/Not Found`},
		{"event/events/update/x", `{}`, `event/Not Found`},
		{"event/events/delete/99999999", ``, `event/Not Found`},
		{"measurement/measurements/delete/99999999", ``, `measurement/Not Found`},
		{"alarm/alarms/update/99999999", `{"status":"CLEARED"}`, `alarm/Not Found`},
		{"alarm/alarms/delete/1", ``, `not available`},
		{"t/alarm/alarms/delete/1", ``, `not available`},
		{"measurement/measurements/update/1", `{}`, `not available`},
		{"inventory/managedObjects/delete/1", ``, `not available`},
		{"inventory/managedObjects/update/nobody", `{"a":1}`, `Not Found`},
		{"inventory/managedObjects/99999999/childDevices/create", `{"name":"x"}`, `Not Found`},
	}
	for _, tt := range tests {
		if got := c.refused(tt.topic, tt.payload, "error"); !strings.Contains(got, tt.want) {
			t.Errorf("%s %.40q: %s, want %s", tt.topic, tt.payload, got, tt.want)
		}
	}
	root := w.object(tenant, "dev1").ID
	if es, as := w.events(tenant, root), w.alarms(tenant, root); len(es)+len(as) != 0 {
		t.Errorf("stored %v %v", es, as)
	}
	// Without acknowledgement there is no ID to tell.
	c.send(publish(0, 0, "event/events/create", "{}"))
	if p := c.read().(*mqtt.PublishPacket); strings.Contains(string(p.Payload), "messageId") {
		t.Errorf("QoS 0: %s", p.Payload)
	}
}

// TestJSONQoS2 is carried out once however often it is released.
func TestJSONQoS2(t *testing.T) {
	w := newWhole(t, nil)
	c := w.connect(t, dev("dev1"))
	c.send(publish(9, 2, "event/events/create", `{"type":"E","text":"x",`+at+`}`))
	c.want(mqtt.Pubrec, 9)
	for range 2 {
		c.send(pubrel(9))
		c.want(mqtt.Pubcomp, 9)
	}
	if es := w.events(tenant, w.object(tenant, "dev1").ID); len(es) != 1 {
		t.Errorf("stored %d times", len(es))
	}
}

// TestJSONTenancy: no ID or name lets a device see or change what is not its own.
func TestJSONTenancy(t *testing.T) {
	w := newWhole(t, nil)
	victims := []options{dev("victim"), dev("victim").in(otherTenant)}
	var bait [2]struct {
		object, child platform.ManagedObject
		event         platform.Event
		alarm         platform.Alarm
		measurement   platform.Measurement
	}
	for i, v := range victims {
		in := []platform.TenantID{tenant, otherTenant}[i]
		c := w.connect(t, v)
		c.publish("s/us", "101,victimchild")
		c.publish("event/events/create", `{"type":"E","text":"mine",`+at+`}`)
		c.publish("alarm/alarms/create", `{"type":"A","text":"mine","severity":"MAJOR",`+at+`}`)
		c.publish("measurement/measurements/create", `{"type":"M",`+at+`}`)
		bait[i].object, bait[i].child = w.object(in, "victim"), w.object(in, "victimchild")
		bait[i].event = w.events(in, bait[i].object.ID)[0]
		bait[i].alarm = w.alarms(in, bait[i].object.ID)[0]
		bait[i].measurement = w.measurements(in, bait[i].object.ID)[0]
	}
	thief := w.connect(t, dev("thief"))
	thief.publish("s/us", "100")
	thief.subscribe("error")
	for i, b := range bait {
		in := []platform.TenantID{tenant, otherTenant}[i]
		for _, id := range []string{b.object.ID.String(), b.child.ID.String()} {
			thief.refused("inventory/managedObjects/update/"+id, `{"stolen":1}`, "error")
			thief.refused("inventory/managedObjects/"+id+"/childDevices/create", `{"name":"x"}`, "error")
			thief.refused("inventory/managedObjects/thief/childDevices/create", `{"managedObject":{"id":"`+id+`"}}`, "error")
		}
		thief.refused("event/events/update/"+b.event.ID.String(), `{"text":"stolen"}`, "error")
		thief.refused("event/events/delete/"+b.event.ID.String(), ``, "error")
		thief.refused("alarm/alarms/update/"+b.alarm.ID.String(), `{"status":"CLEARED"}`, "error")
		thief.refused("measurement/measurements/delete/"+b.measurement.ID.String(), ``, "error")
		if e := w.events(in, b.object.ID); len(e) != 1 || e[0].Text != "mine" {
			t.Errorf("event is %+v", e)
		}
		if a := w.alarms(in, b.object.ID); len(a) != 1 || a[0].Status != platform.Active {
			t.Errorf("alarm is %+v", a)
		}
		if m := w.measurements(in, b.object.ID); len(m) != 1 {
			t.Errorf("measurements are %+v", m)
		}
		if o := w.object(in, "victim"); o.Fragments["stolen"] != nil {
			t.Errorf("object is %+v", o)
		}
	}
	for _, name := range []string{"victim", "victimchild"} {
		thief.refused("inventory/managedObjects/update/"+name, `{"stolen":1}`, "error")
		thief.refused("event/events/create", `{"type":"E","text":"x",`+at+`,"externalSource":{"externalId":"`+name+`","type":"c8y_Serial"}}`, "error")
	}
	if e := w.events(tenant, bait[0].child.ID); len(e) != 0 {
		t.Errorf("planted %+v", e)
	}
}

// TestPersonsOwnTheirDevices: who may only create acts for nobody else's device.
func TestPersonsOwnTheirDevices(t *testing.T) {
	w := newWhole(t, nil)
	w.connect(t, dev("dev1")).publish("s/us", "100")
	c := w.connect(t, options{id: "dev1", user: "t1000/creator", password: "right"})
	c.subscribe("error", "s/e")
	c.refused("event/events/create", `{"type":"E","text":"x",`+at+`}`, "error")
	c.refused("s/us", "400,E,x", "s/e")
	if e := w.events(tenant, w.object(tenant, "dev1").ID); len(e) != 0 {
		t.Errorf("planted %+v", e)
	}
}
