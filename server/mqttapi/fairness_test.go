package mqttapi_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"mooring/server/mqttapi"
)

// TestFloodStarvesNobody: however much one device sends, it has a window of
// publishes on their way and no more; the next device's publish goes to the store
// behind these, and everything is acknowledged in the end.
func TestFloodStarvesNobody(t *testing.T) {
	const window, flooded = 64, 3000
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{Window: window})
		flood, calm := r.connect(t, dev("flood")), r.connect(t, dev("calm"))
		r.telemetry.setHold(true)
		go func() {
			for i := range flooded {
				flood.send(publish(uint16(i+1), 1, "s/us", "200,c8y_Flood,N,1"))
			}
		}()
		synctest.Wait()
		calm.send(publish(1, 1, "s/us", "200,c8y_Calm,N,1"))
		synctest.Wait()
		lines := r.telemetry.lines()
		if len(lines) != window+1 || !strings.Contains(lines[window], "c8y_Calm") {
			t.Errorf("%d publishes went to the store, want %d of the flood and then the calm one", len(lines), window)
		}
		r.telemetry.setHold(false)
		for i := range window + 1 {
			r.telemetry.release(i, nil)
		}
		calm.want(4, 1)
		for i := range flooded {
			flood.want(4, uint16(i+1))
		}
	})
}

// TestDeadSubscribersCostNothing: clients that subscribed and stopped reading are
// cut off one by one, and none of what waited for them stays.
func TestDeadSubscribersCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{OutboundMessages: 8, OutboundBytes: 4096})
		r.Server.Stats()
		var dead []*client
		for i := range 50 {
			c := r.connect(t, dev(fmt.Sprint("dead-", i)))
			c.subscribe("s/dl")
			c.send(publish(1, 1, "s/us", "100"))
			c.want(4, 1)
			c.send(subscribe(2, 1, "s/ds"))
			c.want(9, 2)
			dead = append(dead, c)
		}
		for _, c := range dead {
			for range 20 { // nine answers that are never acknowledged are one too many
				if _, err := c.Write(encodeFor(t, publish(0, 0, "s/us", "123"))); err != nil {
					break
				}
			}
		}
		synctest.Wait()
		if got := r.Stats(); got.Overflows != 50 || got.Connections != 0 {
			t.Errorf("%d cut off, %d stay connected", got.Overflows, got.Connections)
		}
	})
}
