package mqttapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/internal/problem"
	"mooring/server/mqttapi"
	"mooring/server/platform"
)

// TestAcknowledgedAfterCommit (trap 12): nothing is acknowledged before it is
// durable, in the order of the publishes however the commits end, and a ping is
// answered meanwhile.
func TestAcknowledgedAfterCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		r.telemetry.setHold(true)
		c.send(publish(1, 1, "s/us", "211,1"), publish(2, 2, "s/us", "211,2"), publish(3, 1, "s/us", "211,3"), publish(4, 1, "s/us", "123"), simple(mqtt.Pingreq))
		if p := c.read(); header(p) != mqtt.Pingresp {
			t.Fatalf("got %v before the commit", p)
		}
		synctest.Wait()
		r.telemetry.setHold(false)
		r.telemetry.release(2, nil)
		r.telemetry.release(1, nil)
		c.send(simple(mqtt.Pingreq))
		if p := c.read(); header(p) != mqtt.Pingresp {
			t.Fatalf("got %v although the first commit is missing", p)
		}
		r.telemetry.release(0, nil)
		c.want(mqtt.Puback, 1)
		c.want(mqtt.Pubrec, 2)
		c.want(mqtt.Puback, 3)
		c.want(mqtt.Puback, 4)
	})
}

// TestFailedCommit: no acknowledgement, not even of what came later, and the
// connection ends.
func TestFailedCommit(t *testing.T) {
	for _, failure := range []error{errors.New("disk full"), problem.Unavailable, problem.TooMany, context.DeadlineExceeded} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, mqttapi.Limits{})
			c := r.connect(t, dev("dev1"))
			r.telemetry.setHold(true)
			c.send(publish(1, 1, "s/us", "211,1"), publish(2, 1, "s/us", "211,2"))
			synctest.Wait()
			r.telemetry.release(1, nil)
			r.telemetry.release(0, failure)
			if n := c.wantClosed(); n != 0 {
				t.Errorf("%v: %d packets before the end, want none", failure, n)
			}
			if got := r.Stats().CommitFailures; got != 1 {
				t.Errorf("%d commit failures counted", got)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		r.inventory.err = errors.New("disk full")
		c.send(publish(1, 1, "s/us", "110,x"))
		if n := c.wantClosed(); n != 0 {
			t.Errorf("%d packets before the end, want none", n)
		}
	})
}

