package mqttservice_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/mqttservice"
	"mooring/server/platform"
)

// retain publishes a message that is to be retained.
func (c *client) retain(topic, payload string) {
	c.Helper()
	pk := publish(9, 1, topic, payload)
	pk.FixedHeader.Retain = true
	c.send(pk)
	c.want(packets.Puback)
}

// TestRetained: kept, replaced and removed, also by a server that dies.
func TestRetained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		app := r.connect(t, 4, "app", "t1/admin")
		app.subscribe(1, "live")
		app.retain("a/1", "old")
		app.retain("a/1", "one")
		app.retain("a/2", "two")
		app.retain("a/2", "")
		pk := publish(3, 1, "a/3", "short-lived")
		pk.FixedHeader.Retain = true
		five := r.connect(t, 5, "five", "t1/admin")
		pk.Properties.MessageExpiryInterval = 10
		five.send(pk)
		five.want(packets.Puback)
		r.connect(t, 4, "theirs", "t2/admin").retain("a/1", "theirs")
		live := publish(4, 1, "live", "now")
		live.FixedHeader.Retain = true
		app.send(live)
		for range 2 { // the message, with the flag off, and its PUBACK
			if m, err := app.next(); err != nil || m.FixedHeader.Retain {
				t.Errorf("%+v %v", m.FixedHeader, err)
			}
		}
		time.Sleep(4 * time.Second)
		r = r.crash(t)
		c := r.connect(t, 5, "x", "t1/admin")
		c.subscribe(0, "a/+")
		if m := c.wantMessage("a/1", "one"); !m.FixedHeader.Retain || m.FixedHeader.Qos != 0 {
			t.Errorf("%+v", m.FixedHeader)
		}
		if got := c.wantMessage("a/3", "short-lived").Properties.MessageExpiryInterval; got != 6 {
			t.Errorf("%d s left, want 6", got)
		}
		c.silent()
		time.Sleep(7 * time.Second)
		c.subscribe(0, "a/3")
		c.silent()
		lasting, _ := r.resume(t, 4, "y", "t1/admin")
		lasting.subscribe(2, "#")
		if m := lasting.wantMessage("a/1", "one"); !m.FixedHeader.Retain || m.FixedHeader.Qos != 1 {
			t.Errorf("through the store: %+v", m.FixedHeader)
		}
	})
}

// TestRetainHandling: 0 always, 1 if the subscription is new, 2 never; and retain as
// published.
func TestRetainHandling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		app := r.connect(t, 4, "app", "t1/admin")
		app.retain("a", "1")
		for handling, want := range [][2]bool{{true, true}, {true, false}, {false, false}} {
			c := r.connect(t, 5, "x", "t1/admin")
			for _, gets := range want {
				pk := subscription(7, 0, "a")
				pk.Filters[0].RetainHandling = byte(handling)
				pk.Filters[0].RetainAsPublished = true
				c.send(pk)
				c.want(packets.Suback)
				if gets {
					c.wantMessage("a", "1")
				}
				c.silent()
			}
			app.retain("a", "1")
			if m := c.wantMessage("a", "1"); !m.FixedHeader.Retain {
				t.Error("not as published")
			}
		}
		shared := r.connect(t, 5, "z", "t1/admin")
		shared.subscribe(0, "$share/g/a")
		shared.silent() // MQTT 5 §4.8.2
	})
}

// TestRetainedIsolation: what devices retain is for applications alone, and no
// device takes away what an application or another tenant retains.
func TestRetainedIsolation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		app := r.connect(t, 4, "app", "t1/admin")
		a := r.connect(t, 4, "a", "t1/device_a")
		hears := func(user, want string) {
			t.Helper()
			c := r.connect(t, 4, "b", user)
			c.subscribe(1, "x")
			if want != "" {
				c.wantMessage("x", want)
			}
			c.silent()
			c.leave()
		}
		app.retain("x", "application")
		a.retain("x", "device")
		hears("t1/device_b", "application")
		hears("t1/admin", "device")
		hears("t2/admin", "")
		a.retain("x", "")
		hears("t1/device_b", "application")
		hears("t1/admin", "application")
		a.retain("x", "device")
		app.retain("x", "newer")
		r = r.crash(t)
		hears("t1/admin", "newer")
		app = r.connect(t, 4, "app", "t1/admin")
		app.retain("x", "")
		hears("t1/admin", "")
	})
}

// TestRetainedBounds: n−1, n, n+1 messages.
func TestRetainedBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *mqttservice.Config, _ *fakes) { c.Limits.RetainedMessages = 2 })
		c := r.connect(t, 5, "x", "t1/admin")
		for _, tt := range []struct {
			topic, payload string
			want           byte
		}{{"a", "1", 0}, {"b", "1", 0}, {"c", "1", 0x97}, {"b", "2", 0}, {"c", "", 0}, {"a", "", 0}, {"c", "1", 0}, {"d", "1", 0x97}} {
			pk := publish(9, 1, tt.topic, tt.payload)
			pk.FixedHeader.Retain = true
			c.send(pk)
			if got := c.want(packets.Puback).ReasonCode; got != tt.want {
				t.Errorf("%s=%q: %#x, want %#x", tt.topic, tt.payload, got, tt.want)
			}
		}
	})
}

