package mqttservice_test

import (
	"testing"
	"testing/synctest"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/mqttservice"
)

// TestSessionMoves: where several servers share a store, a client finds its session
// on another of them, and after its own was started again.
func TestSessionMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		node := func() *rig {
			return newRig(t, func(c *mqttservice.Config, f *fakes) { c.Store, f.options[sharedStore] = store, "yes" })
		}
		a, b := node(), node()
		c, present := a.resume(t, 4, "x", "t1/device_x")
		if present {
			t.Error("a session before there was one")
		}
		c.subscribe(1, "a")
		c.leave()
		a.connect(t, 4, "app", "t1/admin").publishOne("a", "one")
		c, present = b.resume(t, 4, "x", "t1/device_x")
		if !present {
			t.Error("the session did not move")
		}
		one := c.wantMessage("a", "one")
		c.send(answer(packets.Puback, one.PacketID))
		b.connect(t, 4, "app", "t1/admin").publishOne("a", "two")
		two := c.wantMessage("a", "two")
		c.send(answer(packets.Puback, two.PacketID))
		c.leave()
		c, present = a.resume(t, 4, "x", "t1/device_x") // and back
		if !present {
			t.Error("the session did not come back")
		}
		c.silent()
		other := b.dial(t, 4)
		pk := login(4, "x", "t1/somebody")
		lasting(&pk)
		other.send(pk)
		if got := other.want(packets.Connack).ReasonCode; got == 0 {
			t.Error("somebody else got the session")
		}
	})
}
