package mqttservice_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/mqttservice"
)

// lasting asks for a session that outlives its connection.
func lasting(pk *packets.Packet) {
	pk.Connect.Clean = false
	if pk.ProtocolVersion == 5 {
		pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 3600, true
	}
}

// resume connects a client that goes on with its session, and reports whether there
// was one.
func (r *rig) resume(t testing.TB, version byte, id, user string, change ...func(*packets.Packet)) (*client, bool) {
	t.Helper()
	c, pk := r.dial(t, version), login(version, id, user)
	lasting(&pk)
	for _, f := range change {
		f(&pk)
	}
	c.send(pk)
	answer := c.want(packets.Connack)
	if answer.ReasonCode != 0 {
		t.Fatalf("CONNACK %#x", answer.ReasonCode)
	}
	return c, answer.SessionPresent
}

// leave disconnects and waits until the server has noticed.
func (c *client) leave() {
	c.Helper()
	c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}})
	c.wantEnd()
	synctest.Wait()
}

// answer is a PUBACK, PUBREC, PUBREL or PUBCOMP.
func answer(kind byte, id uint16) packets.Packet {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: kind}, PacketID: id}
	if kind == packets.Pubrel {
		pk.FixedHeader.Qos = 1
	}
	return pk
}

// crash starts another server on what the disk has at this instant.
func (r *rig) crash(t *testing.T) *rig {
	t.Helper()
	disk := r.store.clone()
	return newRig(t, func(c *mqttservice.Config, _ *fakes) { c.Store = disk })
}

// TestSessionOutlivesConnection: what comes meanwhile waits, QoS 0 does not, and a
// clean session starts without it.
func TestSessionOutlivesConnection(t *testing.T) {
	for _, version := range []byte{4, 5} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			app := r.connect(t, 4, "app", "t1/admin")
			c, present := r.resume(t, version, "x", "t1/admin")
			if present {
				t.Error("a session before there was one")
			}
			c.subscribe(2, "a/#")
			c.leave()
			app.send(publish(0, 0, "a/0", "lost"))
			app.publishOne("a/1", "one")
			app.publishExactly(5, "a/2", "two")
			c, present = r.resume(t, version, "x", "t1/admin")
			if !present {
				t.Error("no session")
			}
			one := c.wantMessage("a/1", "one")
			two := c.wantMessage("a/2", "two")
			if one.FixedHeader.Qos != 1 || two.FixedHeader.Qos != 2 || one.FixedHeader.Dup || two.FixedHeader.Dup {
				t.Errorf("headers %+v %+v", one.FixedHeader, two.FixedHeader)
			}
			c.leave() // without acknowledging: they come again, in their order
			c, _ = r.resume(t, version, "x", "t1/admin")
			again := c.wantMessage("a/1", "one")
			if !again.FixedHeader.Dup || again.PacketID != one.PacketID {
				t.Errorf("again %+v of packet %d, was %d", again.FixedHeader, again.PacketID, one.PacketID)
			}
			c.wantMessage("a/2", "two")
			c.send(answer(packets.Puback, one.PacketID), answer(packets.Pubrec, two.PacketID))
			c.want(packets.Pubrel)
			c.leave() // between PUBREL and PUBCOMP: the PUBREL comes again, the message does not
			c, _ = r.resume(t, version, "x", "t1/admin")
			if got := c.want(packets.Pubrel).PacketID; got != two.PacketID {
				t.Errorf("PUBREL of %d, want %d", got, two.PacketID)
			}
			c.send(answer(packets.Pubcomp, two.PacketID))
			c.silent()
			app.publishOne("a/1", "three")
			c.leave()
			c = r.connect(t, version, "x", "t1/admin")
			app.publishOne("a/1", "four")
			c.silent()
		})
	}
}

// publishExactly publishes with QoS 2.
func (c *client) publishExactly(id uint16, topic, payload string) {
	c.Helper()
	c.send(publish(id, 2, topic, payload))
	c.want(packets.Pubrec)
	c.send(answer(packets.Pubrel, id))
	c.want(packets.Pubcomp)
}