// TestShared: each message goes to one of a group, connected ones first.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		app := r.connect(t, 4, "app", "t1/admin")
		app.subscribe(0, "a/1")
		one, _ := r.resume(t, 5, "one", "t1/admin")
		two := r.connect(t, 4, "two", "t1/admin")
		dev := r.connect(t, 4, "dev", "t1/device_dev")
		for _, c := range []*client{one, two, dev} {
			c.subscribe(1, "$share/g/a/+")
		}
		got := map[*client]int{}
		device := r.connect(t, 4, "d2", "t1/device_d2")
		for range 4 { // of a device: no other device hears it
			device.publishOne("a/1", "x")
			app.wantMessage("a/1", "x")
		}
		synctest.Wait()
		for _, c := range []*client{one, two} {
			for range 2 {
				m := c.wantMessage("a/1", "x")
				c.send(answer(packets.Puback, m.PacketID))
				got[c]++
			}
			c.silent()
		}
		dev.silent()
		two.leave()
		dev.leave()
		one.leave()
		device.publishOne("a/1", "kept by the one whose session waits")
		app.want(packets.Publish)
		one, _ = r.resume(t, 5, "one", "t1/admin")
		one.wantMessage("a/1", "kept by the one whose session waits")
		for filter, want := range map[string]byte{"$share/g": 0x8f, "$share//a": 0x8f, "$share/+/a": 0x8f, "$share/g/": 0x8f, "$share/g/s/ds": 0x87} {
			if got := one.subscribe(0, filter); !slices.Equal(got, []byte{want}) {
				t.Errorf("%s: %#x, want %#x", filter, got, want)
			}
		}
	})
}

// TestIdentifiersAndAliases: a subscriber hears by which subscriptions a message
// came, and topics once by name.
func TestIdentifiersAndAliases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		c := r.connect(t, 5, "x", "t1/admin", func(pk *packets.Packet) { pk.Properties.TopicAliasMaximum = 1 })
		for id, filter := range []string{"a", "a/#", "b"} {
			pk := subscription(7, 0, filter)
			pk.Properties.SubscriptionIdentifier = []int{id + 1}
			c.send(pk)
			c.want(packets.Suback)
		}
		app := r.connect(t, 5, "app", "t1/admin")
		pk := publish(0, 0, "a", "1")
		pk.Properties.TopicAlias, pk.Properties.TopicAliasFlag = 32, true
		app.send(pk)
		pk.TopicName = ""
		app.send(pk, publish(0, 0, "b", "3"))
		first, second, third := c.want(packets.Publish), c.want(packets.Publish), c.want(packets.Publish)
		if slices.Sort(first.Properties.SubscriptionIdentifier); !slices.Equal(first.Properties.SubscriptionIdentifier, []int{1, 2}) {
			t.Errorf("identifiers %d", first.Properties.SubscriptionIdentifier)
		}
		if first.TopicName != "a" || first.Properties.TopicAlias != 1 || second.TopicName != "" || second.Properties.TopicAlias != 1 {
			t.Errorf("%q as %d, then %q as %d", first.TopicName, first.Properties.TopicAlias, second.TopicName, second.Properties.TopicAlias)
		}
		if third.TopicName != "b" || third.Properties.TopicAliasFlag {
			t.Errorf("%q as %d", third.TopicName, third.Properties.TopicAlias)
		}
		for _, alias := range []uint16{0, 31, 33} { // 31 is not known
			c := r.connect(t, 5, "y", "t1/admin")
			if alias == 0 {
				if _, err := c.Write([]byte{0x30, 7, 0, 1, 'a', 3, 0x23, 0, 0}); err != nil {
					t.Fatal(err)
				}
			} else {
				pk.Properties.TopicAlias = alias
				c.send(pk)
			}
			if got := c.wantEnd(); got != 0x94 {
				t.Errorf("alias %d: %#x", alias, got)
			}
		}
	})
}

// TestReceiveMaximumOfServer: n−1, n, n+1 messages on their way, and the client
// hears why.
func TestReceiveMaximumOfServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *mqttservice.Config, _ *fakes) { c.Limits.Window = 3 })
		c := r.connect(t, 5, "x", "t1/admin")
		for id := range uint16(3) {
			c.send(publish(id+1, 2, "a", ""))
			c.want(packets.Pubrec)
		}
		c.send(publish(3, 2, "a", "")) // a repetition takes no more room
		c.want(packets.Pubrec)
		c.send(publish(4, 2, "a", ""))
		if got := c.wantEnd(); got != 0x93 {
			t.Errorf("DISCONNECT %#x", got)
		}
		old := r.connect(t, 4, "y", "t1/admin") // MQTT 3.1.1 knows no such bound
		for id := range uint16(10) {
			old.send(publish(id+1, 2, "a", ""))
			old.want(packets.Pubrec)
		}
	})
}

// TestRestricted: the service is as narrow as the vendor's; a session
// asked for by its expiry is not kept either.
func TestRestricted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, restricted)
		c, pk := r.dial(t, 5), login(5, "x", "t1/admin")
		pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 100, true
		c.send(pk)
		c.want(packets.Connack)
		c.leave()
		r.options[platform.OptionServiceRestricted] = "false"
		if _, present := r.resume(t, 5, "x", "t1/admin"); present {
			t.Error("the session was kept")
		}
	})
}
