package mqttapi_test

import (
	"errors"
	"sync/atomic"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/server/mqttapi"
	"mooring/server/platform"
	"mooring/server/templates"
)

// forgetful is telemetry that dies before a release as often as it is told to.
type forgetful struct {
	mqttapi.Telemetry
	deaths atomic.Int32
}

func (f *forgetful) Submit(b platform.Batch, done func(error)) {
	if b.Release != nil && b.Release.PacketID == exchangeID && f.deaths.Add(-1) >= 0 {
		done(errors.New("the server died"))
		return
	}
	f.Telemetry.Submit(b, done)
}

// exchangeID is the packet ID of the exchanges below; others are used beside it.
const exchangeID = 77

// TestCreateExactlyOnce: objects that a QoS 2 publish creates exist once, though
// each release of it fails after they were created and is repeated by the client.
func TestCreateExactlyOnce(t *testing.T) {
	tests := []struct {
		name, topic, payload string
		want                 []string // names of new objects
	}{
		{"JSON", "inventory/managedObjects/create", `{"name":"json","type":"once"}`, []string{"json"}},
		{"JSON child", "inventory/managedObjects/dev1/childDevices/create", `{"name":"child","type":"once"}`, []string{"child"}},
		{"template", "s/uc/make", "700,,t,a\n700,,t,b\n700,,t,b", []string{"a", "b", "b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &forgetful{}
			w := newWhole(t, func(w *whole, c *mqttapi.Config) {
				f.Telemetry = c.Telemetry
				c.Telemetry = f
				w.collections = templates.New(w.things, nil)
				c.Templates = w.collections
			})
			c := w.device(t, "dev1")
			c.publish("s/ut/make", "10,700,POST,INVENTORY,,,name,STRING,")
			c.publish("s/us", "")
			c.send(publish(exchangeID, 2, tt.topic, tt.payload))
			c.want(mqtt.Pubrec, exchangeID)
			const deaths = 2
			f.deaths.Store(deaths)
			release := func(c *client) {
				rel := mqtt.NewControlPacket(mqtt.Pubrel).(*mqtt.PubrelPacket)
				rel.MessageID = exchangeID
				c.send(rel)
			}
			for range deaths {
				release(c)
				c.wantClosed()
				c = w.connect(t, options{id: "dev1", user: "t1000/device_dev1", password: "right", dirty: true})
			}
			release(c)
			c.want(mqtt.Pubcomp, exchangeID)
			list, err := w.store.Objects(t.Context(), tenant, platform.ObjectFilter{}, platform.Page{Number: 1, Size: 100})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int{}
			for _, o := range list.Items {
				got[o.Name]++
			}
			want := map[string]int{}
			for _, name := range tt.want {
				want[name]++
			}
			for name, n := range want {
				if got[name] != n {
					t.Errorf("%d objects %q, want %d", got[name], name, n)
				}
			}
			if left := f.deaths.Load(); left >= 0 {
				t.Errorf("%d deaths did not happen", left+1)
			}
		})
	}
}
