package mqttapi_test

import (
	"testing"
	"testing/synctest"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/server/mqttapi"
)

// FuzzPackets: whatever comes after CONNECT, and instead of it, the server lives
// and serves others.
func FuzzPackets(f *testing.F) {
	five := dev("dev1")
	five.protocol = 5
	for _, p := range []mqtt.ControlPacket{dev("dev1").packet(), five.packet(), subscribe(1, 1, "s/ds", "s/e"), publish(1, 1, "s/us", "100"),
		publish(2, 2, "s/us/child", "200,a,b,1"), pubrel(2), simple(mqtt.Pingreq)} {
		raw := encodeFor(f, p)
		f.Add(false, raw)
		f.Add(true, raw)
	}
	f.Add(false, []byte{0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 0, 200, 1})
	f.Fuzz(func(t *testing.T, connected bool, raw []byte) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, mqttapi.Limits{})
			c := r.dial(t)
			if connected {
				c = r.connect(t, dev("dev1"))
			}
			_, _ = c.Write(raw)
			c.Close()
			synctest.Wait()
			other := r.connect(t, dev("other"))
			other.send(simple(mqtt.Pingreq))
			other.want(mqtt.Pingresp, 0)
		})
	})
}
