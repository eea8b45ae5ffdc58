package uplink_test

import (
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/uplink"
)

// TestTooManySubscriptions answers one topic with codes for several, at which
// the library panics.
func TestTooManySubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		b.subacks = 3
		l := b.link(t, nil)
		l.Use(credential(t, 1))
		time.Sleep(time.Second)
		if e := l.last(); e.Kind == uplink.Up || e.Reason == "" {
			t.Errorf("got %+v, want the end of the connection and its reason", e)
		}
		b.set(func() { b.subacks = 1 })
		time.Sleep(time.Minute)
		if e := l.last(); e.Kind != uplink.Up {
			t.Errorf("then got %+v, want up", e)
		}
		l.stop()
	})
}

// TestUnknownCode has the server answer with a code that MQTT does not know.
func TestUnknownCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		b.suback = func(_ string, try int) byte {
			if try == 1 {
				return 3
			}
			return 0
		}
		l := b.link(t, nil)
		l.Use(credential(t, 1))
		time.Sleep(time.Minute)
		if n := get(b, func() int { return b.tries["s/dat"] }); n != 2 {
			t.Errorf("s/dat was asked for %d times, want 2", n)
		}
		l.stop()
	})
}

// TestEnd says why a connection ended.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l := b.link(t, nil)
		l.Use(credential(t, 1))
		time.Sleep(time.Second)
		b.kick()
		time.Sleep(time.Millisecond)
		if e := l.last(); e.Kind != uplink.Down || e.Reason != "disconnected" {
			t.Errorf("thrown out: got %+v", e)
		}
		time.Sleep(time.Minute)
		b.set(func() { b.connack = 5 })
		l.Use(credential(t, 2))
		synctest.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, e := range l.events[2:] {
			if e.Kind == uplink.Down && e.Reason != "" {
				t.Errorf("replaced: got %+v, want no reason", e)
			}
		}
	})
}
