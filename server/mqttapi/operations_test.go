package mqttapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/internal/problem"
	"mooring/server/operation"
	"mooring/server/platform"
)

// ordered creates an operation of JSON members for a device and returns its ID.
func (w *whole) ordered(in platform.TenantID, device, members string) platform.ID {
	w.Helper()
	var f platform.Fragments
	if err := json.Unmarshal([]byte("{"+members+"}"), &f); err != nil {
		w.Fatal(err)
	}
	o, err := w.orders.Create(w.Context(), platform.Principal{Tenant: in, User: "admin"}, w.object(in, device).ID, f)
	if err != nil {
		w.Fatal(err)
	}
	return o.ID
}

// state is status, reason and fragments of an operation, short.
func (w *whole) state(id platform.ID) string {
	w.Helper()
	o, err := w.orders.Operation(w.Context(), tenant, id)
	if err != nil {
		w.Fatal(err)
	}
	return strings.TrimSpace(string(o.Status) + " " + o.FailureReason)
}

// none fails if a message waits: the answer to 123 comes first.
func (c *client) none() {
	c.Helper()
	c.send(publish(0, 0, "s/us", "123"))
	p, ok := c.read().(*mqtt.PublishPacket)
	if !ok || !strings.HasPrefix(string(p.Payload), "124,") {
		c.Fatalf("got %v", p)
	}
}

// device connects, creates its object and subscribes with QoS 0.
func (w *whole) device(t testing.TB, id string, filters ...string) *client {
	t.Helper()
	c := w.connect(t, dev(id))
	c.publish("s/us", "100,"+id+",t")
	if len(filters) > 0 {
		c.subscribe(filters...)
	}
	return c
}

// TestOperationArrives: a new operation goes to the connection of its agent at
// once, on each topic that says something of it, for the device itself and for
// those behind it, and nowhere else (mqtt.md §5.1).
func TestOperationArrives(t *testing.T) {
	w := newWhole(t, nil)
	gateway, other := w.device(t, "gw", "s/ds"), w.device(t, "other", "s/ds")
	gateway.send(publish(0, 0, "s/us", "101,c1,c1,t"), publish(0, 0, "s/us/c1", "101,c2,c2,t"), publish(0, 0, "s/us", "102,svc,systemd,db,up"))
	foreign := w.connect(t, dev("gw").in(otherTenant))
	foreign.send(publish(0, 0, "s/us", "100"))
	foreign.subscribe("s/ds", "devicecontrol/notifications", "s/dc/#")
	gateway.none()
	foreign.none()
	for i, name := range []string{"gw", "c1", "c2", "svc"} {
		w.ordered(tenant, name, fmt.Sprintf(`"c8y_Command":{"text":"say \"%d\", please"}`, i))
		gateway.wantMessage("s/ds", fmt.Sprintf(`511,%s,"say \"%d\", please"`, name, i))
	}
	w.ordered(tenant, "gw", `"of_nobody":{}`) // no static template
	gateway.none()
	other.none()
	foreign.none()

	// A child with an agent fragment has operations of its own. It connects once the
	// object is its own, too.
	id, owner := w.object(tenant, "c1").ID, "device_c1"
	if _, err := w.things.Update(t.Context(), tenant, platform.UpdateObject{ID: id, Owner: &owner, Set: platform.Fragments{platform.FragmentAgent: json.RawMessage("{}")}}); err != nil {
		t.Fatal(err)
	}
	w.ordered(tenant, "c1", `"c8y_Restart":{}`)
	w.ordered(tenant, "c2", `"c8y_Restart":{}`)
	gateway.none()
	c1 := w.device(t, "c1", "s/ds")
	c1.wantMessage("s/ds", "510,c1")
	c1.wantMessage("s/ds", "510,c2")
	gateway.none()
}

