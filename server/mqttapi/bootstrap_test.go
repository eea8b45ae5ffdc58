package mqttapi_test

import (
	"bytes"
	"context"
	"sync"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/mqttapi"
	"mooring/server/platform"
	"mooring/server/registration"
)

// fakeRegistrations give a password for each device of a map, once.
type fakeRegistrations struct {
	mu        sync.Mutex
	passwords map[string]string
	asked     []string
	err       error
}

func (f *fakeRegistrations) Announce(_ context.Context, _, id string, token secret.String) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, "announce "+id+" "+token.Reveal())
	return f.err
}

func (f *fakeRegistrations) Fetch(_ context.Context, host, id string, token secret.String) (registration.Credentials, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, "fetch "+host+" "+id+" "+token.Reveal())
	password, ok := f.passwords[id]
	delete(f.passwords, id)
	switch {
	case f.err != nil:
		return registration.Credentials{}, f.err
	case !ok:
		return registration.Credentials{}, problem.New(problem.NotFound, "nothing yet", nil)
	}
	return registration.Credentials{Tenant: tenant, ExternalID: id, User: "device_" + id, Password: secret.New(password)}, nil
}

func (f *fakeRegistrations) wasAsked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.asked
	f.asked = nil
	return list
}

// bootstrapping is a device that has no user yet.
func bootstrapping(id string) options {
	return options{id: id, user: "management/devicebootstrap", password: "right"}
}

func withRegistrations(t *testing.T, passwords map[string]string) (*whole, *fakeRegistrations) {
	f := &fakeRegistrations{passwords: passwords}
	return newWhole(t, func(_ *whole, cfg *mqttapi.Config) { cfg.Registrations = f }), f
}

func TestBootstrap(t *testing.T) {
	w, f := withRegistrations(t, nil)
	c := w.connect(t, bootstrapping("d:new1"))
	c.subscribe("s/dcr")
	for range 3 {
		c.publish("s/ucr", "") // silence
	}
	f.mu.Lock()
	f.passwords = map[string]string{"new1": "Xy12", "new2": "secret"}
	f.mu.Unlock()
	if got := c.refused("s/ucr", "", "s/dcr"); got != "70,t1000,device_new1,Xy12" {
		t.Errorf("got %s", got)
	}
	c.publish("s/ucr", " token\n") // once
	c.send(publish(9, 2, "s/ucr", ""))
	c.want(mqtt.Pubrec, 9)
	c.send(pubrel(9))
	c.want(mqtt.Pubcomp, 9)
	asked := f.wasAsked()
	if len(asked) != 6 || asked[4] != "fetch 127.0.0.1 new1 token" || asked[5] != "fetch 127.0.0.1 new1 " {
		t.Errorf("asked %q", asked)
	}
	// Without a subscription the password would be lost: it is not fetched.
	deaf := w.connect(t, bootstrapping("new2"))
	deaf.publish("s/ucr", "")
	if asked := f.wasAsked(); len(asked) != 1 || asked[0] != "announce new2 " {
		t.Errorf("asked %q", asked)
	}
}

