package mqttservice_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/mqttservice"
	"mooring/server/platform"
)

// TestWhoHears: applications hear everybody, devices hear applications, no device
// hears a device unless its tenant wants that, and no tenant another.
func TestWhoHears(t *testing.T) {
	tests := []struct {
		name     string
		from, to string // users
		open     bool
		want     bool
	}{
		{name: "device to application", from: "t1/device_a", to: "t1/admin", want: true},
		{name: "application to device", from: "t1/admin", to: "t1/device_b", want: true},
		{name: "application to application", from: "t1/admin", to: "t1/admin", want: true},
		{name: "device to device", from: "t1/device_a", to: "t1/device_b"},
		{name: "device to a person without role", from: "t1/device_a", to: "t1/somebody"},
		{name: "a person without role to a device", from: "t1/somebody", to: "t1/device_b"},
		{name: "device to device, without isolation", from: "t1/device_a", to: "t1/device_b", open: true, want: true},
		{name: "application to another tenant's", from: "t1/admin", to: "t2/admin"},
		{name: "device to another tenant's, without isolation", from: "t1/device_a", to: "t2/device_b", open: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(_ *mqttservice.Config, f *fakes) {
					if tt.open {
						f.options[platform.OptionServiceIsolation] = "false"
					}
				})
				from, to := r.connect(t, 4, "a", tt.from), r.connect(t, 4, "b", tt.to)
				for _, filter := range []string{"#", "x/+", "x/y"} {
					to.subscribe(1, filter)
				}
				from.publishOne("x/y", "hello")
				synctest.Wait()
				if tt.want {
					m := to.wantMessage("x/y", "hello")
					if m.FixedHeader.Qos != 1 || m.FixedHeader.Retain || m.FixedHeader.Dup {
						t.Errorf("header %+v", m.FixedHeader)
					}
				}
				to.silent() // and never twice, though three filters match
			})
		})
	}
}

// TestOwnMessages: an application hears what it says, unless it asks not to.
func TestOwnMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		c := r.connect(t, 5, "x", "t1/admin")
		c.subscribe(0, "a")
		c.send(publish(0, 0, "a", "1"))
		c.wantMessage("a", "1")
		again := subscription(8, 0, "a")
		again.Filters[0].NoLocal = true
		c.send(again)
		c.want(packets.Suback)
		c.send(publish(0, 0, "a", "2"))
		c.silent()
		d := r.connect(t, 4, "dev1", "t1/device_dev1")
		d.subscribe(0, "a")
		d.send(publish(0, 0, "a", "3"))
		d.silent()
	})
}

// TestSubscribe: what is granted, with which code what is not (mqtt.md §1.9, §2.2).
func TestSubscribe(t *testing.T) {
	long := strings.Repeat("x", 256)
	tests := []struct {
		filters []string
		qos     byte
		want    byte // of MQTT 5; 0x80 and above are 0x80 before
	}{
		{filters: []string{"a"}},
		{filters: []string{"a/b/c"}, qos: 1, want: 1},
		{filters: []string{"a"}, qos: 2, want: 1},
		{filters: []string{"#"}},
		{filters: []string{"+"}},
		{filters: []string{"+/a/#"}},
		{filters: []string{"/"}},
		{filters: []string{"//"}},
		{filters: []string{"error/x"}},
		{filters: []string{"errortopic"}},
		{filters: []string{long[:255]}},
		{filters: []string{long}},
		{filters: []string{long + "x"}, want: 0x8f},
		{filters: []string{"a#"}, want: 0x8f},
		{filters: []string{"#/a"}, want: 0x8f},
		{filters: []string{"a/+b"}, want: 0x8f},
		{filters: []string{"a", "b"}, want: 0x80},
		{filters: []string{"$SYS/#"}, want: 0x87},
		{filters: []string{"$share/g/a"}, want: 0x9e},
		{filters: []string{"s/ds"}, want: 0x87},
		{filters: []string{"s/#"}, want: 0x87},
		{filters: []string{"c/x"}, want: 0x87},
		{filters: []string{"error"}, want: 0x87},
		{filters: []string{"devicecontrol/notifications"}, want: 0x87},
		{filters: []string{"inventory/managedObjects/x"}, want: 0x87},
		{filters: []string{"$debug/$error"}}, // last: from now on mistakes are told
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *mqttservice.Config, f *fakes) {
			restricted(c, f)
			c.Limits.Subscriptions = 100
		})
		for _, version := range []byte{3, 4, 5} {
			c := r.connect(t, version, "x", "t1/admin")
			for _, tt := range tests {
				want := tt.want
				if version < 5 && want > 2 {
					want = 0x80
				}
				if got := c.subscribe(tt.qos, tt.filters...); !bytes.Equal(got, bytes.Repeat([]byte{want}, len(tt.filters))) {
					t.Errorf("version %d, %q: % x, want %#x", version, tt.filters, got, want)
				}
			}
		}
		c := r.connect(t, 5, "x", "t1/admin")
		withID := subscription(7, 0, "a")
		withID.Filters[0].Identifier, withID.Properties.SubscriptionIdentifier = 1, []int{1}
		c.send(withID)
		if got := c.want(packets.Suback).ReasonCodes; got[0] != 0xa1 {
			t.Errorf("subscription identifier: % x", got)
		}
		for i := range 100 {
			if got := c.subscribe(0, fmt.Sprint("t", i)); got[0] != 0 {
				t.Fatalf("subscription %d: % x", i+1, got)
			}
		}
		if got := c.subscribe(0, "one/more"); got[0] != 0x97 {
			t.Errorf("subscription 101: % x", got)
		}
		if got := c.subscribe(1, "t0"); got[0] != 1 {
			t.Errorf("the same again: % x", got)
		}
	})
}

