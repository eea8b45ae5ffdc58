package mqttapi_test

import (
	"strings"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/internal/smartrest/template"
	"mooring/server/mqttapi"
	"mooring/server/platform"
	"mooring/server/templates"
)

// withTemplates starts the whole with collections.
func withTemplates(t testing.TB) *whole {
	return newWhole(t, func(w *whole, cfg *mqttapi.Config) {
		w.collections = templates.New(w.things, nil)
		cfg.Templates = w.collections
	})
}

const collection = `10,GET,GET,INVENTORY,,true
10,GETX,GET,INVENTORY,,false,c8y_Serial
10,M,POST,MEASUREMENT,,c8y_M,,c8y_M.M.value,NUMBER,
10,E,POST,EVENT,true,c8y_E,mytext,,extra,STRING,
10,A,POST,ALARM,,c8y_A,hot,ACTIVE,MAJOR,
10,AC,PUT,ALARM,,c8y_A,status,ALARMSTATUS,CLEARED
10,NEW,POST,INVENTORY,true,c8y_Serial,name,STRING,,c8y_IsDevice,FLAG,
10,PUT,PUT,INVENTORY,,false,c8y_Serial,c8y_V.a,STRING,
11,obj,,c8y_V,type,c8y_V.a
11,any,,,name
11,event,,extra,extra,text`

// TestTemplateCreation: check, create, check again; a second create changes nothing.
func TestTemplateCreation(t *testing.T) {
	w := withTemplates(t)
	c := w.connect(t, dev("dev1"))
	c.subscribe("s/dt", "s/e")
	if got := c.refused("s/ut/coll", "", "s/dt"); got != "41,coll" {
		t.Errorf("missing: %s", got)
	}
	created := c.refused("s/ut/coll", collection, "s/dt")
	if !strings.HasPrefix(created, "20,coll,") {
		t.Fatalf("created: %s", created)
	}
	if got := c.refused("s/ut/coll", "", "s/dt"); got != created {
		t.Errorf("found: %s, want %s", got, created)
	}
	if got := c.refused("s/ut/coll", "11,1,,,a", "s/e"); got != "41,,Cannot create templates for already existing template object" {
		t.Errorf("again: %s", got)
	}
	if got := c.refused("s/ut/bad", "10,1,GET,ALARM", "s/e"); got != "41,1,Bad request template definition" {
		t.Errorf("bad: %s", got)
	}
	if got := c.refused("s/ut/bad", "", "s/dt"); got != "41,bad" {
		t.Errorf("bad: %s", got)
	}
	// REST clients see it as the web application would have made it.
	id, err := w.things.Resolve(t.Context(), tenant, platform.ExternalID{Type: template.ExternalIDType, Value: "coll"})
	if err != nil {
		t.Fatal(err)
	}
	o, err := w.things.Object(t.Context(), tenant, id)
	if err != nil || o.Type != "c8y_SmartRest2Template" || !strings.Contains(string(o.Fragments[template.Fragment]), `"msgId":"GETX"`) {
		t.Errorf("object %+v, %v", o, err)
	}
}

