package mqttapi_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/internal/durable/durabletest"
	"mooring/internal/secret"
	"mooring/server/account"
	"mooring/server/inventory"
	"mooring/server/mqttapi"
	"mooring/server/operation"
	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/telemetry"
	"mooring/server/templates"
)

// whole is the front end on the real services and a real store.
type whole struct {
	testing.TB
	rig
	store   *sqlstore.Store
	things  *inventory.Service
	samples *telemetry.Service
	orders  *operation.Service

	collections *templates.Service // nil without withTemplates
}

// newWhole starts it with two tenants. configure, if set, changes the configuration.
func newWhole(t testing.TB, configure func(*whole, *mqttapi.Config)) *whole {
	t.Helper()
	ctx := context.Background()
	w := &whole{TB: t, rig: rig{auth: &fakeAuth{}, refusals: &fakeRefusals{}, presence: &fakePresence{}, plain: newPipeListener()}}
	var things atomic.Pointer[inventory.Service]
	var front atomic.Pointer[mqttapi.Server]
	var collections atomic.Pointer[templates.Service]
	store, err := sqlstore.OpenSQLite(ctx, durabletest.Dir(t), sqlstore.Options{OnCommit: func(changes []platform.Change) {
		for _, c := range changes {
			if s := things.Load(); s != nil {
				_ = s.Apply(ctx, c)
			}
			if s := collections.Load(); s != nil {
				_ = s.Apply(ctx, c)
			}
			if s := front.Load(); s != nil {
				_ = s.Apply(ctx, c)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w.store = store
	accounts := account.New(account.Config{Tenants: store, Users: store, Options: store, Domain: "cloud.example.com", PasswordCost: account.Cheap})
	for _, id := range []platform.TenantID{tenant, otherTenant} {
		if err := accounts.CreateTenant(ctx, platform.Tenant{ID: id, Domain: string(id) + ".example.com"}, "admin", secret.New("correct horse")); err != nil {
			t.Fatal(err)
		}
	}
	w.things = inventory.New(inventory.Config{Store: store, IDs: store})
	things.Store(w.things)
	w.samples = telemetry.New(telemetry.Config{Store: store, IDs: store})
	w.orders = operation.New(operation.Config{Store: store, IDs: store, Objects: w.things})
	running, stop := context.WithCancel(ctx)
	t.Cleanup(stop)
	go w.orders.Run(running)
	cfg := mqttapi.Config{Operations: w.orders, Auth: w.auth, Devices: w.things, Objects: w.things, Telemetry: w.samples, Tokens: &fakeTokens{},
		Refusals: w.refusals, Presence: w.presence, Version: "2026.1.0"}
	if configure != nil {
		configure(w, &cfg)
	}
	collections.Store(w.collections)
	w.Server = mqttapi.New(cfg)
	front.Store(w.Server)
	var serving sync.WaitGroup
	serving.Go(func() { _ = w.Serve(w.plain, "mqtt", nil) })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := w.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		serving.Wait()
	})
	return w
}

// in is the same device name in another tenant.
func (o options) in(t platform.TenantID) options {
	o.user = string(t) + "/device_" + o.id
	return o
}

// publish sends at QoS 1 and waits until it is durable.
func (c *client) publish(topic, payload string) {
	c.Helper()
	c.send(publish(7, 1, topic, payload))
	c.want(mqtt.Puback, 7)
}

// refused publishes what must be told on topic, and returns what was told.
func (c *client) refused(topic, payload, on string) string {
	c.Helper()
	c.send(publish(7, 1, topic, payload))
	var text string
	acknowledged := false
	for text == "" || !acknowledged {
		switch p := c.read().(type) {
		case *mqtt.PublishPacket:
			if p.TopicName != on {
				c.Fatalf("%s: got %s on %s", topic, p.Payload, p.TopicName)
			}
			text = string(p.Payload)
		case *mqtt.PubackPacket:
			acknowledged = true
		default:
			c.Fatalf("got %v", p)
		}
	}
	return text
}

// object returns the object of a name.
func (w *whole) object(in platform.TenantID, name string) platform.ManagedObject {
	w.Helper()
	id, err := w.things.Device(w.Context(), in, name)
	if err != nil {
		w.Fatalf("%s: %v", name, err)
	}
	o, err := w.things.Object(w.Context(), in, id)
	if err != nil {
		w.Fatal(err)
	}
	return o
}

// fragment is one fragment as JSON text; empty if there is none.
func (w *whole) fragment(name, fragment string) string {
	w.Helper()
	return string(w.object(tenant, name).Fragments[fragment])
}

var all = platform.Page{Number: 1, Size: platform.MaxPageSize}

func (w *whole) events(in platform.TenantID, source platform.ID) []platform.Event {
	w.Helper()
	l, err := w.samples.Events(w.Context(), in, platform.TelemetryFilter{Source: source}, all)
	if err != nil {
		w.Fatal(err)
	}
	return l.Items
}

func (w *whole) alarms(in platform.TenantID, source platform.ID) []platform.Alarm {
	w.Helper()
	l, err := w.samples.Alarms(w.Context(), in, platform.TelemetryFilter{Source: source}, all)
	if err != nil {
		w.Fatal(err)
	}
	return l.Items
}

func (w *whole) measurements(in platform.TenantID, source platform.ID) []platform.Measurement {
	w.Helper()
	l, err := w.samples.Measurements(w.Context(), in, platform.TelemetryFilter{Source: source}, all)
	if err != nil {
		w.Fatal(err)
	}
	return l.Items
}