// TestOperationJSON: the form on devicecontrol/notifications, on one line, with
// what thin-edge.io reads of it; a client on both topics gets both.
func TestOperationJSON(t *testing.T) {
	w := newWhole(t, nil)
	c := w.device(t, "dev1", "devicecontrol/notifications", "s/ds")
	c.none()
	c.none() // what is pending is looked through once a filter, and once a message: nothing is left to look through
	id := w.ordered(tenant, "dev1", `"c8y_UploadConfigFile":{"type":"/etc/a\nb"},"description":"get it"`)
	p, ok := c.read().(*mqtt.PublishPacket)
	if !ok || p.TopicName != "devicecontrol/notifications" || strings.Contains(string(p.Payload), "\n") {
		t.Fatalf("got %v", p)
	}
	var got struct {
		ID, DeviceID, AgentID, Status, CreationTime, Description string
		Delivery                                                 struct {
			Log          []any
			Time, Status string
		}
		Upload         struct{ Type string } `json:"c8y_UploadConfigFile"`
		ExternalSource struct{ ExternalID, Type string }
	}
	if err := json.Unmarshal(p.Payload, &got); err != nil {
		t.Fatal(err)
	}
	object := w.object(tenant, "dev1").ID.String()
	if got.ID != id.String() || got.DeviceID != object || got.AgentID != object || got.Status != "PENDING" || got.Description != "get it" ||
		got.Upload.Type != "/etc/a\nb" || got.ExternalSource.ExternalID != "dev1" || got.ExternalSource.Type != "c8y_Serial" ||
		got.Delivery.Status != "PENDING" || got.Delivery.Log == nil || got.CreationTime == "" {
		t.Errorf("got %s", p.Payload)
	}
	c.wantMessage("s/ds", "526,dev1,\"/etc/a\nb\"")
	w.ordered(tenant, "dev1", `"of_nobody":{}`) // on the JSON topic alone
	if p, ok := c.read().(*mqtt.PublishPacket); !ok || !strings.Contains(string(p.Payload), `"of_nobody":{}`) {
		t.Errorf("got %v", p)
	}
	c.none()
}

// TestPendingOperations: what was ordered while nobody listened comes with the
// subscription, after its SUBACK and in order; 500 brings it again.
func TestPendingOperations(t *testing.T) {
	w := newWhole(t, nil)
	w.device(t, "dev1").Close()
	first := w.ordered(tenant, "dev1", `"c8y_Restart":{}`)
	second := w.ordered(tenant, "dev1", `"c8y_Command":{"text":"a"}`)
	done := w.ordered(tenant, "dev1", `"c8y_Command":{"text":"cancelled"}`)
	if _, err := w.orders.Update(t.Context(), platform.Principal{Tenant: tenant}, done, operation.Change{Status: platform.OperationFailed}); err != nil {
		t.Fatal(err)
	}
	c := w.device(t, "dev1", "s/ds")
	both := func() {
		t.Helper()
		c.wantMessage("s/ds", "510,dev1")
		c.wantMessage("s/ds", "511,dev1,a")
	}
	both()
	c.none()
	c.send(publish(0, 0, "s/us", "500"))
	both()
	c.send(publish(0, 0, "s/us/child", "500\n500"))
	both()
	c.subscribe("devicecontrol/notifications") // a new topic has not said them yet
	for _, id := range []platform.ID{first, second} {
		if text := c.next("devicecontrol/notifications"); !strings.Contains(text, `"id":"`+id.String()+`"`) {
			t.Errorf("got %s", text)
		}
	}
	c.subscribe("devicecontrol/notifications") // subscribed already
	c.send(publish(0, 0, "s/us", "501,c8y_Restart"), publish(0, 0, "s/us", "500"))
	c.wantMessage("s/ds", "511,dev1,a")
	if text := c.next("devicecontrol/notifications"); !strings.Contains(text, `"id":"`+second.String()+`"`) {
		t.Errorf("got %s", text)
	}
	c.none()
}

// next returns the payload of the next message, which must be on topic.
func (c *client) next(topic string) string {
	c.Helper()
	p, ok := c.read().(*mqtt.PublishPacket)
	if !ok || p.TopicName != topic {
		c.Fatalf("got %v, want a message on %s", p, topic)
	}
	return string(p.Payload)
}

