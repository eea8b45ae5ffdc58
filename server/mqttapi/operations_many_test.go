package mqttapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/server/mqttapi"
	"mooring/server/platform"
)

// nextMillisecond returns when the clock shows another millisecond, because times
// are kept in them and what happens in one counts as happening together.
func nextMillisecond() {
	for at := platform.Millis(time.Now()); at.Equal(platform.Millis(time.Now())); {
		runtime.Gosched()
	}
}

// delivered waits until the delivery of an operation has been noted.
func (w *whole) delivered(id platform.ID) {
	w.Helper()
	for {
		o, err := w.orders.Operation(w.Context(), tenant, id)
		if err != nil {
			w.Fatal(err)
		}
		if len(o.Deliveries) > 0 {
			return
		}
		runtime.Gosched()
	}
}

// TestManyOperations: a client gets all that is pending in order, however slowly
// it acknowledges, and stays connected; answers still find room.
func TestManyOperations(t *testing.T) {
	for _, qos := range []byte{0, 1} {
		t.Run(fmt.Sprint("QoS ", qos), func(t *testing.T) {
			w := newWhole(t, func(_ *whole, cfg *mqttapi.Config) {
				cfg.Limits = mqttapi.Limits{OutboundMessages: 8, OutboundBytes: 4096}
			})
			w.device(t, "dev1").Close()
			const n = 100
			large := strings.Repeat("x", 5000) // alone larger than all room
			for i := range n {
				text := fmt.Sprint(i)
				if i == n/2 {
					text = large
				}
				w.ordered(tenant, "dev1", `"c8y_Command":{"text":"`+text+`"}`)
			}
			c := w.device(t, "dev1")
			c.send(subscribe(9, qos, "s/ds"))
			c.want(mqtt.Suback, 9)
			for i := range n {
				p := c.read().(*mqtt.PublishPacket)
				want := fmt.Sprintf("511,dev1,%d", i)
				if i == n/2 {
					want = "511,dev1," + large
				}
				if string(p.Payload) != want {
					t.Fatalf("got %.40s, want %.40s", p.Payload, want)
				}
				if i == 1 {
					w.ordered(tenant, "dev1", `"c8y_Restart":{}`) // a new one among them
				}
				if qos == 1 {
					ack := mqtt.NewControlPacket(mqtt.Puback).(*mqtt.PubackPacket)
					ack.MessageID = p.MessageID
					c.send(ack)
				}
			}
			c.wantMessage("s/ds", "510,dev1")
			c.send(publish(0, 0, "s/us", "123"))
			c.wantMessage("s/ds", "124,"+w.object(tenant, "dev1").ID.String())
			if s := w.Stats(); s.Overflows != 0 {
				t.Errorf("%d connections closed", s.Overflows)
			}
		})
	}
}

// TestOperationsAndItemsTakeTurns: a device with much to do is heard meanwhile, and
// nothing is looked up for one that has left.
func TestOperationsAndItemsTakeTurns(t *testing.T) {
	var counted countedOperations
	w := newWhole(t, func(_ *whole, cfg *mqttapi.Config) {
		counted.operations = cfg.Operations
		cfg.Operations = &counted
	})
	c := w.device(t, "dev1")
	object := w.object(tenant, "dev1").ID
	const n = 2000
	var ops []platform.Operation
	for range n {
		id, err := w.store.NewID(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, platform.Operation{ID: id, Device: object, Agent: object, Status: platform.OperationPending, Fragments: platform.Fragments{"c8y_Restart": json.RawMessage("{}")}})
	}
	if err := w.store.CreateOperations(t.Context(), tenant, ops); err != nil {
		t.Fatal(err)
	}
	c.send(subscribe(9, 0, "s/ds"), publish(0, 0, "s/us", "123"))
	c.want(mqtt.Suback, 9)
	before := 0
	for c.next("s/ds") == "510,dev1" {
		before++
	}
	if before > n/2 {
		t.Errorf("the answer came after %d of %d operations", before, n)
	}
	c.Close()
	w.device(t, "dev1") // has waited until the first session was done
	if pages := counted.pages.Load(); pages > n/32/2 {
		t.Errorf("%d pages were read for a device that has left", pages)
	}
}

type operations = mqttapi.Operations

// countedOperations counts the pages of pending operations that are read.
type countedOperations struct {
	operations
	pages atomic.Int64
}

func (o *countedOperations) Pending(ctx context.Context, t platform.TenantID, agent, after platform.ID) ([]platform.AddressedOperation, platform.ID, bool, error) {
	o.pages.Add(1)
	return o.operations.Pending(ctx, t, agent, after)
}

// TestManyNewOperations: more new operations than a session notes one by one are
// found by looking through all.
func TestManyNewOperations(t *testing.T) {
	w := newWhole(t, nil)
	c := w.connect(t, dev("dev1"))
	c.send(publish(0, 0, "s/us", "100"), subscribe(9, 1, "s/ds"))
	c.want(mqtt.Suback, 9)
	object := w.object(tenant, "dev1").ID
	const n = 700
	var ops []platform.Operation
	for range n {
		id, err := w.store.NewID(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, platform.Operation{ID: id, Device: object, Agent: object, Status: platform.OperationPending, Fragments: platform.Fragments{"c8y_Restart": json.RawMessage("{}")}})
	}
	if err := w.store.CreateOperations(t.Context(), tenant, ops); err != nil {
		t.Fatal(err)
	}
	for range n {
		p := c.wantMessage("s/ds", "510,dev1")
		ack := mqtt.NewControlPacket(mqtt.Puback).(*mqtt.PubackPacket)
		ack.MessageID = p.MessageID
		c.send(ack)
	}
	c.send(publish(0, 0, "s/us", "123"))
	if text := c.next("s/ds"); !strings.HasPrefix(text, "124,") {
		t.Errorf("one more: %s", text)
	}
}
