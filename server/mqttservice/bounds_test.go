package mqttservice_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/mqttservice"
	"mooring/server/platform"
)

// sized is a PUBLISH of n bytes in all.
func sized(t *testing.T, version byte, n int) packets.Packet {
	pk := publish(1, 1, "a", "")
	pk.Payload = make([]byte, n-len(encode(t, version, pk)))
	for len(encode(t, version, pk)) > n { // the length takes more bytes
		pk.Payload = pk.Payload[1:]
	}
	if got := len(encode(t, version, pk)); got != n {
		t.Fatalf("%d bytes, want %d", got, n)
	}
	return pk
}

// TestPacketSize: 128 KiB, header included; above it the connection ends and the
// tenant hears of it (mqtt.md §1.9).
func TestPacketSize(t *testing.T) {
	const limit = 128 << 10
	for _, version := range []byte{4, 5} {
		for n, ok := range map[int]bool{limit - 1: true, limit: true, limit + 1: false} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				c := r.connect(t, version, "x", "t1/admin")
				c.send(sized(t, version, n))
				if ok {
					c.want(packets.Puback)
					return
				}
				want := byte(0)
				if version == 5 {
					want = 0x95
				}
				if got := c.wantEnd(); got != want {
					t.Errorf("%d bytes: DISCONNECT %#x", n, got)
				}
				if got := r.raised(); !slices.Equal(got, []string{"t1 c8y_MqttService_MaximumPacketSize_Publish"}) {
					t.Errorf("alarms %q", got)
				}
			})
		}
	}
}

// TestSlowSubscriber: one who does not read loses messages of QoS 0 and, when it
// wants QoS 1, its connection; the publisher and the others go on, and what waits
// is bounded.
func TestSlowSubscriber(t *testing.T) {
	for _, qos := range []byte{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, func(c *mqttservice.Config, _ *fakes) {
				c.Limits = mqttservice.Limits{OutboundMessages: 20, OutboundBytes: 200_000, Rate: 1_000_000}
			})
			app, slow, quick := r.connect(t, 4, "app", "t1/admin"), r.connect(t, 4, "slow", "t1/admin"), r.connect(t, 4, "quick", "t1/admin")
			slow.subscribe(qos, "a")
			quick.subscribe(0, "a")
			payload := string(make([]byte, 60_000))
			for range 200 { // twelve megabytes, and a pipe holds a quarter
				app.publishOne("a", payload)
				quick.wantMessage("a", payload)
				if got := r.Stats().Queued; got > 300_000 {
					t.Fatalf("%d bytes wait", got)
				}
			}
			got := r.Stats()
			if qos == 0 && (got.Dropped == 0 || got.Overflows != 0) || qos == 1 && got.Overflows != 1 {
				t.Errorf("QoS %d: %d dropped, %d overflows", qos, got.Dropped, got.Overflows)
			}
			if qos == 0 {
				slow.Close()
			}
		})
	}
}

// TestQueuedBytes: all clients together have a bound too.
func TestQueuedBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *mqttservice.Config, _ *fakes) { c.Limits.QueuedBytes = 500_000 })
		app := r.connect(t, 4, "app", "t1/admin")
		for i := range 20 {
			r.connect(t, 4, fmt.Sprint("slow", i), "t1/admin").subscribe(0, "a")
		}
		for range 30 {
			app.publishOne("a", string(make([]byte, 60_000)))
			if got := r.Stats().Queued; got > 500_000 {
				t.Fatalf("%d bytes wait", got)
			}
		}
		if r.Stats().Dropped == 0 {
			t.Error("nothing was dropped")
		}
	})
}

// TestAsksAndDoesNotRead: answers are bounded as well.
func TestAsksAndDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *mqttservice.Config, _ *fakes) { c.Limits.Write = time.Hour })
		c := r.connect(t, 4, "x", "t1/admin")
		pings := bytes.Repeat([]byte{packets.Pingreq << 4, 0}, 10_000)
		for range 100 {
			if _, err := c.Write(pings); err != nil {
				break
			}
		}
		synctest.Wait()
		if got := r.Stats(); got.Overflows != 1 || got.Connections != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestRate: Burst at once, then one every 1/Rate; who outruns that for too long is
// told and closed, and does not hold up anybody else.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *mqttservice.Config, f *fakes) {
			f.options[platform.OptionPublishRate], f.options[platform.OptionPublishBurst] = "10", "20"
			c.Limits.Wait = 2 * time.Second
		})
		flood, calm, app := r.connect(t, 5, "flood", "t1/device_flood"), r.connect(t, 4, "calm", "t1/device_calm"), r.connect(t, 4, "app", "t1/admin")
		app.subscribe(0, "calm")
		start := time.Now()
		for range 30 {
			flood.send(publish(0, 0, "flood", "x"))
		}
		synctest.Wait()
		calm.publishOne("calm", "x")
		app.wantMessage("calm", "x")
		if got := time.Since(start); got != 0 {
			t.Errorf("the calm one waited %v for the flood", got)
		}
		flood.silent()
		if got := time.Since(start); got != time.Second {
			t.Errorf("30 messages took %v, want 1s", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *mqttservice.Config, f *fakes) {
			c.Limits.Rate, c.Limits.Burst, c.Limits.Wait = 1, 1, time.Second/2
		})
		c := r.connect(t, 5, "x", "t1/device_x")
		c.send(publish(0, 0, "a", "x"), publish(0, 0, "a", "x"))
		if got := c.wantEnd(); got != 0x97 {
			t.Errorf("DISCONNECT %#x, want 0x97", got)
		}
		if got := r.last(); got.Reason != platform.ReasonTooFast || got.CN != "x" {
			t.Errorf("refusal %+v", got)
		}
		if got := r.raised(); !slices.Equal(got, []string{"t1 c8y_MqttService_IncomingPublishRateLimitExceeded"}) {
			t.Errorf("alarms %q", got)
		}
	})
}