// TestForwarded: what has arrived for sure does not come again with the next
// subscription, what may not have does, and all of it after the server was started
// anew. "For sure" is a PUBACK, or at QoS 0 that the client went on talking.
func TestForwarded(t *testing.T) {
	const again, not = true, false
	acknowledge := func(c *client, p *mqtt.PublishPacket) {
		ack := mqtt.NewControlPacket(mqtt.Puback).(*mqtt.PubackPacket)
		ack.MessageID = p.MessageID
		c.send(ack)
		c.none()
	}
	for _, tt := range []struct {
		name    string
		qos     byte
		arrived func(c *client, p *mqtt.PublishPacket)
		want    bool
	}{
		{"QoS 1, acknowledged", 1, acknowledge, not},
		{"QoS 1, cut off", 1, func(*client, *mqtt.PublishPacket) {}, again},
		{"QoS 1, goes on without acknowledging", 1, func(c *client, _ *mqtt.PublishPacket) { c.none() }, again},
		{"QoS 0, goes on", 0, func(c *client, _ *mqtt.PublishPacket) { c.send(simple(mqtt.Pingreq)); c.want(mqtt.Pingresp, 0) }, not},
		{"QoS 0, cut off", 0, func(*client, *mqtt.PublishPacket) {}, again},
		{"QoS 0, goodbye", 0, func(c *client, _ *mqtt.PublishPacket) { c.send(simple(mqtt.Disconnect)) }, again},
		{"QoS 2, half", 2, func(c *client, p *mqtt.PublishPacket) {
			rec := mqtt.NewControlPacket(mqtt.Pubrec).(*mqtt.PubrecPacket)
			rec.MessageID = p.MessageID
			c.send(rec)
			c.want(mqtt.Pubrel, p.MessageID)
		}, again},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWhole(t, nil)
			nextMillisecond()
			c := w.device(t, "dev1")
			c.send(subscribe(9, tt.qos, "s/ds"))
			c.want(mqtt.Suback, 9)
			id := w.ordered(tenant, "dev1", `"c8y_Restart":{}`)
			tt.arrived(c, c.wantMessage("s/ds", "510,dev1"))
			c.Close()
			if !tt.want {
				w.delivered(id)
				nextMillisecond()
			}
			c = w.device(t, "dev1", "s/ds")
			if tt.want {
				c.wantMessage("s/ds", "510,dev1")
			}
			c.none()
			c.send(publish(0, 0, "s/us", "500"))
			c.wantMessage("s/ds", "510,dev1")
			c.Close()
			w.orders = operation.New(operation.Config{Store: w.store, IDs: w.store, Objects: w.things}) // the server comes back
			o, err := w.orders.Operation(t.Context(), tenant, id)
			if err != nil || w.orders.Forwarded(&o, time.Now().Add(time.Hour)) {
				t.Errorf("%+v counts as forwarded before this server was started (%v)", o, err)
			}
		})
	}
}

// TestOperationSubscription: who may hear of operations, and from when on.
func TestOperationSubscription(t *testing.T) {
	w := newWhole(t, nil)
	c := w.connect(t, dev("dev1"))
	c.send(subscribe(1, 0, "s/ds", "devicecontrol/notifications"))
	if s := c.read().(*mqtt.SubackPacket); string(s.ReturnCodes) != "\x80\x80" {
		t.Fatalf("got % x", s.ReturnCodes)
	}
	c.send(publish(0, 0, "s/us", "100"))
	c.subscribe("s/ds")
	w.ordered(tenant, "dev1", `"c8y_Restart":{}`)
	c.wantMessage("s/ds", "510,dev1")

	// The newer session of a device takes over.
	newer := w.device(t, "dev1", "s/ds")
	newer.wantMessage("s/ds", "510,dev1") // nothing proves that the old one got it
	c.wantClosed()
	w.ordered(tenant, "dev1", `"c8y_Restart":{}`)
	newer.wantMessage("s/ds", "510,dev1")

	// A person hears of devices that are theirs.
	person := options{id: "dev1", user: "t1000/creator", password: "right"}
	p := w.connect(t, person)
	p.subscribe("s/ds")
	w.ordered(tenant, "dev1", `"c8y_Restart":{}`)
	p.sync()
	p.Close()
	person.user = "t1000/admin"
	p = w.connect(t, person)
	p.subscribe("s/ds")
	p.wantMessage("s/ds", "510,dev1")

	// After UNSUBSCRIBE nothing comes.
	u := mqtt.NewControlPacket(mqtt.Unsubscribe).(*mqtt.UnsubscribePacket)
	u.MessageID, u.Topics = 4, []string{"s/ds"}
	for range 2 {
		p.wantMessage("s/ds", "510,dev1")
	}
	p.send(u)
	p.want(mqtt.Unsuback, 4)
	w.ordered(tenant, "dev1", `"c8y_Restart":{}`)
	p.sync()
}