// TestSessionOutlivesServer: the same when the server dies at any step.
func TestSessionOutlivesServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		c, _ := r.resume(t, 4, "x", "t1/admin")
		c.subscribe(2, "a/#")
		app, _ := r.resume(t, 4, "app", "t1/admin")
		app.publishOne("a/1", "one")
		app.send(publish(7, 2, "a/2", "two"))
		app.want(packets.Pubrec)
		r = r.crash(t)
		if got := r.Stats().Connections; got != 0 {
			t.Fatalf("%d connections", got)
		}
		app, present := r.resume(t, 4, "app", "t1/admin")
		if !present {
			t.Error("the publisher's session is gone")
		}
		again := publish(7, 2, "a/2", "two")
		again.FixedHeader.Dup = true
		app.send(again)
		app.want(packets.Pubrec)
		app.send(answer(packets.Pubrel, 7))
		app.want(packets.Pubcomp)
		r = r.crash(t)
		c, _ = r.resume(t, 4, "x", "t1/admin")
		one, two := c.wantMessage("a/1", "one"), c.wantMessage("a/2", "two")
		if !one.FixedHeader.Dup {
			t.Error("nobody knows whether it was written: DUP")
		}
		c.send(answer(packets.Pubrec, two.PacketID))
		c.want(packets.Pubrel)
		r = r.crash(t)
		c, _ = r.resume(t, 4, "x", "t1/admin")
		if got := c.want(packets.Pubrel).PacketID; got != two.PacketID {
			t.Errorf("PUBREL of %d, want %d", got, two.PacketID)
		}
		if rest := c.wantMessage("a/1", "one"); rest.PacketID != one.PacketID {
			t.Errorf("packet %d, was %d", rest.PacketID, one.PacketID)
		}
		app, _ = r.resume(t, 4, "app", "t1/admin")
		app.publishExactly(7, "a/2", "another under the same packet ID")
		c.send(answer(packets.Puback, one.PacketID), answer(packets.Pubcomp, two.PacketID))
		c.wantMessage("a/2", "another under the same packet ID")
	})
}

// TestWillsOutliveServer: of sessions of every kind, at once or in their time.
func TestWillsOutliveServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		app, _ := r.resume(t, 4, "app", "t1/admin")
		app.subscribe(1, "gone/#")
		r.connect(t, 4, "clean", "t1/admin", withWill("gone/clean", "1"), func(pk *packets.Packet) { pk.Connect.WillQos = 1 })
		r.resume(t, 5, "late", "t1/admin", withWill("gone/late", "2"), func(pk *packets.Packet) { pk.Connect.WillProperties.WillDelayInterval = 60 })
		bye := r.connect(t, 4, "bye", "t1/admin", withWill("gone/bye", "3"))
		bye.leave()
		r = r.crash(t)
		r = r.crash(t) // once is enough
		app, _ = r.resume(t, 4, "app", "t1/admin")
		first := app.want(packets.Publish)
		if first.TopicName != "gone/clean" {
			t.Errorf("first %s", first.TopicName)
		}
		app.send(answer(packets.Puback, first.PacketID))
		app.silent()
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		app.wantMessage("gone/late", "2")
		app.silent()
	})
}

// TestSessionExpiry: n−1, n and n+1 seconds; DISCONNECT may change it.
func TestSessionExpiry(t *testing.T) {
	for _, tt := range []struct {
		name     string
		wait     time.Duration
		asked    uint32
		present  bool
		again    *uint32 // with the DISCONNECT
		version  byte
		granted  uint32 // by the CONNACK; 0: as asked
		wantCode byte   // of a DISCONNECT
	}{
		{name: "before", version: 5, asked: 10, wait: 9 * time.Second, present: true},
		{name: "after", version: 5, asked: 10, wait: 11 * time.Second},
		{name: "changed to nothing", version: 5, asked: 10, again: new(uint32(0))},
		{name: "changed to more", version: 5, asked: 10, again: new(uint32(100)), wait: 50 * time.Second, present: true},
		{name: "from nothing to something", version: 5, asked: 0, again: new(uint32(100)), wantCode: 0x82},
		{name: "above the bound", version: 5, asked: 0xffffffff, wait: 7*24*time.Hour - time.Second, present: true, granted: 7 * 24 * 3600},
		{name: "above the bound, over", version: 5, asked: 0xffffffff, wait: 7*24*time.Hour + time.Second, granted: 7 * 24 * 3600},
		{name: "MQTT 3.1.1", version: 4, wait: 7*24*time.Hour - time.Second, present: true},
		{name: "MQTT 3.1.1, over", version: 4, wait: 7*24*time.Hour + time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				c, pk := r.dial(t, tt.version), login(tt.version, "x", "t1/admin")
				pk.Connect.Clean = tt.version == 5
				pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = tt.asked, true
				c.send(pk)
				granted := c.want(packets.Connack).Properties
				if tt.granted != 0 && granted.SessionExpiryInterval != tt.granted || tt.granted == 0 && granted.SessionExpiryIntervalFlag && tt.version == 5 {
					t.Errorf("granted %d", granted.SessionExpiryInterval)
				}
				bye := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}}
				if tt.again != nil {
					bye.Properties.SessionExpiryInterval, bye.Properties.SessionExpiryIntervalFlag = *tt.again, true
				}
				c.send(bye)
				if got := c.wantEnd(); got != tt.wantCode {
					t.Errorf("DISCONNECT %#x", got)
				}
				synctest.Wait()
				time.Sleep(tt.wait)
				synctest.Wait()
				if _, present := r.resume(t, tt.version, "x", "t1/admin"); present != tt.present {
					t.Errorf("session present %v", present)
				}
			})
		})
	}
}