// TestQoS2: exactly once, whatever is repeated.
func TestQoS2(t *testing.T) {
	type step struct {
		send mqtt.ControlPacket
		want byte
	}
	dup := func(id uint16, payload string) mqtt.ControlPacket {
		p := publish(id, 2, "s/us", payload)
		p.Dup = true
		return p
	}
	again := &mqtt.DisconnectPacket{} // stands for: cut the connection and come back
	tests := []struct {
		name  string
		dirty bool
		steps []step
		want  string // values stored
	}{
		{name: "plain", steps: []step{{publish(1, 2, "s/us", "211,1"), mqtt.Pubrec}, {pubrel(1), mqtt.Pubcomp}}, want: "1"},
		{name: "not before PUBREL", steps: []step{{publish(1, 2, "s/us", "211,1"), mqtt.Pubrec}}},
		{name: "PUBLISH repeated", steps: []step{{publish(1, 2, "s/us", "211,1"), mqtt.Pubrec}, {dup(1, "211,1"), mqtt.Pubrec}, {pubrel(1), mqtt.Pubcomp}}, want: "1"},
		{name: "PUBREL repeated", steps: []step{{publish(1, 2, "s/us", "211,1"), mqtt.Pubrec}, {pubrel(1), mqtt.Pubcomp}, {pubrel(1), mqtt.Pubcomp}}, want: "1"},
		{name: "PUBREL for nothing", steps: []step{{pubrel(9), mqtt.Pubcomp}}},
		{name: "packet ID used again", steps: []step{{publish(1, 2, "s/us", "211,1"), mqtt.Pubrec}, {pubrel(1), mqtt.Pubcomp}, {publish(1, 2, "s/us", "211,2"), mqtt.Pubrec}, {pubrel(1), mqtt.Pubcomp}}, want: "1 2"},
		{name: "two at once", steps: []step{{publish(1, 2, "s/us", "211,1"), mqtt.Pubrec}, {publish(2, 2, "s/us", "211,2"), mqtt.Pubrec}, {pubrel(1), mqtt.Pubcomp}, {pubrel(2), mqtt.Pubcomp}}, want: "1 2"},
		{name: "kept session, another is released", dirty: true, steps: []step{{publish(1, 2, "s/us", "211,1"), mqtt.Pubrec}, {again, 0}, {publish(2, 2, "s/us", "211,2"), mqtt.Pubrec}, {pubrel(1), mqtt.Pubcomp}, {pubrel(2), mqtt.Pubcomp}}, want: "1 2"},
		{name: "bad content", steps: []step{{publish(1, 2, "s/us", "999"), mqtt.Pubrec}, {pubrel(1), mqtt.Pubcomp}, {pubrel(1), mqtt.Pubcomp}}},
		{name: "new clean session, packet ID used again", steps: []step{{publish(1, 2, "s/us", "211,1"), mqtt.Pubrec}, {again, 0}, {publish(1, 2, "s/us", "211,2"), mqtt.Pubrec}, {pubrel(1), mqtt.Pubcomp}}, want: "2"},
		{name: "new clean session forgets", steps: []step{{publish(1, 2, "s/us", "211,1"), mqtt.Pubrec}, {again, 0}, {publish(2, 2, "s/us", "211,2"), mqtt.Pubrec}, {pubrel(1), mqtt.Pubcomp}, {pubrel(2), mqtt.Pubcomp}}, want: "2"},
		{name: "kept session releases", dirty: true, steps: []step{{publish(1, 2, "s/us", "211,1"), mqtt.Pubrec}, {again, 0}, {pubrel(1), mqtt.Pubcomp}}, want: "1"},
		{name: "kept session repeats", dirty: true, steps: []step{{publish(1, 2, "s/us", "211,1"), mqtt.Pubrec}, {again, 0}, {dup(1, "211,1"), mqtt.Pubrec}, {pubrel(1), mqtt.Pubcomp}}, want: "1"},
		{name: "kept session with a new message", dirty: true, steps: []step{{publish(1, 2, "s/us", "211,1"), mqtt.Pubrec}, {again, 0}, {publish(1, 2, "s/us", "211,2"), mqtt.Pubrec}, {pubrel(1), mqtt.Pubcomp}}, want: "2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, mqttapi.Limits{})
				o := dev("dev1")
				o.dirty = tt.dirty
				c := r.connect(t, o)
				for _, s := range tt.steps {
					if s.send == mqtt.ControlPacket(again) {
						c.Close()
						c = r.connect(t, o)
						continue
					}
					c.send(s.send)
					c.want(s.want, s.send.Details().MessageID)
				}
				var got []string
				for _, l := range r.telemetry.lines() {
					_, v, _ := strings.Cut(l, `"value":`)
					v, _, _ = strings.Cut(v, ",")
					got = append(got, v)
				}
				if strings.Join(got, " ") != tt.want {
					t.Errorf("stored %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestTakeover (traps 4 and 5): one session per device identifier, the newest
// wins, and the will of the old one is carried out before the new one is let in.
func TestTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		o := dev("dev1")
		o.will = &will{topic: "s/us", payload: "400,will,gone"}
		old := r.connect(t, o)
		old.send(publish(0, 0, "s/us", "100"))
		old.sync()
		r.telemetry.setHold(true)
		fresh := r.dial(t)
		o.id, o.will = "d:dev1", nil
		fresh.send(o.packet())
		if n := old.wantClosed(); n != 0 {
			t.Errorf("%d packets to the old connection", n)
		}
		synctest.Wait()
		if got := r.telemetry.lines(); len(got) != 1 {
			t.Fatalf("stored %q, want the will", got)
		}
		start := time.Now()
		time.AfterFunc(time.Second, func() { r.telemetry.setHold(false); r.telemetry.release(0, nil) })
		if p := fresh.read(); p.(*mqtt.ConnackPacket).ReturnCode != 0 || time.Since(start) != time.Second {
			t.Errorf("got %v after %v, want to be accepted once the will is durable", p, time.Since(start))
		}
		fresh.sync()
		if st := r.Stats(); st.Takeovers != 1 || st.Connections != 1 {
			t.Errorf("stats %+v", st)
		}
		if !r.Connected(tenant, "dev1") || r.Connected("t2", "dev1") {
			t.Error("the registry lost the session")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		// What the old connection had sent is carried out before the new one speaks.
		r := newRig(t, mqttapi.Limits{})
		r.inventory.block = make(chan struct{})
		old := r.connect(t, dev("dev1"))
		old.send(publish(0, 0, "s/us", "211,1"), publish(0, 0, "s/us", "211,2"))
		fresh := r.dial(t)
		fresh.send(dev("dev1").packet())
		time.AfterFunc(time.Second, func() { close(r.inventory.block) })
		fresh.read()
		if got := len(r.telemetry.lines()); got != 2 {
			t.Errorf("%d stored before the new connection was let in, want 2", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		// Two come at once while the old one takes its time: one is let in.
		r := newRig(t, mqttapi.Limits{})
		o := dev("dev1")
		o.will = &will{topic: "s/us", payload: "400,will,gone"}
		r.connect(t, o)
		r.telemetry.setHold(true)
		a, b := r.dial(t), r.dial(t)
		a.send(dev("dev1").packet())
		synctest.Wait()
		b.send(dev("dev1").packet())
		synctest.Wait()
		r.telemetry.setHold(false)
		r.telemetry.release(0, nil)
		if p := b.read().(*mqtt.ConnackPacket); p.ReturnCode != 0 {
			t.Errorf("the newest got CONNACK %d", p.ReturnCode)
		}
		a.wantClosed()
		b.sync()
	})
	synctest.Test(t, func(t *testing.T) {
		// Another tenant's device of the same name is somebody else.
		r := newRig(t, mqttapi.Limits{})
		r.trust("dev1")
		v := r.auth.verdicts["dev1"]
		v.Tenant = "t2"
		r.auth.verdicts["dev1"] = v
		one := r.connect(t, dev("dev1"))
		two := r.dialTLS(t, newCertificate(t, "dev1"))
		if code := two.connect(options{id: "dev1", noUser: true, noPassword: true}); code != 0 {
			t.Fatalf("CONNACK %d", code)
		}
		one.sync()
		two.sync()
	})
}

// TestWill (traps 6 and 20).
func TestWill(t *testing.T) {
	tests := []struct {
		name string
		will will
		end  func(c *client, r *rig)
		want int // lines stored
	}{
		{name: "cut", will: will{topic: "s/us", payload: "400,will,gone"}, end: func(c *client, _ *rig) { c.Close() }, want: 1},
		{name: "two lines, retained", will: will{topic: "s/us", payload: "400,will,gone\n211,1", retain: true, qos: 1}, end: func(c *client, _ *rig) { c.Close() }, want: 2},
		{name: "DISCONNECT", will: will{topic: "s/us", payload: "400,will,gone"}, end: func(c *client, _ *rig) { c.send(simple(mqtt.Disconnect)); c.wantClosed() }},
		{name: "empty", will: will{topic: "s/us"}, end: func(c *client, _ *rig) { c.Close() }},
		{name: "keep-alive", will: will{topic: "s/us", payload: "400,will,gone"}, end: func(c *client, _ *rig) { c.wantClosed() }, want: 1},
		{name: "protocol violation", will: will{topic: "s/us", payload: "400,will,gone"}, end: func(c *client, _ *rig) { c.send(dev("dev1").packet()); c.wantClosed() }, want: 1},
		{name: "kicked", will: will{topic: "s/us", payload: "400,will,gone"}, end: func(c *client, r *rig) {
			r.Kick(tenant, "dev1", platform.ReasonRevoked)
			c.wantClosed()
		}, want: 1},
		{name: "to a topic that does nothing", will: will{topic: "a/b", payload: "x"}, end: func(c *client, _ *rig) { c.Close() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, mqttapi.Limits{})
				o := dev("dev1")
				o.will, o.keepAlive = &tt.will, 60
				tt.end(r.connect(t, o), r)
				synctest.Wait()
				if got := r.telemetry.lines(); len(got) != tt.want {
					t.Errorf("stored %q, want %d", got, tt.want)
				}
			})
		})
	}
}

// TestReceivedBeforeTheEnd: a client that publishes and leaves at once loses
// nothing.
func TestReceivedBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		for i := range 20 {
			c.send(publish(0, 0, "s/us", fmt.Sprintf("211,%d", i)))
		}
		c.send(simple(mqtt.Disconnect))
		c.wantClosed()
		synctest.Wait()
		if got := len(r.telemetry.lines()); got != 20 {
			t.Errorf("%d stored, want 20", got)
		}
	})
}