// TestOperationReports: templates 501 to 507 (mqtt.md §4.6).
func TestOperationReports(t *testing.T) {
	w := newWhole(t, nil)
	c := w.device(t, "dev1", "s/e")
	c.publish("s/us", "101,c1,c1,t")
	c.publish("s/us", "101,c2,c2,t")
	a, b := w.ordered(tenant, "dev1", `"c8y_Restart":{}`), w.ordered(tenant, "dev1", `"c8y_Restart":{}`)
	shell := w.ordered(tenant, "dev1", `"c8y_Command":{"text":"ls"}`)
	ofChild := w.ordered(tenant, "c1", `"c8y_Restart":{}`)
	check := func(what string, want map[platform.ID]string) {
		t.Helper()
		for id, state := range want {
			if got := w.state(id); got != state {
				t.Errorf("%s: %d is %q, want %q", what, id, got, state)
			}
		}
	}
	c.publish("s/us", "501,c8y_Restart")
	check("the oldest starts", map[platform.ID]string{a: "EXECUTING", b: "PENDING", shell: "PENDING", ofChild: "PENDING"})
	c.publish("s/us", `502,c8y_Restart,"no, ""never"""`)
	check("and fails", map[platform.ID]string{a: `FAILED no, "never"`, b: "PENDING"})
	c.publish("s/us/c1", "501,c8y_Restart")
	c.publish("s/us/c1", "503,c8y_Restart")
	check("a child's own", map[platform.ID]string{b: "PENDING", ofChild: "SUCCESSFUL"})
	c.publish("s/us", "501,c8y_Command\n503,c8y_Command,\"line 1\nline 2\"")
	check("two lines", map[platform.ID]string{shell: "SUCCESSFUL"})
	if o, _ := w.orders.Operation(t.Context(), tenant, shell); string(o.Fragments["c8y_Command"]) != `{"result":"line 1\nline 2","text":"ls"}` {
		t.Errorf("got %s", o.Fragments["c8y_Command"])
	}
	c.publish("s/us", "504,"+b.String())
	c.publish("s/us", "504,"+b.String()) // it may come twice
	check("by ID", map[platform.ID]string{b: "EXECUTING"})
	c.publish("s/us", "506,"+b.String())
	check("by ID", map[platform.ID]string{b: "SUCCESSFUL"})

	unknown := w.ordered(tenant, "dev1", `"whatever":1`)
	c.publish("s/us", "501,deviceId")
	c.publish("s/us", "502,deviceId,out of order")
	check("by a property that all have", map[platform.ID]string{unknown: "FAILED out of order"})

	var executing []platform.ID
	for range 3 {
		executing = append(executing, w.ordered(tenant, "dev1", `"c8y_Restart":{}`))
		c.publish("s/us", "501,c8y_Restart")
	}
	other := w.ordered(tenant, "dev1", `"c8y_Command":{}`)
	c.publish("s/us", "501,c8y_Command")
	c.publish("s/us", "507,c8y_Restart,power cut")
	check("all of a kind", map[platform.ID]string{executing[0]: "FAILED power cut", executing[2]: "FAILED power cut", other: "EXECUTING"})
	c.publish("s/us", "507")
	check("all", map[platform.ID]string{other: "FAILED"})

	for payload, want := range map[string]string{
		"501,c8y_Restart":                "50,501,No PENDING operation with fragment c8y_Restart found",
		"503,c8y_Restart":                "50,503,No EXECUTING operation with fragment c8y_Restart found",
		"504,x":                          "50,504,MqttServiceException: Operation with id x for device id " + w.object(tenant, "dev1").ID.String() + "not found!",
		"505," + ofChild.String() + ",x": "50,505,MqttServiceException: Operation with id " + ofChild.String() + " for device id " + w.object(tenant, "dev1").ID.String() + "not found!",
		"506," + a.String():              "50,506,Operation " + a.String() + " is FAILED and cannot become SUCCESSFUL.",
		"501":                            "45,501,Wrong number of arguments: fragment is missing",
	} {
		if got := c.refused("s/us", payload, "s/e"); got != want {
			t.Errorf("%s: got %s, want %s", payload, got, want)
		}
	}
	if got := c.refused("s/us/c2", "504,"+ofChild.String(), "s/e"); !strings.HasPrefix(got, "50,504,MqttServiceException: ") {
		t.Errorf("a child's operation by its sister: %s", got)
	}

	// The same in another tenant: the ID is as little there as one that never was.
	theirs := w.connect(t, dev("dev1").in(otherTenant))
	theirs.publish("s/us", "100")
	theirs.subscribe("s/e")
	pending := w.ordered(tenant, "dev1", `"c8y_Restart":{}`)
	for _, payload := range []string{"504," + pending.String(), "506," + pending.String(), "501,c8y_Restart", "501,deviceId"} {
		if got := theirs.refused("s/us", payload, "s/e"); !strings.HasPrefix(got, "50,") {
			t.Errorf("%s: got %s", payload, got)
		}
	}
	theirs.publish("s/us", "507")
	check("untouched", map[platform.ID]string{pending: "PENDING"})
	if _, err := w.orders.Operation(t.Context(), otherTenant, pending); problem.KindOf(err) != problem.NotFound {
		t.Errorf("got %v", err)
	}
}