// TestBootstrapLost: credentials that were on their way when the connection broke
// come again, until something tells that they have arrived.
func TestBootstrapLost(t *testing.T) {
	ask := func(t *testing.T, w *whole, qos byte) (*client, *mqtt.PublishPacket) {
		c := w.connect(t, bootstrapping("new1"))
		c.send(subscribe(100, qos, "s/dcr"))
		c.want(mqtt.Suback, 100)
		c.send(publish(0, 0, "s/ucr", ""))
		return c, c.wantMessage("s/dcr", "70,t1000,device_new1,Xy12")
	}
	silent := func(t *testing.T, w *whole) {
		t.Helper()
		c := w.connect(t, bootstrapping("new1"))
		c.subscribe("s/dcr")
		c.publish("s/ucr", "")
		c.send(simple(mqtt.Pingreq))
		if p := c.read(); header(p) != mqtt.Pingresp {
			t.Errorf("got %v", p)
		}
	}
	for _, tt := range []struct {
		name string
		qos  byte
		end  func(w *whole, c *client, p *mqtt.PublishPacket)
	}{
		{"acknowledged", 1, func(_ *whole, c *client, p *mqtt.PublishPacket) {
			ack := mqtt.NewControlPacket(mqtt.Puback).(*mqtt.PubackPacket)
			ack.MessageID = p.MessageID
			c.send(ack)
			c.sync()
		}},
		{"talks on", 0, func(_ *whole, c *client, _ *mqtt.PublishPacket) { c.send(simple(mqtt.Pingreq)); c.read() }},
		{"is there", 1, func(w *whole, c *client, _ *mqtt.PublishPacket) { w.connect(t, dev("new1")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, _ := withRegistrations(t, map[string]string{"new1": "Xy12"})
			for range 3 {
				c, _ := ask(t, w, tt.qos)
				_ = c.Close()
			}
			c, p := ask(t, w, tt.qos)
			tt.end(w, c, p)
			silent(t, w)
		})
	}
	w, _ := withRegistrations(t, map[string]string{"new1": "Xy12"})
	c, _ := ask(t, w, 1)
	_ = c.Close()
	thief := w.connect(t, bootstrapping("new2"))
	thief.subscribe("s/dcr")
	thief.publish("s/ucr", "") // nothing for another name
}

// TestBootstrapMayNothingElse: the password that all devices know opens nothing.
func TestBootstrapMayNothingElse(t *testing.T) {
	w, _ := withRegistrations(t, nil)
	victim := w.connect(t, dev("victim"))
	victim.publish("s/us", "100,mine")
	w.connect(t, dev("victim").in(platform.Management)) // same name in the user's own tenant

	o := bootstrapping("victim")
	o.will = &will{topic: "s/us", payload: "301,will"}
	c := w.connect(t, o)
	for _, filter := range []string{"s/ds", "s/dat", "s/dc/#", "s/dd", "s/dt", "error", "devicecontrol/notifications", "#", "s/ucr"} {
		c.send(subscribe(5, 0, filter))
		if s := c.read().(*mqtt.SubackPacket); !bytes.Equal(s.ReturnCodes, []byte{0x80}) {
			t.Errorf("%s: %x", filter, s.ReturnCodes)
		}
	}
	c.subscribe("s/dcr", "s/e")
	for topic, payload := range map[string]string{
		"s/us": "100", "s/us/kid": "400,E,x", "s/uc/x": "1", "s/ud": "1", "s/ut/x": "11,1,,,a", "s/uat": "",
		"event/events/create": `{"type":"E","text":"x",` + at + `}`, "inventory/managedObjects/create": `{"name":"x"}`, "free/topic": "x",
	} {
		if got := c.refused(topic, payload, "s/e"); got != "50,,A bootstrap session may ask for credentials only" {
			t.Errorf("%s: %s", topic, got)
		}
	}
	c.send(publish(9, 2, "s/us", "100"))
	c.wantEither(9)
	_ = c.Close()
	for _, in := range []platform.TenantID{platform.Management, tenant} {
		l, err := w.things.Objects(t.Context(), in, platform.ObjectFilter{}, all)
		if err != nil && problem.KindOf(err) != problem.NotFound {
			t.Fatal(err)
		}
		for _, o := range l.Items {
			if o.Name != "mine" {
				t.Errorf("in %s: %+v", in, o)
			}
		}
	}
	victim.publish("s/us", "211,1") // and the device is still connected
}

// wantEither reads the PUBREC of an ID and the one message that comes with it.
func (c *client) wantEither(id uint16) {
	c.Helper()
	for range 2 {
		switch p := c.read().(type) {
		case *mqtt.PubrecPacket:
			if p.MessageID != id {
				c.Fatalf("got %v", p)
			}
		case *mqtt.PublishPacket:
		default:
			c.Fatalf("got %v", p)
		}
	}
}

// TestBootstrapLater: a store that cannot answer closes the connection without an
// acknowledgement, so that the device asks again.
func TestBootstrapLater(t *testing.T) {
	w, f := withRegistrations(t, nil)
	f.err = problem.New(problem.Unavailable, "later", nil)
	c := w.connect(t, bootstrapping("new1"))
	c.subscribe("s/dcr")
	c.send(publish(7, 1, "s/ucr", ""))
	if n := c.wantClosed(); n != 0 {
		t.Errorf("%d packets", n)
	}
}