// TestRetained (trap 9): a retained publish is carried out and kept for nobody.
func TestRetained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		for _, topic := range []string{"s/us", "s/e", "s/ds"} {
			p := publish(1, 1, topic, "211,1")
			p.Retain = true
			c.send(p)
			c.want(mqtt.Puback, 1)
		}
		c.subscribe("s/e", "s/ds")
		c.sync()
	})
}

// TestPacketSize (trap 10): 16,184 bytes for the whole packet.
func TestPacketSize(t *testing.T) {
	for _, qos := range []byte{0, 1} {
		for size, want := range map[int]bool{16183: true, 16184: true, 16185: false} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, mqttapi.Limits{})
				c := r.connect(t, dev("dev1"))
				header := 1 + 2 + 2 + len("s/us") + 2*int(qos) // remaining length takes two bytes up to 16,383
				p := publish(uint16(qos), qos, "s/us", "113,"+strings.Repeat("x", size-header-4))
				var b bytes.Buffer
				_ = p.Write(&b)
				if b.Len() != size {
					t.Fatalf("the packet has %d bytes, want %d", b.Len(), size)
				}
				if _, err := c.Write(b.Bytes()); err != nil {
					t.Fatal(err)
				}
				if !want {
					c.wantClosed()
				} else if qos == 1 {
					c.want(mqtt.Puback, 1)
				} else {
					c.sync()
				}
				if got := r.updates() != ""; got != want {
					t.Errorf("%d bytes: carried out %v, want %v", size, got, want)
				}
			})
		}
	}
}

