package mqttapi_test

import (
	"slices"
	"testing"
	"testing/synctest"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/server/mqttapi"
)

// TestOnline: a session that begins and ends is told of, in this order, and one
// that is taken over does not end after its successor has begun.
func TestOnline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		told := func(want ...string) {
			t.Helper()
			synctest.Wait()
			r.presence.mu.Lock()
			defer r.presence.mu.Unlock()
			if !slices.Equal(r.presence.online, want) {
				t.Errorf("told %q, want %q", r.presence.online, want)
			}
			r.presence.online = nil
		}
		c := r.connect(t, dev("dev1"))
		told("t1000 dev1 true")
		c.send(simple(mqtt.Disconnect))
		c.wantClosed()
		told("t1000 dev1 false")
		r.connect(t, dev("dev1"))
		told("t1000 dev1 true")
		second := r.connect(t, options{id: "d:dev1", user: "t1000/device_dev1", password: "right"})
		told("t1000 dev1 true")
		wrong := dev("dev1")
		wrong.password = "wrong"
		r.dial(t).connect(wrong)
		told()
		second.Close()
		told("t1000 dev1 false")
	})
}