// TestSessionIsItsUsers: nobody gets what waits for somebody else, and nobody keeps
// a device from its own name.
func TestSessionIsItsUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		squatter, _ := r.resume(t, 4, "dev1", "t1/somebody")
		squatter.subscribe(1, "#")
		squatter.leave()
		r.connect(t, 4, "app", "t1/admin").publishOne("a", "for the squatter")
		device, present := r.resume(t, 4, "dev1", "t1/device_dev1")
		if present {
			t.Error("the device goes on with a session that is not its own")
		}
		device.subscribe(1, "b")
		device.leave()
		other := r.dial(t, 5)
		other.send(login(5, "dev1", "t1/somebody"))
		if got := other.want(packets.Connack).ReasonCode; got != 0x85 {
			t.Errorf("somebody else: CONNACK %#x", got)
		}
		device, present = r.resume(t, 4, "dev1", "t1/device_dev1")
		if !present {
			t.Error("the device lost its session")
		}
		device.silent()
		if _, present := r.resume(t, 4, "dev1", "t2/device_dev1"); present {
			t.Error("another tenant's session")
		}
	})
}

// TestSessionsAreBounded: how many wait, and how much for each.
func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *mqttservice.Config, _ *fakes) { c.Limits.SessionsPerTenant, c.Limits.SessionMessages = 2, 3 })
		app := r.connect(t, 4, "app", "t1/admin")
		for i := range 3 {
			c, _ := r.resume(t, 5, fmt.Sprint(i), "t1/admin")
			c.subscribe(1, "a")
			c.leave()
		}
		for i := range 5 {
			app.publishOne("a", fmt.Sprint(i))
		}
		if got := r.raised(); len(got) == 0 || got[0] != "t1 c8y_MqttService_BacklogQuotaExceeded" {
			t.Errorf("alarms %q", got)
		}
		c, present := r.resume(t, 5, "1", "t1/admin")
		if !present {
			t.Error("the second session is gone")
		}
		for i := range 3 {
			m := c.wantMessage("a", fmt.Sprint(i))
			c.send(answer(packets.Puback, m.PacketID))
		}
		c.silent()
		if _, present := r.resume(t, 5, "2", "t1/admin"); present {
			t.Error("a session more than the tenant may have")
		}
	})
}

// TestStoreDown: what cannot be stored is not acknowledged, nobody is dropped, and
// it goes on by itself.
func TestStoreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		c, _ := r.resume(t, 4, "x", "t1/admin")
		c.subscribe(1, "a")
		app := r.connect(t, 4, "app", "t1/admin")
		r.store.setBroken(true)
		app.send(publish(1, 1, "a", "not stored"), publish(2, 2, "a", "nor this"))
		app.silent()
		refused := r.dial(t, 4)
		pk := login(4, "y", "t1/admin")
		lasting(&pk)
		refused.send(pk)
		if got := refused.want(packets.Connack).ReasonCode; got != 3 {
			t.Errorf("a session that cannot be kept: CONNACK %d", got)
		}
		r.connect(t, 4, "z", "t1/admin", withWill("w", "w")).silent() // in the worst case its will ends with the server
		r.store.setBroken(false)
		app.send(publish(2, 2, "a", "again"))
		app.want(packets.Pubrec)
		app.publishOne("a", "stored")
		m := c.wantMessage("a", "again")
		if m.FixedHeader.Qos != 1 {
			t.Errorf("%+v", m.FixedHeader)
		}
		c.wantMessage("a", "stored")
		if got := r.Stats().Unstored; got != 2 {
			t.Errorf("unstored %d", got)
		}
	})
}

// TestAcknowledgementsKeepOrder: they wait for the disk, and for those before them.
func TestAcknowledgementsKeepOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		c, _ := r.resume(t, 4, "x", "t1/admin")
		c.subscribe(1, "slow")
		app := r.connect(t, 4, "app", "t1/admin")
		free := r.store.hold()
		app.send(publish(1, 1, "slow", ""), publish(2, 1, "fast", ""), publish(3, 2, "fast", ""))
		app.silent() // pings are answered meanwhile
		free()
		for id, kind := range []byte{packets.Puback, packets.Puback, packets.Pubrec} {
			if got := app.want(kind).PacketID; got != uint16(id+1) {
				t.Errorf("packet %d, want %d", got, id+1)
			}
		}
	})
}

// TestShutdownKeeps: a server that stops in order keeps what one that dies keeps.
func TestShutdownKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		c, _ := r.resume(t, 4, "x", "t1/admin")
		c.subscribe(1, "a")
		r.connect(t, 4, "app", "t1/admin").publishOne("a", "one")
		c.wantMessage("a", "one")
		if err := r.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		r = r.crash(t)
		c, present := r.resume(t, 4, "x", "t1/admin")
		if !present {
			t.Error("no session")
		}
		if m := c.wantMessage("a", "one"); !m.FixedHeader.Dup {
			t.Error("it was written before: DUP")
		}
	})
}