func TestCustomRequests(t *testing.T) {
	w := withTemplates(t)
	c := w.connect(t, dev("dev1"))
	c.publish("s/ut/coll", collection)
	c.publish("s/us", "100,N,T")
	c.subscribe("s/dc/coll", "s/e")

	c.publish("s/uc/coll", "M,2026-01-02T03:04:05Z,25.50\nM,,1")
	c.publish("s/uc/coll/kid", "M,,7")
	c.publish("t/uc/coll", "M,,8")
	root := w.object(tenant, "dev1").ID
	if ms := w.measurements(tenant, root); len(ms) != 2 || string(ms[0].Body) != `{"c8y_M":{"M":{"value":25.50}}}` && string(ms[1].Body) != `{"c8y_M":{"M":{"value":25.50}}}` {
		t.Errorf("measurements %s", ms)
	}
	if ms := w.measurements(tenant, w.object(tenant, "kid").ID); len(ms) != 1 {
		t.Errorf("kid's measurements %s", ms)
	}
	if got := c.refused("s/uc/coll", "E,,more", "s/dc/coll"); got != "any,\nevent,more,mytext" {
		t.Errorf("event answered %q", got)
	}
	if es := w.events(tenant, root); len(es) != 1 || string(es[0].Body) != `{"extra":"more"}` || es[0].Text != "mytext" {
		t.Errorf("events %+v", es)
	}
	c.publish("s/uc/coll", "A\nA")
	if as := w.alarms(tenant, root); len(as) != 1 || as[0].Count != 2 || as[0].Severity != platform.Major {
		t.Errorf("alarms %+v", as)
	}
	c.publish("s/uc/coll", "AC")
	if as := w.alarms(tenant, root); as[0].Status != platform.Cleared {
		t.Errorf("alarms %+v", as)
	}
	c.publish("s/uc/coll", `PUT,dev1,"a,b"`)
	if got := w.fragment("dev1", "c8y_V"); got != `{"a":"a,b"}` {
		t.Errorf("c8y_V is %s", got)
	}
	for _, line := range []string{"GET," + root.String(), "GETX,dev1"} {
		if got := c.refused("s/uc/coll", line, "s/dc/coll"); got != "obj,T,\"a,b\"\nany,N" {
			t.Errorf("%s answered %q", line, got)
		}
	}
	if got := c.refused("s/uc/coll", "NEW,thing,box", "s/dc/coll"); got != "any,box" {
		t.Errorf("created: %q", got)
	}
	if o := w.object(tenant, "thing"); o.Owner != "device_dev1" || string(o.Fragments["c8y_IsDevice"]) != "{}" {
		t.Errorf("thing is %+v", o)
	}
	for line, want := range map[string]string{
		"X,1":         "40,X,No template for this message id",
		"M,,x":        "45,M,Value is not a NUMBER: x",
		"NEW,thing,b": "41,NEW,An external ID is bound to another object already.",
		"GET,99999":   "50,GET,Finding device data from database failed : No managedObject for id '99999'!",
		"GET,x":       "50,GET,No managedObject for id 'x'",
		"GETX,nobody": "50,GETX,External id not found; external id = ID [type=c8y_Serial, value=nobody]",
		"PUT,nobody":  "50,PUT,External id not found; external id = ID [type=c8y_Serial, value=nobody]",
		`M,"`:         "42,M,unterminated quote",
	} {
		if got := c.refused("s/uc/coll", line, "s/e"); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

// TestCustomChildren: an object is read with its children where a template looks at them.
func TestCustomChildren(t *testing.T) {
	w := withTemplates(t)
	c := w.connect(t, dev("dev1"))
	c.publish("s/us", "100,N,T\n101,kid1,one\n101,kid2,two\n102,svc,systemd,three,up")
	c.publish("s/ut/coll", "10,G,GET,INVENTORY,,false,c8y_Serial\n11,kids,childDevices,,references[*].managedObject.name\n11,adds,,childAdditions.references[0],childAdditions.references[*].managedObject.name")
	c.subscribe("s/dc/coll")
	if got := c.refused("s/uc/coll", "G,dev1", "s/dc/coll"); got != "kids,one,two\nadds,three" {
		t.Errorf("answered %q", got)
	}
	if got := c.refused("s/uc/coll", "G,kid1", "s/dc/coll"); got != "kids," {
		t.Errorf("answered %q", got)
	}
}

// TestDefaultCollection is that of the client ID; it is looked for when it is used.
func TestDefaultCollection(t *testing.T) {
	w := withTemplates(t)
	o := dev("dev1")
	o.id = "d:dev1:coll"
	c := w.connect(t, o)
	c.publish("s/us", "100,N,T")
	c.subscribe("s/dd", "s/e", "s/dc/#")
	if got := c.refused("s/ud", "GETX,dev1", "s/e"); got != "40,,No template collection coll" {
		t.Errorf("before: %s", got)
	}
	c.publish("s/ut/coll", collection)
	if got := c.refused("s/ud", "GETX,dev1", "s/dd"); got != "any,N" {
		t.Errorf("answered %q", got)
	}
	c.publish("s/ud/kid", "M,,1")
	if ms := w.measurements(tenant, w.object(tenant, "kid").ID); len(ms) != 1 {
		t.Errorf("kid's measurements %v", ms)
	}
	if got := c.refused("s/uc/coll", "GETX,dev1", "s/dc/coll"); got != "any,N" { // by the wildcard
		t.Errorf("answered %q", got)
	}
	plain := w.connect(t, dev("dev2"))
	plain.subscribe("s/e")
	if got := plain.refused("s/ud", "GETX,dev1", "s/e"); got != "40,,No template collection " {
		t.Errorf("without a default: %s", got)
	}
}

// TestManyAnswers: one publish may ask for more than waits at once.
func TestManyAnswers(t *testing.T) {
	w := withTemplates(t)
	c := w.connect(t, dev("dev1"))
	c.publish("s/ut/coll", collection)
	c.publish("s/us", "100,"+strings.Repeat("n", 1000)+",T")
	c.subscribe("s/dc/coll", "s/ds")
	c.send(publish(7, 1, "s/uc/coll", strings.Repeat("GETX,dev1\n", 500)), publish(8, 1, "s/us", strings.Repeat("123\n", 500)))
	answers, acknowledged := 0, 0
	for answers < 1000 || acknowledged < 2 {
		switch c.read().(type) {
		case *mqtt.PublishPacket:
			answers++
		case *mqtt.PubackPacket:
			acknowledged++
		}
	}
}

// TestOverlappingFilters: one message comes once, with the higher QoS.
func TestOverlappingFilters(t *testing.T) {
	w := withTemplates(t)
	c := w.connect(t, dev("dev1"))
	c.publish("s/ut/coll", collection)
	c.publish("s/us", "100,N,T")
	c.send(subscribe(5, 0, "s/dc/#"), subscribe(6, 1, "s/dc/coll"))
	c.want(mqtt.Suback, 5)
	c.want(mqtt.Suback, 6)
	c.send(publish(0, 0, "s/uc/coll", "GETX,dev1"))
	if p := c.wantMessage("s/dc/coll", "any,N"); p.Qos != 1 {
		t.Errorf("QoS %d", p.Qos)
	}
	c.sync()
}

// TestCustomTenancy: neither a collection nor what it names is another's.
func TestCustomTenancy(t *testing.T) {
	w := withTemplates(t)
	for _, o := range []options{dev("victim"), dev("victim").in(otherTenant)} {
		w.connect(t, o).publish("s/us", "100,secret,T\n101,victimkid,secret")
	}
	foreign := w.connect(t, dev("other").in(otherTenant))
	foreign.publish("s/ut/theirs", collection)
	thief := w.connect(t, dev("thief"))
	thief.subscribe("s/dt", "s/e", "s/dc/#")
	if got := thief.refused("s/ut/theirs", "", "s/dt"); got != "41,theirs" {
		t.Errorf("sees %s", got)
	}
	if got := thief.refused("s/uc/theirs", "M,,1", "s/e"); got != "40,,No template collection theirs" {
		t.Errorf("uses %s", got)
	}
	thief.refused("s/ut/mine", collection, "s/dt")
	mine, others := w.object(tenant, "victim").ID, w.object(otherTenant, "victim").ID
	for _, line := range []string{
		"GET," + mine.String(), "GET," + others.String(), "GETX,victim", "GETX,victimkid", "PUT,victim,stolen", "PUT,victimkid,stolen", "NEW,victim,x",
	} {
		if got := thief.refused("s/uc/mine", line, "s/e"); strings.Contains(got, "secret") {
			t.Errorf("%s: %s", line, got)
		}
	}
	thief.refused("s/uc/mine/victim", "M,,1", "s/e")
	for _, o := range []platform.ManagedObject{w.object(tenant, "victim"), w.object(otherTenant, "victim")} {
		if o.Fragments["c8y_V"] != nil {
			t.Errorf("changed %+v", o)
		}
	}
	if ms := w.measurements(tenant, mine); len(ms) != 0 {
		t.Errorf("planted %v", ms)
	}
}

const orders = `11,wifi,set_wifi,set_wifi,name,ssid,type
11,all,,deviceId,deviceId,set_wifi.ssid
10,DONE,PUT,OPERATION,,set_wifi,status,OPERATIONSTATUS,SUCCESSFUL,set_result.v,NUMBER,
10,RUN,PUT,OPERATION,true,set_wifi,status,OPERATIONSTATUS,EXECUTING`

// order makes an operation as an administrator would.
func (w *whole) order(device platform.ID, fragments platform.Fragments) platform.Operation {
	w.Helper()
	o, err := w.orders.Create(w.Context(), platform.Principal{Tenant: tenant, User: "admin", Roles: platform.AdminRoles}, device, fragments)
	if err != nil {
		w.Fatal(err)
	}
	return o
}

// TestCustomOperations: an operation comes once through each collection, pending
// ones on subscription, and request templates report on them.
func TestCustomOperations(t *testing.T) {
	w := withTemplates(t)
	o := dev("dev1")
	o.id = "d:dev1:dflt"
	c := w.connect(t, o)
	c.publish("s/us", "100,N,T\n101,kid")
	c.publish("s/ut/wifi", orders)
	c.publish("s/ut/dflt", "11,d,,set_wifi,set_wifi.ssid")
	c.subscribe("s/e")
	wifi := platform.Fragments{"set_wifi": []byte(`{"name":"n,1","ssid":"s","type":"wpa"}`)}
	first := w.order(w.object(tenant, "dev1").ID, wifi)

	c.send(subscribe(5, 1, "s/dc/wifi"))
	c.want(mqtt.Suback, 5)
	if p := c.wantMessage("s/dc/wifi", "wifi,dev1,\"n,1\",s,wpa\nall,dev1,dev1,s"); p.Qos != 1 {
		t.Errorf("QoS %d", p.Qos)
	}
	c.send(subscribe(6, 0, "s/dd"))
	c.want(mqtt.Suback, 6)
	c.wantMessage("s/dd", "d,dev1,s")
	c.send(subscribe(7, 0, "s/dc/#")) // brings what the others have brought under another name only
	c.want(mqtt.Suback, 7)
	c.wantMessage("s/dc/dflt", "d,dev1,s")

	second := w.order(w.object(tenant, "kid").ID, wifi)
	got := map[string]string{}
	for range 3 {
		p := c.read().(*mqtt.PublishPacket)
		got[p.TopicName] = string(p.Payload)
	}
	if len(got) != 3 || got["s/dc/wifi"] != "wifi,kid,\"n,1\",s,wpa\nall,kid,kid,s" || got["s/dd"] != "d,kid,s" || got["s/dc/dflt"] != "d,kid,s" {
		t.Errorf("kid's operation came as %v", got)
	}
	status := func(id platform.ID) platform.Operation {
		o, err := w.orders.Operation(t.Context(), tenant, id)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if got := c.refused("s/uc/wifi", "RUN", "s/dc/wifi"); got != "wifi,\"n,1\",s,wpa\nall,"+w.object(tenant, "dev1").ID.String()+",s" {
		t.Errorf("answered %q", got)
	}
	c.publish("s/uc/wifi", "DONE,24.50")
	c.publish("s/uc/wifi/kid", "DONE,1")
	if o := status(first.ID); o.Status != platform.OperationSuccessful || string(o.Fragments["set_result"]) != `{"v":24.50}` {
		t.Errorf("operation is %+v", o)
	}
	if o := status(second.ID); o.Status != platform.OperationSuccessful {
		t.Errorf("kid's operation is %+v", o)
	}
	if got := c.refused("s/uc/wifi", "DONE,1", "s/e"); got != "50,DONE,No operation with fragment set_wifi found" {
		t.Errorf("no more: %s", got)
	}
}