// TestUnsubscribe: nothing comes after the UNSUBACK, but for other filters.
func TestUnsubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		app := r.connect(t, 4, "app", "t1/admin")
		for _, version := range []byte{4, 5} {
			c := r.connect(t, version, "x", "t1/admin")
			c.subscribe(0, "a/#")
			c.subscribe(1, "a/+")
			app.publishOne("a/b", "1")
			if got := c.wantMessage("a/b", "1"); got.FixedHeader.Qos != 1 {
				t.Errorf("QoS %d, want the highest", got.FixedHeader.Qos)
			}
			c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsubscribe, Qos: 1}, PacketID: 3,
				Filters: packets.Subscriptions{{Filter: "a/+"}, {Filter: "nothing"}}})
			pk := c.want(packets.Unsuback)
			if version == 5 && !bytes.Equal(pk.ReasonCodes, []byte{0, 0x11}) {
				t.Errorf("codes % x", pk.ReasonCodes)
			}
			app.publishOne("a/b", "2")
			if got := c.wantMessage("a/b", "2"); got.FixedHeader.Qos != 0 {
				t.Errorf("QoS %d, want that of the filter that is left", got.FixedHeader.Qos)
			}
		}
	})
}

// TestPublish: what is carried out; what is refused without and with the end.
func TestPublish(t *testing.T) {
	long := strings.Repeat("x", 256)
	tests := []struct {
		name   string
		pk     packets.Packet
		puback byte // of MQTT 5
		end    byte // DISCONNECT of MQTT 5; 0: the connection goes on
	}{
		{name: "plain", pk: publish(1, 1, "a/b", "x")},
		{name: "empty", pk: publish(1, 1, "a/b", "")},
		{name: "255 bytes of topic", pk: publish(1, 1, long[:255], "x")},
		{name: "256 bytes", pk: publish(1, 1, long, "x")},
		{name: "257 bytes", pk: publish(1, 1, long+"x", "x"), puback: 0x90},
		{name: "Core topic", pk: publish(1, 1, "s/us", "100"), puback: 0x87},
		{name: "reserved topic", pk: publish(1, 1, "$SYS/x", "x"), puback: 0x87},
		{name: "error topic", pk: publish(1, 1, "$debug/$error", "x"), puback: 0x87},
		{name: "QoS 2", pk: publish(1, 2, "a", "x"), end: 0x9b},
		{name: "packet ID 0", pk: publish(0, 1, "a", "x"), end: 0x82},
		{name: "wildcard", pk: publish(1, 1, "a/#", "x"), end: 0x82},
		{name: "no topic", pk: publish(1, 1, "", "x"), end: 0x82},
		{name: "retained", pk: packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Retain: true}, TopicName: "a"}, end: 0x9a},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, restricted)
				for _, version := range []byte{4, 5} {
					c := r.connect(t, version, "x", "t1/admin")
					if tt.pk.PacketID == 0 && tt.pk.FixedHeader.Qos == 1 {
						// the library will not write this one
						raw := encode(t, version, publish(1, 1, tt.pk.TopicName, "x"))
						raw[len(raw)-2-int(version-4)] = 0
						if _, err := c.Write(raw); err != nil {
							t.Fatal(err)
						}
					} else {
						c.send(tt.pk)
					}
					if tt.end != 0 {
						want := tt.end
						if version == 4 {
							want = 0
						}
						if got := c.wantEnd(); got != want {
							t.Errorf("version %d: DISCONNECT %#x, want %#x", version, got, want)
						}
						continue
					}
					want := tt.puback
					if version == 4 {
						want = 0
					}
					if got := c.want(packets.Puback); got.ReasonCode != want || got.PacketID != 1 {
						t.Errorf("version %d: PUBACK %d with %#x, want %#x", version, got.PacketID, got.ReasonCode, want)
					}
				}
			})
		})
	}
}