// TestProtocolViolations end the connection.
func TestProtocolViolations(t *testing.T) {
	tests := map[string][]byte{
		"publish with wildcard":  {0x30, 6, 0, 3, 's', '/', '#', 'x'},
		"publish without topic":  {0x30, 3, 0, 0, 'x'},
		"packet ID 0":            {0x32, 7, 0, 2, 's', '/', 0, 0, 'x'},
		"QoS 3":                  {0x36, 7, 0, 2, 's', '/', 0, 1, 'x'},
		"subscribe to nothing":   {0x82, 2, 0, 1},
		"CONNACK from a client":  {0x20, 2, 0, 0},
		"PINGRESP from a client": {0xd0, 0},
		"AUTH":                   {0xf0, 0},
		"type 0":                 {0x00, 0},
	}
	for name, packet := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, mqttapi.Limits{})
				c := r.connect(t, dev("dev1"))
				if _, err := c.Write(packet); err != nil {
					t.Fatal(err)
				}
				if n := c.wantClosed(); n != 0 {
					t.Errorf("%d packets before the end", n)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.dial(t)
		c.send(publish(0, 0, "s/us", "100"))
		c.wantClosed()
		if _, ok := r.inventory.get("dev1"); ok {
			t.Error("a publish before CONNECT was carried out")
		}
	})
}

// TestRefusedPublishGoesOn (trap 11): a publish to a topic that may not be
// published to is acknowledged and the connection stays.
func TestRefusedPublishGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		for i, topic := range []string{"s/ds", "$SYS/x", "a", "s/us/a/b/c", "s/dc/#x"[:4], strings.Repeat("t", 2000)} {
			c.send(publish(uint16(i+1), 1, topic, "1"))
			c.want(mqtt.Puback, uint16(i+1))
		}
	})
}

func TestKick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		r.trust("dev3")
		one, two := r.connect(t, dev("dev1")), r.connect(t, dev("dev2"))
		three := r.dialTLS(t, newCertificate(t, "dev3"))
		three.connect(options{id: "dev3", noUser: true, noPassword: true})
		if r.Kick(tenant, "dev9", platform.ReasonRevoked) || r.Kick("t2", "dev1", platform.ReasonRevoked) {
			t.Error("kicked who is not there")
		}
		if !r.Kick(tenant, "dev1", platform.ReasonRevoked) {
			t.Error("dev1 was not found")
		}
		one.wantClosed()
		n := r.KickIf(platform.ReasonRevoked, func(p platform.Principal, v platform.Verdict) bool {
			return p.Method == platform.ByCertificate && v.Device == "dev3"
		})
		three.wantClosed()
		two.sync()
		if n != 1 || r.Stats().Kicked != 2 {
			t.Errorf("kicked %d, %d in all", n, r.Stats().Kicked)
		}
		for reason, want := range map[platform.Reason]bool{platform.Accepted: false, platform.ReasonInternal: false} {
			judge := func(platform.Principal, platform.Verdict) platform.Reason { return reason }
			if got := r.KickDevice(tenant, "dev2", judge); got != want {
				t.Errorf("kicked for %q: %t", reason, got)
			}
		}
		two.sync()
		judge := func(p platform.Principal, _ platform.Verdict) platform.Reason { return platform.ReasonUserDisabled }
		if r.KickDevice("t2", "dev2", judge) || !r.KickDevice(tenant, "dev2", judge) {
			t.Error("kicked another than dev2")
		}
		two.wantClosed()
	})
}

// TestKickBetween: trust that ends between the decision and the session still ends
// the session.
func TestKickBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		r.trust("dev1")
		r.auth.admitted = func() {
			r.auth.verdicts["dev1"] = platform.Verdict{Reason: platform.ReasonRevoked, Tenant: tenant, Device: "dev1"}
			if n := r.KickIf(platform.ReasonRevoked, func(platform.Principal, platform.Verdict) bool { return true }); n != 0 {
				t.Errorf("kicked %d", n)
			}
		}
		c := r.dialTLS(t, newCertificate(t, "dev1"))
		if code := c.connect(options{id: "dev1", noUser: true, noPassword: true}); code != 5 {
			t.Errorf("CONNACK %d, want 5", code)
		}
		c.Close()
		if got := r.refusals.last().Reason; got != platform.ReasonRevoked {
			t.Errorf("recorded %q", got)
		}
		synctest.Wait()
		if r.Connected(tenant, "dev1") {
			t.Error("the session exists")
		}
	})
}
