package mqttapi_test

import (
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"
)

// FuzzPublish: whatever a device publishes, the server acknowledges it, lives on and
// touches nobody else's.
func FuzzPublish(f *testing.F) {
	for _, s := range []struct{ topic, payload string }{
		{"s/us", "100,a,b\n101,c\n102,s,t,n,up\n400,E,\"x\"\n408,,,,a.b,NUMBER,1\n140,a,1\n407,E,a\n503,c8y_Restart,1"},
		{"q/us/kid", "200,a,b,1"}, {"s/uc/coll", collection}, {"s/ut/x", collection}, {"s/ut/x", orders}, {"s/uc/coll", "GETX,victim\nNEW,x,y\nE,,z"},
		{"s/ud", "M,,1"}, {"s/uat", ""}, {"s/ucr", ""}, {"s/ul/x", "100"}, {"event/events/create", `{"type":"E","text":"x",` + at + `}`},
		{"measurement/measurements/createBulk", `{"measurements":[{"type":"E",` + at + `,"externalSource":{"externalId":"k","type":"c8y_Serial"}}]}`},
		{"inventory/managedObjects/update/victim", `{"a":null,"b":{"c":[1]}}`}, {"inventory/managedObjects/1/childDevices/create", `{"references":[{"managedObject":{"id":"2"}}]}`},
		{"event/events/update/5", `{"text":"t"}`}, {"alarm/alarms/update/6", `{"status":"CLEARED"}`}, {"measurement/measurements/delete/7", ""},
	} {
		f.Add(s.topic, []byte(s.payload))
	}
	w := withTemplates(f)
	victim := w.connect(f, dev("victim"))
	victim.publish("s/us", "100,mine\n400,E,mine\n301,A")
	before := w.object(tenant, "victim")
	o := dev("fuzz")
	o.id = "d:fuzz:coll"
	c := w.connect(f, o)
	c.publish("s/ut/coll", collection)
	c.publish("s/us", "100")
	c.subscribe("s/e", "error", "s/dt", "s/ds", "s/dc/#")
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		p := publish(7, 1, topic, string(payload))
		if topic == "" || len(topic)+len(payload) > 16000 || !valid(topic) {
			return
		}
		c.TB, w.TB = t, t
		c.send(p)
		for {
			if _, ok := c.read().(*mqtt.PubackPacket); ok {
				break
			}
		}
		o := w.object(tenant, "victim")
		if !o.Updated.Equal(before.Updated) || len(w.events(tenant, o.ID)) != 1 || len(w.alarms(tenant, o.ID)) != 1 {
			t.Fatalf("the victim is %+v", o)
		}
	})
}

// valid reports whether a topic may be published to (MQTT 3.1.1 §1.5.3, §3.3.2.1).
func valid(topic string) bool {
	for _, r := range topic {
		if r == 0 || r == '+' || r == '#' || r == 0xfffd {
			return false
		}
	}
	return true
}