// TestProperties: what belongs to a message reaches a subscriber of MQTT 5; an
// alias is refused.
func TestProperties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, restricted)
		app, c, old := r.connect(t, 5, "app", "t1/admin"), r.connect(t, 5, "x", "t1/admin"), r.connect(t, 4, "y", "t1/admin")
		c.subscribe(1, "a")
		old.subscribe(1, "a")
		pk := publish(1, 1, "a", "x")
		pk.Properties = packets.Properties{PayloadFormat: 1, PayloadFormatFlag: true, ContentType: "text/plain", ResponseTopic: "b",
			CorrelationData: []byte{0, 1}, User: []packets.UserProperty{{Key: "k", Val: "v"}, {Key: "k", Val: "w"}}, MessageExpiryInterval: 1}
		app.send(pk)
		app.want(packets.Puback)
		p := c.wantMessage("a", "x").Properties
		if p.PayloadFormat != 1 || p.ContentType != "text/plain" || p.ResponseTopic != "b" || !bytes.Equal(p.CorrelationData, []byte{0, 1}) ||
			len(p.User) != 2 || p.User[1].Val != "w" || p.MessageExpiryInterval != 1 || len(p.SubscriptionIdentifier) != 0 {
			t.Errorf("%+v", p)
		}
		old.wantMessage("a", "x")
		pk.Properties = packets.Properties{TopicAlias: 1, TopicAliasFlag: true}
		app.send(pk)
		if got := app.wantEnd(); got != 0x94 {
			t.Errorf("alias: DISCONNECT %#x, want 0x94", got)
		}
	})
}

// TestReceiveMaximum: no more messages of QoS 1 are on their way than the client
// takes, and none that is larger.
func TestReceiveMaximum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		app := r.connect(t, 4, "app", "t1/admin")
		c := r.connect(t, 5, "x", "t1/admin", func(pk *packets.Packet) {
			pk.Properties.ReceiveMaximum, pk.Properties.MaximumPacketSize = 2, 100
		})
		c.subscribe(1, "a")
		app.publishOne("a", strings.Repeat("x", 200))
		for i := range 4 {
			app.publishOne("a", fmt.Sprint(i))
		}
		first := c.wantMessage("a", "0")
		c.wantMessage("a", "1")
		c.silent()
		c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: first.PacketID})
		c.wantMessage("a", "2")
		c.silent()
	})
}

// TestErrorTopic: a client hears of its own mistakes, and of nobody else's.
func TestErrorTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		c, other := r.connect(t, 4, "x", "t1/somebody"), r.connect(t, 4, "y", "t1/admin")
		c.subscribe(0, "$debug/$error")
		other.subscribe(0, "$debug/$error")
		other.subscribe(0, "#")
		c.send(publish(1, 1, "s/us", "100"))
		seen := 0
		for range 2 {
			pk, err := c.next()
			if err != nil {
				t.Fatal(err)
			}
			if pk.FixedHeader.Type == packets.Publish && pk.TopicName == "$debug/$error" && bytes.Contains(pk.Payload, []byte("s/us")) {
				seen++
			}
		}
		if seen != 1 {
			t.Error("the mistake was not told")
		}
		other.silent()
	})
}

// TestWills: said when the connection ends without DISCONNECT, and when it says so.
func TestWills(t *testing.T) {
	end := func(reason byte) func(*client) {
		return func(c *client) {
			c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Disconnect}, ReasonCode: reason})
			c.wantEnd()
		}
	}
	tests := []struct {
		name    string
		version byte
		end     func(*rig, *client)
		want    bool
	}{
		{name: "cut", version: 4, end: func(_ *rig, c *client) { c.Close() }, want: true},
		{name: "DISCONNECT", version: 4, end: func(_ *rig, c *client) { end(0)(c) }},
		{name: "DISCONNECT", version: 5, end: func(_ *rig, c *client) { end(0)(c) }},
		{name: "DISCONNECT with will", version: 5, end: func(_ *rig, c *client) { end(4)(c) }, want: true},
		{name: "breaks the protocol", version: 5, end: func(_ *rig, c *client) { c.send(publish(1, 1, "a/#", "")); c.wantEnd() }, want: true},
		{name: "taken over", version: 4, end: func(r *rig, c *client) { r.connect(c, 4, "dev1", "t1/device_dev1") }, want: true},
		{name: "keep-alive", version: 4, end: func(_ *rig, c *client) { time.Sleep(15 * time.Second); synctest.Wait() }, want: true},
		{name: "within the keep-alive", version: 4, end: func(_ *rig, c *client) { time.Sleep(15*time.Second - 1); synctest.Wait() }},
		{name: "kicked", version: 5, end: func(r *rig, c *client) {
			r.KickIf(platform.ReasonRevoked, func(p platform.Principal, _ platform.Verdict) bool { return p.Device == "dev1" })
			if got := c.wantEnd(); got != 0x98 {
				c.Errorf("kicked: DISCONNECT %#x", got)
			}
		}, want: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				app := r.connect(t, 4, "app", "t1/admin")
				app.subscribe(1, "gone/+")
				c := r.connect(t, tt.version, "dev1", "t1/device_dev1", withWill("gone/dev1", "bye"), func(pk *packets.Packet) { pk.Connect.Keepalive = 10 })
				tt.end(r, c)
				synctest.Wait()
				if tt.want {
					app.wantMessage("gone/dev1", "bye")
				}
				app.silent()
			})
		})
	}
}
