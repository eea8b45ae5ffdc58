package mqttapi_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/server/mqttapi"
	"mooring/server/platform"
)

// The fake store finds wills among what is staged.
func (f *fakeTelemetry) Wills(_ context.Context, owner string) (list []platform.StagedPublish, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.staged {
		if p.PacketID == platform.WillPacketID && p.Topic == owner {
			list = append(list, p)
		}
	}
	return list, f.err
}

func (f *fakeTelemetry) WillOwners(context.Context) (list []string, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.staged {
		if p.PacketID == platform.WillPacketID && !slices.Contains(list, p.Topic) {
			list = append(list, p.Topic)
		}
	}
	return list, f.err
}

func (f *fakeTelemetry) ClaimWill(_ context.Context, p platform.StagedPublish, owner string, at time.Time) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	have, ok := f.staged[p.StagedKey]
	if !ok || have.Topic != p.Topic {
		return false, nil
	}
	have.Topic, have.At = owner, at
	f.staged[p.StagedKey] = have
	return true, nil
}

// kept counts the wills in the store.
func (f *fakeTelemetry) kept() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.staged)
}

// willRig is a rig whose store keeps wills; of may be the store of another server.
func willRig(t *testing.T, of *fakeTelemetry, alone bool) *rig {
	return newRigOf(t, func(c *mqttapi.Config) {
		if of == nil {
			of = c.Telemetry.(*fakeTelemetry)
		}
		c.Telemetry, c.Wills, c.Alone = of, of, alone
	})
}

func withWill(id, payload string) options {
	o := dev(id)
	o.will = &will{topic: "s/us", payload: payload}
	return o
}

// TestWillIsKept: a will is durable before the client is told that it is connected,
// and goes with the transaction that carries it out, or with the DISCONNECT.
func TestWillIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := willRig(t, nil, true)
		r.telemetry.setHold(true)
		c := r.dial(t)
		c.send(withWill("dev1", "400,x,gone").packet())
		synctest.Wait()
		if got := r.Stats().Accepted; got != 0 {
			t.Error("accepted before the will was durable")
		}
		r.telemetry.setHold(false)
		r.telemetry.release(0, nil)
		r.telemetry.release(1, nil)
		c.want(mqtt.Connack, 0)
		if got := r.telemetry.kept(); got != 1 {
			t.Fatalf("%d wills kept", got)
		}
		c.send(publish(1, 2, "s/us", "125"), pubrel(1)) // drops what was staged, and no will
		c.want(mqtt.Pubrec, 1)
		c.want(mqtt.Pubcomp, 1)
		c.Close()
		synctest.Wait()
		if got := r.telemetry.lines(); len(got) != 1 || r.telemetry.kept() != 0 {
			t.Errorf("stored %q, %d kept", got, r.telemetry.kept())
		}
		last := r.telemetry.batches[len(r.telemetry.batches)-1]
		if last.Release == nil || len(last.Events) != 1 {
			t.Errorf("the will was carried out in %+v, want it released there", last)
		}

		c = r.connect(t, withWill("dev1", "400,x,gone"))
		c.send(simple(mqtt.Disconnect))
		c.wantClosed()
		synctest.Wait()
		if got := r.telemetry.lines(); len(got) != 1 || r.telemetry.kept() != 0 {
			t.Errorf("after DISCONNECT: stored %q, %d kept", got, r.telemetry.kept())
		}
		r.connect(t, withWill("dev1", "400,x,one"))
		r.connect(t, withWill("dev1", "400,x,two")) // takes over
		synctest.Wait()
		if got := r.telemetry.lines(); len(got) != 2 || r.telemetry.kept() != 1 {
			t.Errorf("after a takeover: stored %q, %d kept", got, r.telemetry.kept())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := willRig(t, nil, true)
		r.telemetry.err = errors.New("disk full")
		r.connect(t, withWill("dev1", "400,x,gone")) // a full disk keeps nobody out
		r.telemetry.mu.Lock()
		r.telemetry.err = nil
		r.telemetry.mu.Unlock()
	})
}

// TestWillsOfTheDead: a server carries out the wills of one that died, once, in the
// name of their devices.
func TestWillsOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeTelemetry()
		dead := willRig(t, store, true)
		c := dead.connect(t, withWill("dev1", "400,x,gone\n211,1"))
		dead.connect(t, withWill("dev2", "s/us is no line"))
		token := withWill("dev3", "x")
		token.will.topic = "s/uat"
		dead.connect(t, token)
		store.mu.Lock()
		odd := platform.StagedKey{Tenant: tenant, Device: "odd"}
		store.staged[odd] = platform.StagedPublish{StagedKey: odd, Topic: "x", Payload: []byte("{")}
		frozen := map[platform.StagedKey]platform.StagedPublish{}
		for k, p := range store.staged {
			frozen[k] = p
		}
		store.mu.Unlock()

		other := newFakeTelemetry()
		other.staged = frozen
		next := willRig(t, other, true)
		if err := next.CarryOutWills(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := other.kept(); got != 0 {
			t.Errorf("%d wills left", got)
		}
		got := other.lines()
		slices.Sort(got)
		if len(got) != 2 || !strings.HasPrefix(got[0], "event") || !strings.HasPrefix(got[1], "measurement") {
			t.Errorf("stored %q", got)
		}
		if o, ok := next.inventory.get("dev1"); !ok || o.owner != "device_dev1" {
			t.Errorf("device %+v", o)
		}
		next.presence.mu.Lock()
		if got := next.presence.online; len(got) != 0 {
			t.Errorf("told of the dead: %q", got)
		}
		next.presence.mu.Unlock()
		if err := next.CarryOutWills(t.Context()); err != nil || len(other.lines()) != 2 {
			t.Errorf("again: %q, %v", other.lines(), err)
		}
		c.send(simple(mqtt.Pingreq))
		c.read()
	})
}