// TestMalformed: what breaks the protocol ends that connection and no other.
func TestMalformed(t *testing.T) {
	tests := []struct {
		name string
		raw  []byte
		want byte // DISCONNECT of MQTT 5
	}{
		{"second CONNECT", encode(t, 5, login(5, "x", "t1/admin")), 0x82},
		{"reserved type", []byte{0x00, 0}, 0x82},
		{"CONNACK", []byte{0x20, 2, 0, 0}, 0x82},
		{"flags of a PINGREQ", []byte{0xc1, 0}, 0x81},
		{"length of five bytes", []byte{0x30, 0x80, 0x80, 0x80, 0x80, 1}, 0x81},
		{"SUBSCRIBE without filter", []byte{0x82, 3, 0, 1, 0}, 0x82},
		{"SUBSCRIBE cut before the options", []byte{0x82, 6, 0, 1, 0, 0, 1, 'a'}, 0x81},
		{"SUBSCRIBE of packet ID 0", []byte{0x82, 7, 0, 0, 0, 0, 1, 'a', 0}, 0x82},
		{"topic that is no UTF-8", []byte{0x30, 5, 0, 2, 0xff, 'a', 0}, 0x81},
		{"topic with NUL", []byte{0x30, 5, 0, 2, 0, 'a', 0}, 0x81},
		{"topic longer than the packet", []byte{0x30, 4, 0, 9, 'a', 0}, 0x81},
		{"unknown property", []byte{0x30, 6, 0, 1, 'a', 2, 0xff, 1}, 0x81},
		{"AUTH", []byte{0xf0, 2, 0, 0}, 0x82},
		{"PUBLISH of packet ID 0", []byte{0x32, 6, 0, 1, 'a', 0, 0, 0}, 0x82},
		{"PUBLISH of QoS 3", []byte{0x36, 6, 0, 1, 'a', 0, 1, 0}, 0x81},
		{"a property twice", []byte{0x30, 8, 0, 1, 'a', 4, 1, 1, 1, 1}, 0x82},
		{"payload format 2", []byte{0x30, 6, 0, 1, 'a', 2, 1, 2}, 0x82},
		{"flags of a PUBREL", []byte{0x60, 2, 0, 1}, 0x81},
		{"PINGREQ with a body", []byte{0xc0, 1, 0}, 0x81},
		{"UNSUBSCRIBE without filter", []byte{0xa2, 3, 0, 1, 0}, 0x82},
		{"reserved bits of a subscription", []byte{0x82, 7, 0, 1, 0, 0, 1, 'a', 0x40}, 0x81},
		{"retain handling 3", []byte{0x82, 7, 0, 1, 0, 0, 1, 'a', 0x30}, 0x81},
		{"subscription identifier 0", []byte{0x82, 9, 0, 1, 2, 0x0b, 0, 0, 1, 'a', 0}, 0x82},
		{"shared without own messages", []byte{0x82, 16, 0, 1, 0, 0, 10, '$', 's', 'h', 'a', 'r', 'e', '/', 'g', '/', 'a', 4}, 0x82},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				other := r.connect(t, 4, "other", "t1/admin")
				c := r.connect(t, 5, "x", "t1/admin")
				if _, err := c.Write(tt.raw); err != nil {
					t.Fatal(err)
				}
				if got := c.wantEnd(); got != tt.want {
					t.Errorf("DISCONNECT %#x, want %#x", got, tt.want)
				}
				other.silent()
			})
		})
	}
}

// TestShutdownTells: MQTT 5 hears that the server goes.
func TestShutdownTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		c := r.connect(t, 5, "x", "t1/admin")
		if err := r.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := c.wantEnd(); got != 0x8b {
			t.Errorf("DISCONNECT %#x, want 0x8b", got)
		}
	})
}

// FuzzPackets: whatever comes after CONNECT, and instead of it, the server lives.
func FuzzPackets(f *testing.F) {
	for _, version := range []byte{3, 4, 5} {
		f.Add(version, true, encode(f, version, subscription(1, 1, "a/#")))
		f.Add(version, true, encode(f, version, publish(1, 1, "a", "x")))
		f.Add(version, false, encode(f, version, login(version, "x", "t1/admin")))
	}
	f.Add(byte(5), true, []byte{0x82, 6, 0, 1, 0, 0, 1, 'a'})
	f.Fuzz(func(t *testing.T, version byte, connected bool, raw []byte) {
		if version < 3 || version > 5 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			c := r.dial(t, version)
			if connected {
				c = r.connect(t, version, "x", "t1/admin")
			}
			_, _ = c.Write(raw)
			c.Close()
			synctest.Wait()
			r.connect(t, 4, "y", "t1/admin").silent()
		})
	})
}
